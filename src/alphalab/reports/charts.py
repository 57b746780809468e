"""Line charts as SVG text: pure functions, the same input gives the same bytes.

Axes and words take the colour of the surrounding text and the series are of middling brightness, so one chart reads
on light and on dark.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import Literal

from attrs import field, frozen

COLOURS = ("#2f7ed8", "#e07b1f", "#2e9d62", "#c2498f", "#8a6fd1")
"""Blue, orange, green, pink, violet: told apart on white and on black, also with red-green weakness."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 34, 46
_FONT = 12
_LETTER = 6.6
"""Mean width of a letter at `_FONT`, pixels; for placing the legend."""

Mark = Literal["dots", "line", "steps", "level"]


@frozen(kw_only=True)
class Point:
    """One value; `y` is None where nothing was measured, and the line breaks there."""

    x: float
    y: float | None
    low: float | None = None
    """Lower end of an interval, drawn as a whisker."""
    high: float | None = None
    title: str = ""
    """Shown when a pointer rests on it."""


@frozen(kw_only=True)
class Series:
    """Points of one kind."""

    name: str
    points: tuple[Point, ...] = field(converter=tuple)
    mark: Mark = "line"
    """`level`: a dashed line across the chart at the first point's value."""
    colour: str = COLOURS[0]


