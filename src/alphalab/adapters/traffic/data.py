"""A network of series on one regular clock, read from a file or URL and checked."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from attrs import evolve, field, frozen

from alphalab.adapters.traffic.tables import Array, Reading, Table, quoted, read_hdf5, read_npz, read_parquet
from alphalab.adapters.traffic.text import read_text
from alphalab.errors import ConfigError

READERS: dict[str, Callable[[bytes, Reading], Table]] = {
    ".npz": read_npz,
    ".csv": read_text,
    ".txt": read_text,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".parquet": read_parquet,
}
_DAY_NS = 86_400_000_000_000
_LARGEST = float(np.finfo(np.float32).max)


@frozen(kw_only=True, eq=False)
class Series:
    """Values of several sensors, one row per step."""

    values: Array
    """float32 `[hours, sensors]`, NaN = not measured. "Hours" are steps when the data have another clock."""
    sensors: tuple[str, ...] = field(converter=tuple)
    start: np.datetime64 | None = None
    """Wall-clock time of the first row, when the file says so."""
    step: np.timedelta64 | None = None
    """Time between rows."""
    synthetic: bool = False
    """Made up by `simulate`, and to be named so wherever it is shown."""
    notes: tuple[str, ...] = field(default=(), converter=tuple)
    """What reading changed: gaps filled, sensors dropped."""

    @property
    def time(self) -> Array | None:
        """Wall-clock time of every row, `[hours]`, or None."""
        if self.start is None or self.step is None:
            return None
        return self.start + np.arange(len(self.values)) * self.step

    @property
    def steps_per_day(self) -> int | None:
        """How many rows make a day, when that is a whole number and known."""
        if self.step is None:
            return None
        step = int(self.step.astype("timedelta64[ns]").astype(np.int64))
        return _DAY_NS // step if 0 < step <= _DAY_NS and _DAY_NS % step == 0 else None


def load_series(source: str, reading: Reading | None = None) -> Series:
    """Read a series.

    Args:
        source: Path or any fsspec URL, ending in .npz, .csv, .txt, .h5 or .parquet; text may end in .gz.
        reading: What the caller says about the file.

    Raises:
        ConfigError: One error that lists everything wrong with the file.
    """
    reading = reading or Reading()
    try:
        table = _mark_missing(_reader(source)(_read(source), reading), reading.missing)
        problems = _value_problems(table)
        if problems:
            raise ConfigError.of(source, problems)
        return _on_a_clock(table)
    except ConfigError as error:
        if str(error).startswith(source):
            raise
        raise ConfigError.of(source, error.problems) from error


def _reader(source: str) -> Callable[[bytes, Reading], Table]:
    name = source.lower().removesuffix(".gz")
    for suffix, reader in READERS.items():
        if name.endswith(suffix):
            return reader
    raise ConfigError(f"has an unknown ending; known: {', '.join(READERS)}, and .gz after .csv or .txt")


def _read(source: str) -> bytes:
    """All bytes of a file, decompressed."""
    try:
        with fsspec.open(source, "rb") as stream:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            raw = cast("bytes", stream.read())  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
        data = gzip.decompress(raw) if source.lower().endswith(".gz") else raw
    except FileNotFoundError as error:
        raise ConfigError("does not exist; give the path of a file, or a URL") from error
    except (OSError, ValueError, ImportError, EOFError) as error:
        raise ConfigError(f"cannot be read: {type(error).__name__}: {error}") from error
    if not data:
        raise ConfigError("is empty")
    return data


def _mark_missing(table: Table, missing: str) -> Table:
    """Real numbers as floats, with NaN where the extra missing value stood."""
    values = table.values.astype(np.float64)
    try:
        values[values == float(missing)] = np.nan
    except ValueError:
        return evolve(table, values=values)  # A word marks missing cells of text files, where it was applied already.
    return evolve(table, values=values)


def _value_problems(table: Table) -> list[str]:
    values, columns = table.values, table.columns
    if values.size == 0:
        return [f"holds no values: shape {values.shape}"]
    problems: list[str] = []
    infinite = np.isinf(values)
    if infinite.any():
        where = [columns[index] for index in np.flatnonzero(infinite.any(axis=0))]
        problems.append(f"{int(infinite.sum())} value(s) are infinite, in {quoted(where)}; replace them by NaN")
    huge = np.abs(np.where(np.isfinite(values), values, 0.0)) > _LARGEST
    if huge.any():
        problems.append(f"{int(huge.sum())} value(s) are beyond {_LARGEST:.1e}, the range of float32; rescale the data")
    measured = values[np.isfinite(values)]
    if not infinite.any() and measured.size == 0:
        problems.append(f"all values of all {len(columns)} sensors are missing; check options variable and missing")
    elif measured.size and measured.min() == measured.max():
        problems.append(
            f"every measured value is {measured[0]:g}, so there is nothing to forecast; check option variable"
        )
    return problems


def _on_a_clock(table: Table) -> Series:
    """Put rows on a regular clock: sorted, first of repeated times kept, absent times as rows of NaN."""
    series = Series(values=table.values.astype(np.float32), sensors=table.columns, synthetic=table.synthetic)
    if table.time is None or len(table.time) < 2:
        return series
    if np.isnat(table.time).any():
        raise ConfigError(f"{int(np.isnat(table.time).sum())} time(s) are missing; every row needs one")
    time, rows = np.unique(table.time, return_index=True)
    steps, counts = np.unique(np.diff(time), return_counts=True)
    if not len(steps):
        raise ConfigError(f"all rows have the same time {time[0]}; each step needs its own")
    step = steps[np.argmax(counts)]
    place = _places(time, step)
    values = np.full((int(place[-1]) + 1, series.values.shape[1]), np.nan, dtype=np.float32)
    values[place] = series.values[rows]
    return evolve(series, values=values, start=time[0], step=step, notes=_clock_notes(table.time, time, len(values)))


def _places(time: Array, step: Any) -> Array:
    since = (time - time[0]).astype(np.int64)
    width = int(step.astype(np.int64))
    off = int(np.count_nonzero(since % width))
    if off:
        example = time[np.flatnonzero(since % width)[0]]
        raise ConfigError(
            f"times are not evenly spaced: most are {step} apart, but {off} lie between, e.g. {example}; "
            "resample the data first"
        )
    place = since // width
    if place[-1] + 1 > 4 * len(time):
        raise ConfigError(
            f"{len(time)} times {step} apart would span {place[-1] + 1} steps, most of them missing; "
            "leave out the stray times"
        )
    return place


def _clock_notes(given: Array, unique: Array, steps: int) -> list[str]:
    notes: list[str] = []
    if len(unique) < len(given):
        notes.append(f"{len(given) - len(unique)} row(s) with a repeated time were dropped")
    if len(unique) < steps:
        notes.append(f"{steps - len(unique)} absent time(s) were filled with missing values")
    return notes
