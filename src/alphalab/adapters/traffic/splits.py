"""Which hours are trained on, searched on and held back, and where forecasts start."""

from __future__ import annotations

import math

from attrs import frozen

from alphalab.adapters.manifest import Splits
from alphalab.errors import ConfigError

SCORED = ("search", "final")


@frozen(kw_only=True)
class Plan:
    """A chronological split of a series and the forecasts asked for on it; all numbers are steps of the series."""

    hours: int
    """Length of the series."""
    train_end: int
    """First step of the search split."""
    search_end: int
    """First step of the final split."""
    horizon: int
    context: int
    stride: int
    """Steps between forecast origins; not below the horizon."""

    def bounds(self, split: str) -> tuple[int, int]:
        """First step of a scored split, and the step after its last.

        Raises:
            ConfigError: Another split is asked for.
        """
        if split == "search":
            return self.train_end, self.search_end
        if split == "final":
            return self.search_end, self.hours
        raise ConfigError(f"split {split!r} is not scored; use one of {', '.join(SCORED)}")

    def origins(self, split: str) -> range:
        """First target step of each forecast; its targets lie inside the split, its context may reach further back."""
        start, end = self.bounds(split)
        return range(start, end - self.horizon + 1, self.stride)


def make_plan(hours: int, shares: Splits, *, period: int, horizon: int, context: int, stride: int = 0) -> Plan:
    """Cut a series in order of time, on whole days, so that forecasts start at the hour at which the series starts.

    Args:
        hours: Length of the series.
        shares: Of the three parts.
        period: Steps per day.
        horizon: Steps per forecast.
        context: Steps a forecast may look back.
        stride: Steps between origins; 0 is the horizon.
    """
    train_end = math.floor(hours * shares.train + 1e-9) // period * period
    search_end = math.floor(hours * (shares.train + shares.search) + 1e-9) // period * period
    return Plan(
        hours=hours,
        train_end=train_end,
        search_end=search_end,
        horizon=horizon,
        context=context,
        stride=stride or horizon,
    )


def stride_problem(horizon: int, stride: int) -> str | None:
    """Why forecasts this close together would leak, or None."""
    if 0 < stride < horizon:
        return (
            f"option stride={stride} is below horizon={horizon}, so a context would hold targets that are still to be "
            f"answered; use 0 or at least {horizon}"
        )
    return None


def length_problem(plan: Plan, shares: Splits, *, period: int) -> str | None:
    """Why the series is too short for one forecast per split, or None."""
    if _fits(plan):
        return None
    needed = needed_hours(shares, period=period, horizon=plan.horizon, context=plan.context)
    return (
        f"the series has {plan.hours} steps, but context={plan.context} and horizon={plan.horizon} need at least "
        f"{needed} for one forecast in each split; shorten option context or horizon, or bring more data"
    )


def needed_hours(shares: Splits, *, period: int, horizon: int, context: int) -> int:
    """Smallest length with room for one training window and one forecast in each scored split."""
    hours = max(math.floor((context + horizon) / shares.train) - 1, horizon + 1)  # One less, for rounding.
    while not _fits(make_plan(hours, shares, period=period, horizon=horizon, context=context)):
        hours += 1
    return hours


def _fits(plan: Plan) -> bool:
    room = plan.train_end >= plan.context + plan.horizon
    return room and all(len(plan.origins(split)) > 0 for split in SCORED)
