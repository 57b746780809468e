"""Which CPUs and GPUs of this machine are taken. No processes, no files except to count the devices."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from attrs import define, field, frozen

from alphalab.errors import ConfigError
from alphalab.resources import Resources

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_SHARES = 1000  # a device is lent in thousandths, so that ten tenths make one


@frozen(kw_only=True)
class Lease:
    """What one job holds while it runs."""

    cpus: tuple[int, ...] = field(default=(), converter=tuple)
    """CPU numbers; one occurs twice when more CPUs are offered than exist."""
    gpus: tuple[str, ...] = field(default=(), converter=tuple)
    """Devices as `CUDA_VISIBLE_DEVICES` names them."""
    shares: int = _SHARES
    """Thousandths of each of these devices."""


def offered_cpus(cpus: int | None) -> tuple[int, ...]:
    """CPU numbers to lend: those this process may use, repeated when more are asked for than exist."""
    usable = sorted(os.sched_getaffinity(0))
    if cpus is not None and cpus < 1:
        raise ConfigError(f"cpus={cpus!r} must be above zero; leave it out to use all {len(usable)}")
    return tuple(usable[index % len(usable)] for index in range(len(usable) if cpus is None else cpus))


def offered_gpus(gpus: int | tuple[int | str, ...] | None) -> tuple[str, ...]:
    """Devices to lend: those named, or so many of those visible to this process, or all of these."""
    if isinstance(gpus, tuple):
        return tuple(str(device) for device in gpus)
    visible = _visible_gpus()
    if gpus is None:
        return visible
    if not 0 <= gpus <= len(visible):
        raise ConfigError(f"gpus={gpus!r}, but {len(visible)} are visible here; name devices as a tuple to insist")
    return visible[:gpus]


def _visible_gpus() -> tuple[str, ...]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(device.strip() for device in named.split(",") if device.strip() not in ("", "-1"))
    return tuple(str(index) for index in range(len(list(_NVIDIA.iterdir())))) if _NVIDIA.is_dir() else ()


@define(kw_only=True, eq=False)
class Leases:
    """The account of CPUs and GPUs: what exists, what is lent."""

    cpus: tuple[int, ...]
    gpus: tuple[str, ...]
    max_jobs: int | None = None
    jobs: int = field(default=0, init=False)
    _cpu_use: Counter[int] = field(factory=Counter[int], init=False)
    _gpu_use: Counter[str] = field(factory=Counter[str], init=False)

    def problem(self, resources: Resources) -> str | None:
        """Why a job can never run here, or None."""
        if resources.cpus > len(self.cpus):
            return f"it asks for {resources.cpus} CPUs, this executor has {len(self.cpus)}"
        if resources.gpus > len(self.gpus):
            return f"it asks for {resources.gpus:g} GPUs, this executor has {len(self.gpus)}"
        if resources.gpus > 1 and resources.gpus != int(resources.gpus):
            return f"it asks for {resources.gpus:g} GPUs; above one, only whole devices can be had"
        return None

    def take(self, resources: Resources) -> Lease | None:
        """Lend what a job asks for, or None while that is not free."""
        if self.max_jobs is not None and self.jobs >= self.max_jobs:
            return None
        cpus, gpus = self._free_cpus()[: resources.cpus], self._free_gpus(resources.gpus)
        if len(cpus) < resources.cpus or gpus is None:
            return None
        lease = Lease(cpus=cpus, gpus=gpus, shares=_shares(resources.gpus))
        self.count(lease)
        return lease

    def count(self, lease: Lease, sign: int = 1) -> None:
        """Enter a lease that somebody already holds; with `sign=-1`, end it."""
        self.jobs += sign
        for cpu in lease.cpus:
            self._cpu_use[cpu] += sign
        for gpu in lease.gpus:
            self._gpu_use[gpu] += sign * lease.shares

    def _free_cpus(self) -> list[int]:
        """Free CPU places, the least used CPU first."""
        places = [
            (self._cpu_use[cpu] + nth, cpu)
            for cpu, limit in Counter(self.cpus).items()
            for nth in range(limit - self._cpu_use[cpu])
        ]
        return [cpu for _use, cpu in sorted(places)]

    def _free_gpus(self, gpus: float) -> tuple[str, ...] | None:
        """Devices for a request; a fraction goes to the fullest one it fits on, to keep whole ones free."""
        shares, count = _shares(gpus), int(gpus) or (1 if gpus else 0)
        free = [gpu for gpu in self.gpus if self._gpu_use[gpu] + shares <= _SHARES]
        free.sort(key=lambda gpu: -self._gpu_use[gpu])
        return tuple(free[:count]) if len(free) >= count else None


def _shares(gpus: float) -> int:
    return _SHARES if gpus >= 1 else max(1, round(gpus * _SHARES)) if gpus else _SHARES
