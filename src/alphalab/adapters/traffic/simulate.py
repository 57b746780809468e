"""A synthetic network of traffic counters, for first contact and tests; everything it makes is named synthetic."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import numpy as np

from alphalab.adapters.traffic.data import Series
from alphalab.adapters.traffic.tables import Array
from alphalab.workspace import write_atomic

_START = np.datetime64("2024-01-01T00", "h")  # A Monday.
_GROUP = 5  # Neighbouring sensors along one road.


def simulate(
    *,
    sensors: int = 40,
    days: int = 182,
    seed: int = 0,
    incidents_per_week: float = 4.0,
    holidays: int = 2,
    gaps: bool = True,
) -> Series:
    """Hourly vehicle counts of a made-up road network.

    Days and weeks repeat with a profile of each sensor's own (towards town in the morning, out of it in the evening); a
    slow common factor stands for weather; roads of five sensors share it with a delay; incidents drop the flow for some
    hours; holidays look like Sundays; noise grows with the level.

    Args:
        sensors: How many counters.
        days: Length in days.
        seed: The same arguments and seed give the same values.
        incidents_per_week: Mean number in the whole network.
        holidays: Working days without commuters.
        gaps: Whether hours, days, and weeks of one counter are missing.
    """
    rng = np.random.default_rng([seed, sensors, days])
    hours = days * 24
    factor = _common_factor(rng, hours, -(-sensors // _GROUP))
    level = _profiles(rng, sensors, days, holidays) * np.exp(_delayed(factor, sensors))
    level *= _incidents(rng, sensors, hours, incidents_per_week)
    level *= (1 + 0.04 * np.linspace(0, 1, hours))[:, None]
    noise = rng.standard_normal(level.shape) * (0.6 * np.sqrt(level) + 0.04 * level)
    values = np.maximum(np.round(level + noise), 0).astype(np.float32)
    if gaps:
        _make_gaps(rng, values)
    names = tuple(f"synthetic-{index:03d}" for index in range(sensors))
    return Series(values=values, sensors=names, start=_START, step=np.timedelta64(1, "h"), synthetic=True)


def write_simulated(path: str | Path, **options: Any) -> Path:
    """Write a simulated series as `.npz`, with a flag that says so.

    Args:
        path: Where to; the parent folder is created.
        options: Those of `simulate`.
    """
    series = simulate(**options)
    buffer = io.BytesIO()
    flag = np.ones((), dtype=bool)
    np.savez_compressed(buffer, values=series.values, sensor=np.array(series.sensors), time=series.time, synthetic=flag)  # pyright: ignore[reportArgumentType]
    write_atomic(Path(path), buffer.getvalue())
    return Path(path)


def _bump(hour: Array, centre: float, width: float) -> Array:
    """A bell on the clock, which wraps at midnight."""
    distance = np.abs(hour - centre)
    return np.exp(-0.5 * (np.minimum(distance, 24 - distance) / width) ** 2)


def _profiles(rng: np.random.Generator, sensors: int, days: int, holidays: int) -> Array:
    """Expected counts `[hours, sensors]` without weather and incidents."""
    hour = np.arange(24.0)
    size = rng.lognormal(np.log(400.0), 0.6, sensors)
    inbound = rng.uniform(0.15, 0.85, sensors)
    shift = rng.normal(0, 0.5, sensors)
    workday, weekend = np.empty((24, sensors)), np.empty((24, sensors))
    for index in range(sensors):
        morning, evening = _bump(hour, 7.7 + shift[index], 1.3), _bump(hour, 17.0 + shift[index], 2.0)
        daytime = _bump(hour, 13.0, 4.5)
        workday[:, index] = 0.04 + 0.5 * daytime + 1.3 * (inbound[index] * morning + (1 - inbound[index]) * evening)
        weekend[:, index] = 0.06 + rng.uniform(0.45, 0.7) * _bump(hour, 14.5, 4.5)
    free = rng.choice([day for day in range(days) if day % 7 < 5], size=min(holidays, days // 90), replace=False)
    kinds = [day % 7 if day not in free else 6 for day in range(days)]
    share = np.array([0.97, 1.0, 1.02, 1.04, 1.06, 1.0, 0.82])
    return np.concatenate([(workday if kind < 5 else weekend) * share[kind] for kind in kinds]) * size


def _common_factor(rng: np.random.Generator, hours: int, roads: int) -> Array:
    """Slow deviations of the logarithm of the level, `[hours, roads]`: weather for all, and each road's own."""
    return 0.13 * _slow(rng, hours, 1, memory_h=96) + 0.1 * _slow(rng, hours, roads, memory_h=60)


def _slow(rng: np.random.Generator, hours: int, columns: int, *, memory_h: float) -> Array:
    """First-order autoregression with unit variance."""
    keep = np.exp(-1 / memory_h)
    state = rng.standard_normal((hours, columns))
    state[1:] *= np.sqrt(1 - keep**2)
    for step in range(1, hours):
        state[step] += keep * state[step - 1]
    return state


def _delayed(factor: Array, sensors: int) -> Array:
    """Each sensor follows its road's factor, one hour later per sensor along the road."""
    columns = [np.roll(factor[:, index // _GROUP], index % _GROUP) for index in range(sensors)]
    return np.stack(columns, axis=1)


def _incidents(rng: np.random.Generator, sensors: int, hours: int, per_week: float) -> Array:
    """Share of the flow that gets through, `[hours, sensors]`: a sudden drop, then recovery, weaker next door."""
    share = np.ones((hours, sensors))
    for _ in range(rng.poisson(per_week * hours / 168)):
        start, sensor = int(rng.integers(hours)), int(rng.integers(sensors))
        length, depth = int(rng.integers(2, 9)), float(rng.uniform(0.3, 0.8))
        rows = slice(start, min(start + length, hours))
        recovery = np.linspace(1, 0.2, length)[: rows.stop - start]
        for column, weight in ((sensor, 1.0), (min(sensor + 1, sensors - 1), 0.4)):
            share[rows, column] *= 1 - depth * weight * recovery
    return share


def _make_gaps(rng: np.random.Generator, values: Array) -> None:
    """Single hours, whole days, and one counter that is dead for weeks."""
    hours, sensors = cast("tuple[int, int]", values.shape)
    values[rng.random(values.shape) < 0.004] = np.nan
    for _ in range(max(1, hours * sensors // 60_000)):
        day = int(rng.integers(hours // 24))
        values[day * 24 : day * 24 + 24, int(rng.integers(sensors))] = np.nan
    dead = int(rng.integers(hours // 4, hours // 2))
    values[dead : dead + min(21 * 24, hours // 10), int(rng.integers(sensors))] = np.nan
