"""What one job may use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import field, frozen

from alphalab.errors import ConfigError


def _positive(_instance: Any, attribute: Any, value: float | None) -> None:
    if value is not None and not value > 0:  # NaN is not above zero either
        raise ConfigError(f"{attribute.name}={value!r} must be above zero")


def _not_negative(_instance: Any, attribute: Any, value: float) -> None:
    if not value >= 0:
        raise ConfigError(f"{attribute.name}={value!r} must not be negative")


def _positive_time(_instance: Any, attribute: Any, value: timedelta | None) -> None:
    if value is not None and value <= timedelta(0):
        raise ConfigError(f"{attribute.name}={value!r} must be above zero")


@frozen(kw_only=True)
class Resources:
    """CPUs, GPUs, memory and time of one job."""

    cpus: int = field(default=1, validator=_positive)
    gpus: float = field(default=0, validator=_not_negative)
    """Fractions share a device."""
    memory_gib: float | None = field(default=None, validator=_positive)
    """None: no limit beyond the machine's."""
    time_limit: timedelta | None = field(default=None, validator=_positive_time)
    """Wall-clock; the job is ended after it."""


@frozen(kw_only=True)
class ProcessLimits:
    """Limits on one sandboxed command and everything it starts."""

    memory_gib: float | None = field(default=4.0, validator=_positive)
    """Address space of each process; the whole group's resident memory."""
    processes: int = field(default=64, validator=_positive)
    """Processes and threads alive at once."""
    file_gib: float = field(default=1.0, validator=_positive)
    """Largest file, and largest sum over the writable folders."""
    output_bytes: int = field(default=10_000_000, validator=_positive)
    """Of standard output and standard error each; the rest is dropped."""