@frozen
class Box:
    """Where values are on the picture."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int

    def at(self, x: float, y: float) -> tuple[str, str]:
        """Pixels of a value, as text."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        left = _LEFT + across * (self.width - _LEFT - _RIGHT)
        top = self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM)
        return f"{left:.1f}", f"{top:.1f}"


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    x_ticks: Sequence[tuple[float, str]] | None = None,
    description: str = "",
    width: int = 720,
    height: int = 320,
) -> str:
    """A chart with axes, ticks, a legend and whiskers for intervals.

    Args:
        series: What to draw; points that are not finite count as not measured.
        title: Read aloud by screen readers; also the chart's name for pointers.
        x_label: Below the chart.
        y_label: Above the vertical axis.
        x_ticks: Places and their labels; None: round numbers.
        description: The message of the chart in a sentence, for those who do not see it.
        width: Pixels.
        height: Pixels.

    Returns:
        One `<svg>` element; an empty chart says that there is nothing to show.
    """
    shown = tuple(_finite(one) for one in series)
    box = _box(shown, width, height)
    parts = [f"<title>{escaped(title)}</title>", f"<desc>{escaped(description)}</desc>" if description else ""]
    if box is None:
        parts.append(_text(width / 2, height / 2, "nothing to show yet", anchor="middle"))
    else:
        parts += [*_axes(box, x_ticks, x_label, y_label), *_legend(shown, width)]
        parts += [element for one in shown for element in _drawn(one, box)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
    style = f'font-family="system-ui, sans-serif" font-size="{_FONT}" fill="currentColor"'
    return f"{head} {style}>{''.join(parts)}</svg>"


def plain(text: object) -> str:
    """Text of anybody on one line, without what cannot be printed or encoded."""
    return " ".join("".join(character if character.isprintable() else " " for character in str(text)).split())


def escaped(text: object) -> str:
    """Text of anybody for HTML and XML: on one line, no markup."""
    return html.escape(plain(text))


def ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """Round numbers within a range, at least two and about `count`, steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    wanted = next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    for factor in (wanted, 5, 2, 1, 0.5):  # a step may be so wide that its multiples miss the range
        marks = _multiples(factor * power, low, high) if factor <= wanted else ()
        if len(marks) >= 2:
            return marks
    return (low, high)


def _multiples(step: float, low: float, high: float) -> tuple[float, ...]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(number * step, 12) for number in range(first, last + 1))


def _finite(series: Series) -> Series:
    def kept(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    points = [
        Point(x=point.x, y=kept(point.y), low=kept(point.low), high=kept(point.high), title=point.title)
        for point in series.points
    ]
    return Series(name=series.name, points=points, mark=series.mark, colour=series.colour)


def _box(series: Sequence[Series], width: int, height: int) -> Box | None:
    across = [point.x for one in series if one.mark != "level" for point in one.points]
    up = [
        value
        for one in series
        for point in one.points
        for value in (point.y, point.low, point.high)
        if value is not None
    ]
    return Box(_range(across, 0.02), _range(up, 0.06), width, height) if across and up else None


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    return low - margin * spread, high + margin * spread


def _axes(box: Box, x_ticks: Sequence[tuple[float, str]] | None, x_label: str, y_label: str) -> Iterator[str]:
    bottom, right = box.height - _BOTTOM, box.width - _RIGHT
    for value in ticks(*box.y):
        top = float(box.at(box.x[0], value)[1])
        yield _line(_LEFT, top, right, top, 'stroke="currentColor" stroke-opacity="0.15"')
        yield _text(_LEFT - 8, top + 4, f"{value:g}", anchor="end")
    for value, label in x_ticks if x_ticks is not None else [(value, f"{value:g}") for value in ticks(*box.x, 8)]:
        left = float(box.at(value, box.y[0])[0])
        yield _line(left, bottom, left, bottom + 5, 'stroke="currentColor"')
        yield _text(left, bottom + 19, label, anchor="middle")
    yield _line(_LEFT, bottom, right, bottom, 'stroke="currentColor"')
    yield _text((_LEFT + right) / 2, box.height - 6, x_label, anchor="middle")
    yield _text(4, 14, y_label)


def _legend(series: Sequence[Series], width: int) -> Iterator[str]:
    """Right-aligned above the chart, in the series' own marks."""
    left = width - _RIGHT - sum(_LETTER * len(one.name) + 36 for one in series)
    for one in series:
        if one.mark == "dots":
            yield f'<circle cx="{left + 10:.1f}" cy="10" r="3.5" fill="{one.colour}"/>'
        else:
            yield _line(left, 10, left + 20, 10, _stroke(one))
        yield _text(left + 25, 14, one.name)
        left += _LETTER * len(one.name) + 36


def _drawn(series: Series, box: Box) -> Iterator[str]:
    points = [point for point in series.points if point.y is not None]
    if series.mark == "level":
        for point in points[:1]:
            path = " L ".join(" ".join(box.at(x, point.y or 0.0)) for x in box.x)
            yield f'<path d="M {path}" {_stroke(series)}><title>{escaped(series.name)}</title></path>'
        return
    if series.mark != "dots":
        yield f'<path d="{_path(series, box)}" {_stroke(series)} stroke-linejoin="round"/>'
        return
    for point in points:
        yield from _dot(point, series.colour, box)


def _dot(point: Point, colour: str, box: Box) -> Iterator[str]:
    if point.low is not None and point.high is not None:
        (left, low), (_, high) = box.at(point.x, point.low), box.at(point.x, point.high)
        yield _line(float(left), float(low), float(left), float(high), f'stroke="{colour}" stroke-opacity="0.5"')
    left, top = box.at(point.x, point.y or 0.0)
    title = f"<title>{escaped(point.title)}</title>" if point.title else ""
    yield f'<circle cx="{left}" cy="{top}" r="3.5" fill="{colour}">{title}</circle>'


def _path(series: Series, box: Box) -> str:
    """A path that breaks where nothing was measured; with `steps` a value holds until the next one."""
    parts: list[str] = []
    previous: float | None = None
    for point in series.points:
        if point.y is None:
            previous = None
            continue
        if previous is not None and series.mark == "steps":
            parts.append(f"L {' '.join(box.at(point.x, previous))}")
        parts.append(f"{'M' if previous is None else 'L'} {' '.join(box.at(point.x, point.y))}")
        previous = point.y
    return " ".join(parts)


def _stroke(series: Series) -> str:
    dashes = ' stroke-dasharray="6 4"' if series.mark == "level" else ""
    return f'stroke="{series.colour}" stroke-width="1.8" fill="none"{dashes}'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped(text)}</text>' if text else ""
