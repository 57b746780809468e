"""Which experiment is best, beside the baselines, with intervals and the noise floor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import asdict, field, fields, frozen

from alphalab.errors import ConfigError
from alphalab.experiments import tables
from alphalab.experiments.record import BASELINE_PREFIX, Experiment, ExperimentState, Score, latest_measurements
from alphalab.measurement import Measurement, Metric

RANKED_STATES = (ExperimentState.SCORED, ExperimentState.ANALYZING, ExperimentState.DONE)
"""Before them an outcome may belong to an attempt that is not complete; failed and cancelled ones do not compete."""


@frozen(kw_only=True)
class Row:
    """One line of a leaderboard."""

    id: str
    """An experiment's id, or `baseline:NAME`."""
    name: str
    family: str
    value: float
    """Mean over the seeds, in the metric's unit."""
    low: float | None
    """Lower end of the envelope of the seeds' 95 % intervals; None when there is no interval."""
    high: float | None
    n: int
    """Independent units that each seed was measured on; the smallest number, when seeds differ."""
    seeds: int
    """Seeds behind the value."""
    baseline: bool
    sandbox: str
    """Isolation tiers the candidate ran under, joined by `+` when seeds differ."""
    author: str = ""
    """Model that proposed it."""


@frozen(kw_only=True)
class Leaderboard:
    """Experiments and baselines, best first; shows itself as text, Markdown, LaTeX and HTML."""

    metric: Metric
    split: str
    rows: tuple[Row, ...] = field(converter=tuple)
    noise_floor: float = 0.0
    """Differences up to this, in the metric's unit, are noise."""

    @property
    def best(self) -> Row | None:
        """The first row that is not a baseline."""
        return next((row for row in self.rows if not row.baseline), None)

    @property
    def leaders(self) -> tuple[Row, ...]:
        """Rows that are not baselines and cannot be told from the best one within the noise floor."""
        best = self.best
        if best is None:
            return ()
        return tuple(row for row in self.rows if not row.baseline and abs(row.value - best.value) <= self.noise_floor)

    def to_dict(self) -> dict[str, Any]:
        """JSON data, as the command line prints them."""
        keys = ("id", "name", "family", "value", "low", "high", "n", "baseline", "sandbox")
        rows = [{key: getattr(row, key) for key in keys} for row in self.rows]
        return {"metric": self.metric.name, "goal": self.metric.goal, "split": self.split, "rows": rows}

    def to_markdown(self) -> str:
        """A Markdown table with a caption below."""
        return tables.markdown(*self._table())

    def to_latex(self) -> str:
        """A LaTeX table for the `booktabs` package."""
        return tables.latex(*self._table())

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, one row per line, every field of `Row` a column.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  # noqa: PLC0415 - optional, slow to import
        except ImportError as error:
            raise ConfigError('pandas is not installed; pip install "alphalab[notebook]"') from error
        names = [column.name for column in fields(Row)]
        return pd.DataFrame([asdict(row) for row in self.rows], columns=names)

    def to_html(self) -> str:
        """A table for a page or a notebook; no script, escaped."""
        return tables.html_table(*self._table(), faint=[row.baseline for row in self.rows])

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return tables.plain(*self._table())

    def _table(self) -> tuple[Sequence[str], list[list[str]], str]:
        unit = f" ({self.metric.unit})" if self.metric.unit else ""
        head = ("#", "id", "name", "family", f"{self.metric.name}{unit}", "95 % interval", "n", "seeds", "sandbox")
        body = [_cells(place, row) for place, row in enumerate(self.rows, start=1)]
        order = "lower" if self.metric.goal == "minimize" else "higher"
        noise = f" Differences up to {self.noise_floor:.3g} are noise." if self.noise_floor else ""
        caption = f"{self.metric.name} on the {self.split} split, {order} is better.{noise}"
        return head, body, caption if self.rows else f"{caption} Nothing has been scored yet."


def rank(
    experiments: Iterable[Experiment],
    baseline_scores: Iterable[Score],
    metric: Metric,
    *,
    split: str = "search",
    n: int | None = None,
    noise_floor: float = 0.0,
) -> Leaderboard:
    """Order scored experiments and baselines by the metric's goal, ties by id.

    With several seeds the value is their mean. The interval is the envelope of the seeds' intervals: all seeds are
    measured on the same units, so averaging the ends would pretend to independence, and the envelope shows spread
    over units and over seeds; it covers at least 95 %. A seed without an interval counts with its value.

    Args:
        experiments: Those in `RANKED_STATES` that have a measurement on the split take part.
        baseline_scores: Scores whose subject is `baseline:NAME`.
        metric: Decides what is better.
        split: Which scores count.
        n: Keep the best n rows, baselines among them; None keeps all.
        noise_floor: Measured spread of repeated scoring, in the metric's unit.
    """
    rows = [row for experiment in experiments if (row := _experiment_row(experiment, split)) is not None]
    rows += _baseline_rows(baseline_scores, split)
    rows.sort(key=lambda row: (metric.sort_key(row.value), len(row.id), row.id))  # exp-10000 comes after exp-9999
    return Leaderboard(metric=metric, split=split, rows=tuple(rows[:n]), noise_floor=noise_floor)


def _experiment_row(experiment: Experiment, split: str) -> Row | None:
    measurements = experiment.measurements(split)
    if experiment.state not in RANKED_STATES or not measurements:
        return None
    return _row(
        measurements,
        id=experiment.id,
        name=experiment.name,
        family=experiment.family,
        baseline=False,
        author=experiment.author,
    )


def _baseline_rows(scores: Iterable[Score], split: str) -> list[Row]:
    found: dict[str, list[Score]] = {}
    for score in scores:
        if score.is_baseline:
            found.setdefault(score.subject, []).append(score)
    return [
        _row(measurements, id=subject, name=subject.removeprefix(BASELINE_PREFIX), family="baseline", baseline=True)
        for subject, of_subject in found.items()
        if (measurements := latest_measurements(of_subject, split))
    ]


def _row(measurements: Sequence[Measurement], **facts: Any) -> Row:
    low, high = _envelope(measurements)
    return Row(
        value=sum(measurement.value for measurement in measurements) / len(measurements),
        low=low,
        high=high,
        n=min(measurement.n for measurement in measurements),
        seeds=len(measurements),
        sandbox="+".join(sorted({measurement.sandbox for measurement in measurements})),
        **facts,
    )


def _envelope(measurements: Sequence[Measurement]) -> tuple[float | None, float | None]:
    if len(measurements) == 1:
        return measurements[0].low, measurements[0].high
    lows = [measurement.value if measurement.low is None else measurement.low for measurement in measurements]
    highs = [measurement.value if measurement.high is None else measurement.high for measurement in measurements]
    return min(lows), max(highs)


def _cells(place: int, row: Row) -> list[str]:
    interval = "" if row.low is None or row.high is None else f"[{row.low:.5g}, {row.high:.5g}]"
    numbers = (f"{row.value:.5g}", interval, str(row.n), str(row.seeds))
    return [str(place), row.id, row.name, row.family, *numbers, row.sandbox]
