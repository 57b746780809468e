"""Measured facts of the train split; nothing here depends on a held-out value."""

from __future__ import annotations

from typing import Any

import numpy as np

from alphalab.adapters.traffic.data import Series
from alphalab.adapters.traffic.splits import Plan
from alphalab.adapters.traffic.tables import Array

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def measure_facts(series: Series, plan: Plan, *, period: int) -> dict[str, Any]:
    """What an explorer should know before the first plot, as JSON.

    Args:
        series: The whole series; only its train split is measured.
        plan: Where the split ends, and what is to be forecast.
        period: Steps per day.
    """
    train = series.values[: plan.train_end].astype(np.float64)
    return {
        "synthetic": series.synthetic,
        "sensors": len(series.sensors),
        "first_sensors": list(series.sensors[:5]),
        "hours": {"all": plan.hours, "train": plan.train_end, **{s: _length(plan, s) for s in ("search", "final")}},
        "forecasts": {split: len(plan.origins(split)) for split in ("search", "final")},
        "horizon": plan.horizon,
        "context": plan.context,
        "stride": plan.stride,
        "steps_per_day": period,
        "start": None if series.start is None else str(series.start.astype("datetime64[m]")),
        "notes": list(series.notes),
        "train": {**_levels(train), **_seasons(train, period), **_clock(train, series, period)},
        "naive_on_train_tail": _naive_errors(train, period, plan.horizon),
    }


def _length(plan: Plan, split: str) -> int:
    start, end = plan.bounds(split)
    return end - start


def _levels(train: Array) -> dict[str, Any]:
    measured = train[~np.isnan(train)]
    means = np.nanmean(train, axis=0)
    return {
        "missing_share": _rounded(np.isnan(train).mean()),
        "rows_missing_everywhere": int(np.isnan(train).all(axis=1).sum()),
        "mean": _rounded(measured.mean()),
        "std": _rounded(measured.std()),
        "min": _rounded(measured.min()),
        "max": _rounded(measured.max()),
        "zero_share": _rounded((measured == 0).mean()),
        "sensor_mean_quantiles": {f"{q:g}": _rounded(np.quantile(means, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)},
    }


def _seasons(train: Array, period: int) -> dict[str, Any]:
    half = len(train) // 2
    return {
        "autocorrelation": {
            "one_step": _autocorrelation(train, 1),
            "one_day": _autocorrelation(train, period),
            "one_week": _autocorrelation(train, 7 * period),
        },
        "second_half_over_first_half": _ratio(_mean(train[half:]), _mean(train[:half])),
    }


def _autocorrelation(train: Array, lag: int) -> float | None:
    """Correlation of values with those `lag` steps before, around each sensor's mean, all sensors pooled."""
    if lag >= len(train):
        return None
    centred = train - np.nanmean(train, axis=0)
    now, before = centred[lag:], centred[:-lag]
    both = ~np.isnan(now) & ~np.isnan(before)
    spread = np.sqrt((now[both] ** 2).sum() * (before[both] ** 2).sum())
    return _rounded((now[both] * before[both]).sum() / spread) if spread > 0 else None


def _clock(train: Array, series: Series, period: int) -> dict[str, Any]:
    """Mean over sensors by step of the day, and by weekday when the calendar is known."""
    level = _level_by_step(train)
    days = len(level) // period
    profile = level[: days * period].reshape(days, period).mean(axis=0)
    order = np.argsort(-profile, kind="stable")
    facts: dict[str, Any] = {
        "peak_steps_of_day": [int(step) for step in order[:3]],
        "quietest_step_of_day": int(order[-1]),
    }
    time = series.time
    if time is None or series.steps_per_day != period:
        return {**facts, "steps_of_day_start": "at the first row; the clock is not known"}
    hours = (time[: len(level)] - time[: len(level)].astype("datetime64[D]")).astype("timedelta64[m]").astype(
        np.int64
    ) / 60
    weekday = (time[: len(level)].astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday.
    by_day = [_mean(level[weekday == day]) for day in range(7)]
    return {
        "peak_hours": [float(hours[step]) for step in order[:3]],
        "quietest_hour": float(hours[order[-1]]),
        "mean_by_weekday": {name: _rounded(value) for name, value in zip(_DAYS, by_day, strict=True)},
        "weekend_over_weekday": _ratio(_mean(np.array(by_day[5:])), _mean(np.array(by_day[:5]))),
    }


def _naive_errors(train: Array, period: int, horizon: int) -> dict[str, Any]:
    """RMSE on the last fifth of the train split of repeating the day, and the week, before the forecast."""
    tail = len(train) // 5
    errors: dict[str, Any] = {"steps": tail}
    for name, season in (("daily", period), ("weekly", 7 * period)):
        lag = -(-horizon // season) * season
        if lag + tail > len(train):
            continue
        change = train[len(train) - tail :] - train[len(train) - tail - lag : len(train) - lag]
        errors[name] = _rounded(np.sqrt(_mean(change**2)))
    return errors


def _level_by_step(train: Array) -> Array:
    """Mean over sensors of every step, `[hours]`; the overall mean where nothing was measured."""
    missing = np.isnan(train)
    counts = train.shape[1] - missing.sum(axis=1)
    sums = np.where(missing, 0.0, train).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), _mean(train))


def _mean(values: Array) -> float:
    """Mean of what is measured; NaN when nothing is."""
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if measured.size else float("nan")


def _ratio(value: float, reference: float) -> float | None:
    return _rounded(value / reference) if reference else None


def _rounded(value: Any) -> float | None:
    number = float(value)
    return float(f"{number:.5g}") if np.isfinite(number) else None
