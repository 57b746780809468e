"""Budget of a whole campaign, limits of one agent run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import field, fields, frozen

from alphalab.errors import ConfigError


def _above_zero(_instance: Any, attribute: Any, value: Any) -> None:
    if value is not None and not (value > timedelta(0) if isinstance(value, timedelta) else value > 0):
        raise ConfigError(f"{attribute.name}={value!r} must be above zero; leave it out for no limit")


@frozen(kw_only=True)
class Budget:
    """What a campaign may spend; None is no limit in that unit."""

    experiments: int | None = field(default=None, validator=_above_zero)
    cost_usd: float | None = field(default=None, validator=_above_zero)
    tokens: int | None = field(default=None, validator=_above_zero)
    gpu_hours: float | None = field(default=None, validator=_above_zero)
    wall_time: timedelta | None = field(default=None, validator=_above_zero)

    def check(self) -> tuple[str, ...]:
        """Problems, empty when usable."""
        if all(getattr(self, attribute.name) is None for attribute in fields(Budget)):
            return (
                "the budget limits nothing; set at least one of experiments, cost_usd, tokens, gpu_hours, wall_time",
            )
        return ()


@frozen(kw_only=True)
class Limits:
    """What one agent run may use; None is no limit."""

    turns: int | None = field(default=200, validator=_above_zero)
    tokens: int | None = field(default=None, validator=_above_zero)
    cost_usd: float | None = field(default=None, validator=_above_zero)
    time: timedelta | None = field(default=None, validator=_above_zero)
    nudges: int = 3
    """Answers without a tool call that are answered with a reminder before the run ends."""
    repeats: int = 3
    """Identical failing tool calls in a row before the run is broken off."""
