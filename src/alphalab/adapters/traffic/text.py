"""Text files of columns: which separator, whether there is a header, which column is the time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, islice

import numpy as np
from attrs import frozen

from alphalab.adapters.traffic.tables import Array, Reading, Table, choose_columns, quoted
from alphalab.errors import ConfigError

MISSING = frozenset({"", "NA", "na", "N/A", "n/a", "NULL", "null", "Null", "None", "none", "nan", "NaN"})
SEPARATORS = (",", ";", "\t", "|")
_WORDS = {"tab": "\t", "space": " "}
_SAMPLE = 50
_CHUNK = 4096

Row = Sequence[str]


def read_text(data: bytes, reading: Reading) -> Table:
    """A table from delimited text.

    Raises:
        ConfigError: It is not a table of numbers; says what was seen and which option would help.
    """
    lines = _lines(data)
    delimiter = _WORDS.get(reading.delimiter, reading.delimiter) or _sniff(lines[:_SAMPLE])
    rows = _rows(lines, delimiter)
    sample = list(islice(rows, _SAMPLE))
    layout = _layout(sample, reading)
    _check_separator(sample, layout, delimiter)
    body = _same_width(chain(sample[layout.first :], rows), layout)
    return _parse(body, layout, reading)


def _lines(data: bytes) -> list[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text ({error}); save it as UTF-8") from error
    lines = [line for line in io.StringIO(text, newline=None).read().split("\n") if line.strip()]
    if not lines:
        raise ConfigError("is empty")
    return lines


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[Row]:
    if delimiter == " ":
        return (line.split() for line in lines)
    if len(delimiter) != 1:
        raise ConfigError(f"option delimiter={delimiter!r} must be one character, or 'tab' or 'space'")
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


def _sniff(lines: Sequence[str]) -> str:
    """The separator that cuts every line into the same, largest number of cells."""
    widths = {mark: {len(row) for row in _rows(lines, mark)} for mark in (*SEPARATORS, " ")}
    even = {mark: width.pop() for mark, width in widths.items() if len(width) == 1}
    marks = [mark for mark in SEPARATORS if even.get(mark, 1) > 1]
    if marks:
        return max(marks, key=lambda mark: even[mark])
    if even.get(" ", 1) > 1 and all(_is_number(cell) for cell in lines[-1].split()):
        return " "
    if all(mark not in line for line in lines for mark in SEPARATORS):
        return ","
    raise ConfigError(
        f"no separator cuts all lines alike; first line: {lines[0][:60]!r}; set option delimiter, or repair the lines"
    )


@frozen(kw_only=True)
class _Layout:
    names: tuple[str, ...]
    first: int
    """Lines before the values: 1 with a header."""
    time: int | None
    """Column of the time."""
    index: int | None
    """Column that only counts the rows."""


def _layout(sample: Sequence[Row], reading: Reading) -> _Layout:
    header = reading.header == "yes" or (reading.header == "auto" and _has_header(sample))
    body = sample[1:] if header else sample
    width = len(sample[0])
    if not body:
        raise ConfigError("holds a header and no values")
    names = [name.strip() for name in sample[0]] if header else [f"column-{index:03d}" for index in range(width)]
    times = [index for index in range(width) if all(index < len(row) and _as_time(row[index]) for row in body)]
    counter = (
        header and names[0] in ("", "Unnamed: 0") and [row[0] for row in body] == [str(n) for n in range(len(body))]
    )
    return _Layout(
        names=tuple(names), first=int(header), time=times[0] if times else None, index=0 if counter else None
    )


def _has_header(sample: Sequence[Row]) -> bool:
    """Names are words; or distinct whole numbers above columns that hold fractions, as when sensors have numbers."""
    first = [cell.strip() for cell in sample[0]]
    words = [cell for cell in first if cell not in MISSING and not _is_number(cell) and not _as_time(cell)]
    if words:
        # A line of words above lines of words is text throughout, reported later with the column's name.
        return True
    whole = len(set(first)) == len(first) > 1 and all(cell.isdecimal() for cell in first)
    return whole and any("." in cell for row in sample[1:] for cell in row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _as_time(cell: str) -> datetime | None:
    """Wall-clock time of a cell in ISO form, or None."""
    if _is_number(cell):
        return None
    try:
        return datetime.fromisoformat(cell.strip()).replace(tzinfo=None)
    except ValueError:
        return None


def _check_separator(sample: Sequence[Row], layout: _Layout, delimiter: str) -> None:
    """A wrong separator leaves whole lines in one cell."""
    row = sample[layout.first]
    cell = row[0].strip()
    if len(row) > 1 or cell in MISSING or _is_number(cell) or layout.time is not None:
        return
    likely = next((mark for mark in (*SEPARATORS, " ") if mark in cell and mark != delimiter), None)
    advice = f"set option delimiter to {likely!r}" if likely else "choose a file of numbers"
    raise ConfigError(f"with delimiter {delimiter!r} every line is one cell, such as {cell[:60]!r}; {advice}")


def _same_width(rows: Iterator[Row], layout: _Layout) -> Iterator[Row]:
    width = len(layout.names)
    for number, row in enumerate(rows, start=layout.first + 1):
        if len(row) != width:
            raise ConfigError(
                f"line {number} has {len(row)} cells, the first line has {width}; repair it, or set option delimiter"
            )
        yield row


def _parse(rows: Iterator[Row], layout: _Layout, reading: Reading) -> Table:
    wanted = choose_columns(
        [name for n, name in enumerate(layout.names) if n not in (layout.time, layout.index)], reading
    )
    places = [layout.names.index(name) for name in wanted]
    missing = MISSING | {reading.missing.strip()}
    blocks: list[Array] = []
    times: list[datetime] = []
    bad: dict[str, str] = {}
    line = layout.first + 1
    while chunk := list(islice(rows, _CHUNK)):
        columns = list(zip(*chunk, strict=True))
        parsed = [_numbers(columns[place], layout.names[place], missing, bad, line) for place in places]
        blocks.append(np.array(parsed, dtype=np.float64).T)
        times += [] if layout.time is None else _times(columns[layout.time], line)
        line += len(chunk)
    if bad:
        raise ConfigError(
            f"column(s) {quoted(list(bad))} hold text, such as {next(iter(bad.values()))}; choose the numeric columns "
            "with option variable, or name the text with option missing when it means 'not measured'"
        )
    time = None if layout.time is None else np.array(times, dtype="datetime64[s]")
    return Table(values=np.concatenate(blocks), columns=tuple(wanted), time=time)


def _numbers(cells: Sequence[str], name: str, missing: frozenset[str], bad: dict[str, str], line: int) -> list[float]:
    """A column's numbers; the first cell that is none is noted under the column's name."""
    try:
        return [np.nan if cell in missing else float(cell) for cell in cells]
    except ValueError:
        stripped = [cell.strip() for cell in cells]
        wrong = [n for n, cell in enumerate(stripped) if cell not in missing and not _is_number(cell)]
        if wrong:
            bad.setdefault(name, f"{stripped[wrong[0]]!r} in line {line + wrong[0]}")
        return [float(cell) if _is_number(cell) and cell not in missing else np.nan for cell in stripped]


def _times(cells: Sequence[str], line: int) -> list[datetime]:
    times = [_as_time(cell) for cell in cells]
    if None in times:
        place = times.index(None)
        raise ConfigError(f"time {cells[place]!r} in line {line + place} is not in ISO form, e.g. 2015-01-31 13:00")
    return [time for time in times if time is not None]
