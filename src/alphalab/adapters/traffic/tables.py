"""Files of arrays and columns: npz, HDF5 and Parquet, as one table of numbers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import numpy as np
from attrs import frozen

from alphalab.errors import ConfigError

Array = np.ndarray[Any, np.dtype[Any]]


@frozen(kw_only=True)
class Reading:
    """What a caller may say about a file."""

    variable: str = ""
    """Array, `ARRAY:channel`, or columns separated by commas."""
    keep: str = ""
    """Boolean array that chooses columns."""
    delimiter: str = ""
    header: str = "auto"
    missing: str = ""
    """A further value that means "not measured"."""


@frozen(kw_only=True, eq=False)
class Table:
    """What was read, before it is checked."""

    values: Array
    """Real numbers, `[hours, columns]`."""
    columns: tuple[str, ...]
    time: Array | None = None
    """`datetime64`, `[hours]`."""
    synthetic: bool = False
    """The file says that its values were made up."""


def read_npz(data: bytes, reading: Reading) -> Table:
    """A table from a NumPy archive."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: _member(archive, name) for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise ConfigError(f"is not a readable .npz archive ({error}); write it with numpy.savez") from error
    found = {name: array for name, array in arrays.items() if array is not None}
    return _from_arrays(found, reading, unreadable=[name for name in arrays if name not in found])


def _member(archive: Any, name: str) -> Array | None:
    """One array, or None when it holds Python objects, which are never unpickled."""
    try:
        return archive[name]
    except ValueError:
        return None


def read_hdf5(data: bytes, reading: Reading) -> Table:
    """A table from an HDF5 file: plain datasets, or one frame in the fixed format of pandas."""
    h5py = _optional("h5py", ".h5")
    try:
        file = h5py.File(io.BytesIO(data), "r")
    except OSError as error:
        raise ConfigError(f"is not a readable HDF5 file ({error})") from error
    arrays: dict[str, Array] = {}

    def collect(name: str, node: Any) -> None:
        if getattr(node, "shape", ()):
            arrays[name] = node[()]

    with file:
        file.visititems(collect)
    return _from_arrays(_pandas_frames(arrays), reading, unreadable=[])


