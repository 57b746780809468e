"""Intervals for numbers that are averages over independent units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def bootstrap_interval(
    losses: Array,
    weights: Array,
    *,
    statistic: Callable[[Array], Array] = lambda means: means,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a weighted mean, units drawn with replacement.

    Args:
        losses: Summed loss per unit, `[units]`.
        weights: Number of values behind each sum, `[units]`.
        statistic: Applied to the drawn means, e.g. `np.sqrt` for an RMSE.
        draws: Bootstrap samples.
        seed: Of the draws; the same input gives the same interval.
        level: Coverage.

    Returns:
        Lower and upper end.

    Source:
        Efron and Tibshirani 1993, chapter 13 (percentile interval); ratio of sums, so that units of unequal size weigh
        as they should.
    """
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(losses), size=(draws, len(losses)))
    means = losses[picks].sum(axis=1) / np.maximum(weights[picks].sum(axis=1), 1e-300)
    low, high = np.quantile(statistic(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_interval(values: Array, *, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval of a plain mean, `[values]`."""
    return bootstrap_interval(values, np.ones_like(values), seed=seed, level=level)
