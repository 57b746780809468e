"""The trusted side of forecasting: it holds the series, sends contexts, reads forecasts and judges them.

The candidate sees the train split in `fit`, and then one context per forecast origin, in order of time, each answered
before the next is shown. Origins are at least one horizon apart, so no context holds a target still to be answered.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from threading import Lock
from typing import Any

import attrs
import numpy as np
from attrs import define, field, frozen

from alphalab._statistics import bootstrap_interval
from alphalab.adapters.traffic.splits import Plan
from alphalab.candidates import Arrays, Candidate, CandidateFailed, CandidateHost, CandidateSpec
from alphalab.measurement import Failure, Measurement, Metric, Outcome
from alphalab.workspace import write_atomic

Array = np.ndarray[Any, np.dtype[Any]]
_EXAMPLE_STEPS = 168
_EXAMPLE_SENSORS = 3


@frozen(kw_only=True)
class Losses:
    """Errors of all forecasts, one entry per origin; missing targets count nowhere."""

    squared: list[float] = field(factory=list[float])
    """Sums of squared errors, data units squared."""
    absolute: list[float] = field(factory=list[float])
    scaled: list[float] = field(factory=list[float])
    """Sums of absolute errors in units of each sensor's seasonal-naive error."""
    counts: list[int] = field(factory=list[int])
    """Measured targets."""
    scaled_counts: list[int] = field(factory=list[int])
    """Measured targets of sensors that have a scale."""

    def add(self, prediction: Array, truth: Array, scale: Array) -> None:
        """Judge one forecast.

        Args:
            prediction: float64 `[horizon, sensors]`, finite.
            truth: float32 `[horizon, sensors]`, NaN = not measured.
            scale: `[sensors]`, NaN = unknown.
        """
        error = prediction - truth
        relative = np.abs(error) / scale
        with np.errstate(over="ignore"):  # An overflow is found, and refused, in the sum.
            self.squared.append(float(np.nansum(error * error)))
        self.absolute.append(float(np.nansum(np.abs(error))))
        self.scaled.append(float(np.nansum(relative)))
        self.counts.append(int(np.count_nonzero(~np.isnan(error))))
        self.scaled_counts.append(int(np.count_nonzero(~np.isnan(relative))))


