"""The charts of a report, from its data."""

from __future__ import annotations

from collections.abc import Iterator

from alphalab.experiments import BASELINE_PREFIX
from alphalab.reports.blocks import Figure
from alphalab.reports.charts import COLOURS, Point, Series, line_chart
from alphalab.reports.data import ReportData
from alphalab.reports.evidence import Panel

_TICKS = 8
_STEPS = (1, 2, 3, 6, 12, 24, 48, 96, 168, 288, 336)
"""Distances between ticks in time: whole parts or multiples of a day for the usual steps."""


def convergence(data: ReportData) -> Figure:
    """Score of every experiment in the order they came, the best so far, and the reference."""
    metric = data.metric
    numbers = range(1, len(data.steps) + 1)
    dots = [
        Point(
            x=number,
            y=step.value,
            low=step.low,
            high=step.high,
            title=f"{step.experiment} {step.name}: {step.value:.5g}",
        )
        for number, step in zip(numbers, data.steps, strict=True)
    ]
    series = [
        Series(name="experiments", points=dots, mark="dots", colour=COLOURS[0]),
        Series(name="best so far", points=_running_best(data), mark="steps", colour=COLOURS[1]),
        *_levels(data),
    ]
    words = f"{metric.name} of {len(dots)} experiments on the search split with 95 % intervals, and the best so far"
    svg = line_chart(
        series,
        title="Convergence",
        description=words,
        x_label="experiments, in the order in which they were scored",
        y_label=f"{metric.name} ({metric.unit})" if metric.unit else metric.name,
        x_ticks=[(number, str(number)) for number in numbers if number == 1 or number % _every(len(dots)) == 0],
    )
    return Figure(name="convergence", title="Convergence", caption=f"{words}.", svg=svg)


def _every(count: int) -> int:
    return max(1, -(-count // 20))


def _running_best(data: ReportData) -> Iterator[Point]:
    best: float | None = None
    for number, step in enumerate(data.steps, start=1):
        best = step.value if best is None or data.metric.better(step.value, best) else best
        yield Point(x=number, y=best)


def _levels(data: ReportData) -> Iterator[Series]:
    row = data.row(data.reference, "search")
    if row is not None:
        name = f"reference: {data.reference.removeprefix(BASELINE_PREFIX)}"
        yield Series(name=name, points=[Point(x=1, y=row.value)], mark="level", colour=COLOURS[2])


def forecasts(data: ReportData) -> Iterator[Figure]:
    """The best experiment's predictions beside the truth, one chart per series."""
    name = data.best.id if data.best else ""
    for number, panel in enumerate(data.panels, start=1):
        caption = f"{panel.name}: predictions of {name} beside the truth on the {data.panels_split} split."
        yield Figure(
            name=f"forecast-{number}", title=panel.name, caption=caption, svg=_panel(panel, caption, data.metric.unit)
        )


def _panel(panel: Panel, caption: str, unit: str) -> str:
    steps = range(len(panel.truth))
    lines = (("truth", panel.truth, COLOURS[0]), ("prediction", panel.prediction, COLOURS[1]))
    series = [
        Series(name=name, points=[Point(x=x, y=y) for x, y in zip(steps, values, strict=True)], colour=colour)
        for name, values, colour in lines
    ]
    wanted = len(panel.times) / _TICKS
    every = next((step for step in _STEPS if step >= wanted), _STEPS[-1])
    marks = [(step, _short(panel.times[step])) for step in steps if step % every == 0]
    return line_chart(
        series, title=panel.name, description=caption, y_label=unit, x_label="time", x_ticks=marks, height=240
    )


def _short(time: str) -> str:
    """`2024-05-17T00:00:00` as `05-17 00h`; anything else as it is, shortened."""
    date, _, clock = time.partition("T")
    return f"{date[5:]} {clock[:2]}h" if clock and len(date) == 10 else time[:12]
