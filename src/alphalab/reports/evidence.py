"""What the scorer's traces say: paired comparisons of two submissions, and forecasts beside the truth."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from attrs import field, frozen

from alphalab.evaluation import TRACES
from alphalab.measurement import Measurement, Metric
from alphalab.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]
Statistic = Callable[[Array], Array]
_DRAWS = 2000
_MOST_PANELS = 3


@frozen(kw_only=True)
class Comparison:
    """Two submissions on the same units of one split."""

    one: str
    other: str
    split: str
    difference: float
    """Score of `one` minus score of `other`, in the metric's unit."""
    low: float
    """Lower end of a 95 % interval of the difference, units drawn together for both."""
    high: float
    n: int
    """Units."""
    verdict: Literal["better", "worse", "tie"]
    """Of `one`; a tie when the interval covers zero or the difference lies within the noise floor."""


@frozen(kw_only=True)
class Panel:
    """One series of an example: truth and prediction over time; None where nothing was measured."""

    name: str
    truth: tuple[float | None, ...] = field(converter=tuple)
    prediction: tuple[float | None, ...] = field(converter=tuple)
    times: tuple[str, ...] = field(converter=tuple)


def read_trace(space: Workspace, subject: str, split: str, seed: int) -> dict[str, Array] | None:
    """What the scorer left of one scoring, or None when it left nothing that can be read."""
    return _arrays(space.private / TRACES / f"{subject.replace(':', '-')}-{split}-{seed}.npz")


def _arrays(path: Path) -> dict[str, Array] | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, BadZipFile):
        return None


def compare(
    space: Workspace, metric: Metric, one: tuple[str, Measurement], other: tuple[str, Measurement], **where: Any
) -> Comparison | None:
    """Compare two submissions on one split, paired by unit.

    Args:
        space: Where the traces are.
        metric: Decides what is better.
        one: Subject and its measurement.
        other: Subject and its measurement.
        where: `split`, `seed` and `noise_floor`.

    Returns:
        None when the traces do not hold losses of the same units from which both scores follow.

    Source:
        Paired percentile bootstrap; Efron and Tibshirani 1993, chapters 8 and 13.
    """
    split, seed = where["split"], where["seed"]
    losses = [_losses(read_trace(space, subject, split, seed) or {}) for subject, _ in (one, other)]
    pairs = [pair for pair in losses if pair is not None]
    if len(pairs) != 2 or len(pairs[0][0]) != len(pairs[1][0]):
        return None
    statistic = _statistic(pairs, [one[1].value, other[1].value])
    if statistic is None:
        return None
    low, high = _interval(pairs, statistic)
    difference = one[1].value - other[1].value
    tie = low <= 0 <= high or abs(difference) <= where["noise_floor"]
    better = metric.better(one[1].value, other[1].value)
    return Comparison(
        one=one[0],
        other=other[0],
        split=split,
        difference=difference,
        low=low,
        high=high,
        n=len(pairs[0][0]),
        verdict="tie" if tie else "better" if better else "worse",
    )


def _losses(trace: dict[str, Array]) -> tuple[Array, Array] | None:
    """Summed loss and weight of every unit."""
    loss, weight = trace.get("loss"), trace.get("weight")
    if loss is None or weight is None or loss.ndim != 1 or loss.shape != weight.shape or not len(loss):
        return None
    return loss.astype(np.float64), weight.astype(np.float64)


def _statistic(pairs: list[tuple[Array, Array]], values: list[float]) -> Statistic | None:
    """How the score follows from the mean loss: as it is, or as its root; None when neither gives both scores."""
    candidates: tuple[Statistic, ...] = (lambda means: means, np.sqrt)
    for candidate in candidates:
        means = [np.asarray(loss.sum() / weight.sum()) for loss, weight in pairs if weight.sum() > 0]
        found = [float(candidate(mean)) for mean in means]
        if len(found) == 2 and all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(found, values, strict=True)):
            return candidate
    return None


def _interval(pairs: list[tuple[Array, Array]], statistic: Statistic) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    units = len(pairs[0][0])
    picks = rng.integers(0, units, size=(_DRAWS, units))
    drawn = [
        statistic(loss[picks].sum(axis=1) / np.maximum(weight[picks].sum(axis=1), 1e-300)) for loss, weight in pairs
    ]
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    return float(low), float(high)


def example_panels(space: Workspace, subject: str, split: str, seed: int) -> tuple[Panel, ...]:
    """Forecasts beside the truth, a few series; empty when the adapter's scorer leaves no example."""
    trace = read_trace(space, subject, split, seed) or {}
    truth, prediction = trace.get("example_truth"), trace.get("example_prediction")
    if truth is None or prediction is None or truth.ndim != 2 or truth.shape != prediction.shape:
        return ()
    sensors = [int(one) for one in trace.get("example_sensor", range(prediction.shape[1]))]
    times = tuple(str(one) for one in trace.get("example_time", range(len(prediction))))
    names = _names(space.data / "train.npz")
    return tuple(
        Panel(
            name=names[index] if index < len(names) else f"series {index}",
            truth=_values(truth[:, column]),
            prediction=_values(prediction[:, column]),
            times=times,
        )
        for column, index in enumerate(sensors[:_MOST_PANELS])
    )


def _values(column: Array) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in column)


def _names(path: Path) -> tuple[str, ...]:
    """Names of the series where the visible data hold them."""
    return tuple(str(name) for name in (_arrays(path) or {}).get("sensor", ()))