@define(kw_only=True, eq=False)
class ForecastScorer:
    """Scores one submission once; `cancel` may be called from another thread."""

    values: Array
    """The whole series, float32 `[hours, sensors]`, NaN = not measured."""
    plan: Plan
    metric: Metric
    period: int
    """Season of MASE, in steps."""
    time_limit_s: float = 600.0
    """For fit and all forecasts together."""
    call_limit_s: float = 60.0
    """For one forecast."""
    start_limit_s: float = 60.0
    """For imports and construction."""
    trace: Path | None = None
    """Where to leave per-origin losses and an example, `.npz`."""
    times: Array | None = None
    """Wall-clock time of every row, for the example."""
    _lock: Lock = field(factory=Lock, init=False)
    _candidate: Candidate | None = field(default=None, init=False)
    _cancelled: bool = field(default=False, init=False)

    def score(self, host: CandidateHost, spec: CandidateSpec, *, split: str, seed: int) -> Outcome:
        """Run the submission on every origin of a split.

        Args:
            host: Starts the candidate.
            spec: What to load; its time limits are replaced by the scorer's.
            split: `search` or `final`.
            seed: Passed to `fit`.

        Returns:
            A measurement, or why there is none.
        """
        origins = self.plan.origins(split)
        spec = attrs.evolve(spec, start_limit_s=self.start_limit_s, time_limit_s=self.start_limit_s + self.time_limit_s)
        candidate: Candidate | None = None
        try:
            candidate = self._open(host, spec)
            losses, predictions = self._forecast(candidate, origins, seed)
            outcome = self._measure(losses, split=split, seed=seed)
            self._write_trace(losses, predictions, origins)
        except CandidateFailed as error:
            outcome = self._cancellation() or error.failure
        finally:
            if candidate is not None:
                candidate.close()
        seconds = candidate.seconds if candidate is not None else outcome.seconds
        return attrs.evolve(outcome, seconds=seconds, sandbox=candidate.tier if candidate is not None else host.tier)

    def cancel(self) -> None:
        """End the candidate; a `score` in progress returns soon with a failure of kind `cancelled`."""
        with self._lock:
            self._cancelled = True
            candidate = self._candidate
        if candidate is not None:
            candidate.close()

    def _cancellation(self) -> Failure | None:
        return Failure(kind="cancelled", message="scoring was cancelled") if self._cancelled else None

    def _open(self, host: CandidateHost, spec: CandidateSpec) -> Candidate:
        candidate = host.open(spec)
        with self._lock:
            self._candidate = candidate
            cancelled = self._cancelled
        if cancelled:
            candidate.close()
            raise CandidateFailed.because("cancelled", "scoring was cancelled")
        return candidate

    def _forecast(self, candidate: Candidate, origins: range, seed: int) -> tuple[Losses, list[Array]]:
        """Fit once, then ask for every forecast in order of time; keeps the first predictions for the example."""
        horizon, context, sensors = self.plan.horizon, self.plan.context, self.values.shape[1]
        history = self.values[: self.plan.train_end]
        scale = seasonal_scale(history, self.period)
        candidate.call(
            "fit",
            arrays={"history": history.copy()},
            options={"horizon": horizon, "seed": seed},
            time_limit_s=self._remaining(candidate, self.time_limit_s),
        )
        losses, kept = Losses(), list[Array]()
        for number, origin in enumerate(origins):
            answer = candidate.call(
                "predict",
                arrays={"context": self.values[origin - context : origin].copy()},
                time_limit_s=self._remaining(candidate, self.call_limit_s),
            )
            prediction = check_forecast(answer, shape=(horizon, sensors), number=number)
            losses.add(prediction, self.values[origin : origin + horizon], scale)
            if number * horizon < _EXAMPLE_STEPS:
                kept.append(prediction)
        return losses, kept

    def _remaining(self, candidate: Candidate, most: float) -> float:
        left = self.time_limit_s - candidate.seconds
        if left <= 0:
            raise CandidateFailed.because(
                "timed_out", f"fit and forecasts took longer than {self.time_limit_s:g} s together"
            )
        return min(left, most)

    def _measure(self, losses: Losses, *, split: str, seed: int) -> Measurement:
        squared, counts = np.array(losses.squared), np.array(losses.counts, dtype=np.float64)
        used = counts > 0
        total = int(counts.sum())
        if not math.isfinite(sum(losses.squared)):
            raise CandidateFailed.because(
                "non_finite", "the forecasts are so far off that their squared error overflows"
            )
        value = math.sqrt(sum(losses.squared) / total)
        if not self.metric.plausible(value):
            raise CandidateFailed.because("implausible", f"{self.metric.name} {value!r} is outside its plausible range")
        low, high = bootstrap_interval(squared[used], counts[used], statistic=np.sqrt)
        secondary = {"mae": sum(losses.absolute) / total}
        if sum(losses.scaled_counts):
            secondary["mase"] = sum(losses.scaled) / sum(losses.scaled_counts)
        sensors = self.values.shape[1]
        asked = len(counts) * self.plan.horizon * sensors
        facts = {"origins": len(counts), "targets": total, "masked": asked - total, "sensors": sensors}
        return Measurement(
            value=value,
            low=low,
            high=high,
            n=int(used.sum()),
            secondary=secondary,
            details={**facts, "split": split, "seed": seed, "horizon": self.plan.horizon, "stride": self.plan.stride},
        )

    def _write_trace(self, losses: Losses, predictions: list[Array], origins: range) -> None:
        """Leave per-origin losses, and up to a week of forecasts for the best-measured sensors."""
        if self.trace is None:
            return
        horizon = self.plan.horizon
        rows = np.concatenate([np.arange(origin, origin + horizon) for origin in origins[: len(predictions)]])[
            :_EXAMPLE_STEPS
        ]
        truth = self.values[rows]
        sensors = np.sort(np.argsort(np.isnan(truth).sum(axis=0), kind="stable")[:_EXAMPLE_SENSORS])
        buffer = io.BytesIO()
        np.savez(
            buffer,
            loss=np.array(losses.squared),
            weight=np.array(losses.counts, dtype=np.float64),
            origin=np.array(origins),
            example_truth=truth[:, sensors],
            example_prediction=np.concatenate(predictions)[: len(rows), sensors].astype(np.float32),
            example_sensor=sensors,
            example_time=rows if self.times is None else self.times[rows],
        )
        write_atomic(self.trace, buffer.getvalue())


def seasonal_scale(history: Array, period: int) -> Array:
    """Mean absolute error of repeating the last season, per sensor; NaN where it is unknown or zero.

    Args:
        history: The train split, `[hours, sensors]`, NaN = not measured.
        period: Steps of a season.

    Source:
        Hyndman and Koehler 2006 (MASE), seasonal form; sensors without a scale are left out of the mean.
    """
    change = np.abs(history[period:] - history[:-period])
    counts = np.count_nonzero(~np.isnan(change), axis=0)
    scale = np.nansum(change, axis=0, dtype=np.float64) / np.maximum(counts, 1)
    return np.where(scale > 0, scale, np.nan)


def check_forecast(answer: Arrays, *, shape: tuple[int, int], number: int) -> Array:
    """The forecast as float64.

    Raises:
        CandidateFailed: It is not a finite array of real numbers of the agreed shape.
    """
    which = f"predict, call {number + 1}, returned"
    result: Any = answer.get("result")
    if result is None:
        raise CandidateFailed.because("protocol", f"{which} None; it must return an array [horizon, sensors]")
    if type(result) is not np.ndarray:
        raise CandidateFailed.because(
            "protocol", f"{which} {type(result).__name__}; it must return a plain NumPy array"
        )
    if result.dtype.kind not in "iuf":
        raise CandidateFailed.because("wrong_dtype", f"{which} dtype {result.dtype}; it must be real numbers")
    if result.shape != shape:
        turned = " (transposed?)" if result.shape == shape[::-1] else ""
        message = f"{which} shape {result.shape}{turned}; expected [horizon, sensors] = {shape}"
        raise CandidateFailed.because("wrong_shape", message)
    with np.errstate(over="ignore"):
        forecast = result.astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(forecast)))
    if bad:
        raise CandidateFailed.because(
            "non_finite", f"{which} {bad} value(s) that are NaN or infinite, of {forecast.size}"
        )
    return forecast