def _pandas_frames(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Name the parts of a pandas frame `df/block0_values`, `df/axis0`, `df/axis1` as plain arrays are named."""
    frames = [name.removesuffix("/block0_values") for name in arrays if name.endswith("/block0_values")]
    if len(frames) != 1:
        return dict(arrays)
    frame = frames[0]
    labels = [label.decode() if isinstance(label, bytes) else str(label) for label in arrays[f"{frame}/axis0"].tolist()]
    parts: dict[str, Array] = {frame: arrays[f"{frame}/block0_values"], "sensor": np.array(labels)}
    index = arrays.get(f"{frame}/axis1")
    if index is not None and index.dtype.kind == "i":
        parts["time"] = index.astype("datetime64[ns]")
    return parts


def read_parquet(data: bytes, reading: Reading) -> Table:
    """A table from a Parquet file; the first timestamp column is the time."""
    pyarrow = _optional("pyarrow", ".parquet")
    parquet = import_module("pyarrow.parquet")
    try:
        table = parquet.read_table(io.BytesIO(data))
    except pyarrow.ArrowException as error:
        raise ConfigError(f"is not a readable Parquet file ({error})") from error
    columns = {str(name): cast("Array", table[name].to_numpy()) for name in table.column_names}
    times = [name for name, column in columns.items() if column.dtype.kind == "M"]
    wanted = choose_columns([name for name in columns if name not in times], reading)
    wrong = [name for name in wanted if columns[name].dtype.kind not in "iuf"]
    if wrong:
        raise ConfigError(f"column(s) {quoted(wrong)} hold no numbers; choose the numeric ones with option variable")
    values = np.stack([columns[name] for name in wanted], axis=1)
    return Table(values=values, columns=tuple(wanted), time=columns[times[0]] if times else None)


def _optional(name: str, suffix: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"reading {suffix} needs {name}, which is not installed; pip install 'alphalab[tables]'"
        ) from error


def choose_columns(columns: Sequence[str], reading: Reading) -> list[str]:
    """The columns a caller asked for, or all."""
    if reading.keep:
        raise ConfigError(
            f"option keep={reading.keep!r} needs a file of named arrays; choose columns with option variable"
        )
    wanted = [name.strip() for name in reading.variable.split(",") if name.strip()] or list(columns)
    unknown = [name for name in wanted if name not in columns]
    if unknown:
        raise ConfigError(
            f"option variable={reading.variable!r}: no column {quoted(unknown)}; columns: {quoted(columns)}"
        )
    if not wanted:
        raise ConfigError("holds no column of values")
    return wanted


def quoted(names: Sequence[str], *, most: int = 8) -> str:
    """Names for a message, not more than a few."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _from_arrays(arrays: dict[str, Array], reading: Reading, *, unreadable: list[str]) -> Table:
    values = _pick(arrays, reading, unreadable)
    names = _names(arrays, values.shape[1])
    time = arrays.get("time")
    synthetic = bool(np.any(arrays["synthetic"])) if "synthetic" in arrays else False
    chosen = _chosen(arrays, reading, values.shape[1])
    return Table(
        values=values[:, chosen],
        columns=tuple([names[int(index)] for index in chosen.tolist()]),
        time=time if time is not None and time.dtype.kind == "M" and time.shape == values.shape[:1] else None,
        synthetic=synthetic,
    )


def _pick(arrays: Mapping[str, Array], reading: Reading, unreadable: list[str]) -> Array:
    """The array to forecast, `[hours, columns]`."""
    if not reading.variable:
        return _only(arrays, unreadable)
    name, _, channel = reading.variable.partition(":")
    if name in unreadable:
        raise ConfigError(f"array {name!r} holds Python objects, which are not read; store it as numbers")
    if name not in arrays:
        raise ConfigError(f"option variable={reading.variable!r}: no such array; {_listing(arrays)}")
    values = arrays[name]
    if values.dtype.kind not in "iuf":
        raise ConfigError(f"array {name!r} is {values.dtype}, not real numbers; {_listing(arrays)}")
    if values.ndim == 3:
        values = _channel(values, name, channel)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise ConfigError(f"array {name!r} has shape {values.shape}; expected [hours, sensors]")
    return values


def _only(arrays: Mapping[str, Array], unreadable: list[str]) -> Array:
    numeric = {name: array for name, array in arrays.items() if array.dtype.kind in "iuf"}
    for ndim in (2, 1):
        found = [array for array in numeric.values() if array.ndim == ndim]
        if len(found) == 1:
            return found[0] if ndim == 2 else found[0][:, None]
        if found:
            raise ConfigError(f"holds {len(found)} numeric arrays; choose one with option variable; {_listing(arrays)}")
    hidden = f" (arrays of Python objects are not read: {quoted(unreadable)})" if unreadable else ""
    raise ConfigError(f"holds no numeric array [hours, sensors]; {_listing(arrays)}{hidden}")


def _channel(values: Array, name: str, channel: str) -> Array:
    count = values.shape[2]
    if not channel.isdecimal() or int(channel) >= count:
        raise ConfigError(
            f"array {name!r} has shape {values.shape}; choose one of its {count} channels, e.g. "
            f"option variable='{name}:0'"
        )
    return values[:, :, int(channel)]


def _listing(arrays: Mapping[str, Array]) -> str:
    known = [f"{name!r} {'x'.join(map(str, array.shape))} {array.dtype}" for name, array in arrays.items()]
    return f"arrays: {', '.join(known[:12])}" if known else "the file holds no array"


def _names(arrays: Mapping[str, Array], count: int) -> list[str]:
    for key in ("sensor", "sensors"):
        if key in arrays and arrays[key].shape == (count,) and arrays[key].dtype.kind in "USiu":
            return [name.decode() if isinstance(name, bytes) else str(name) for name in arrays[key].tolist()]
    return [f"sensor-{index:03d}" for index in range(count)]


def _chosen(arrays: Mapping[str, Array], reading: Reading, count: int) -> Array:
    if not reading.keep:
        return np.arange(count)
    keep = arrays.get(reading.keep)
    if keep is None or keep.dtype.kind != "b" or keep.shape != (count,):
        raise ConfigError(f"option keep={reading.keep!r} must name {count} booleans; {_listing(arrays)}")
    if not keep.any():
        raise ConfigError(f"array {reading.keep!r} keeps none of {count} sensors")
    return np.flatnonzero(keep)
