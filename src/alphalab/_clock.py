"""Time as an argument: a clock is passed in, so tests decide what time it is."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from attrs import define, field


class Clock(Protocol):
    """Where the library reads time."""

    def now(self) -> datetime:
        """Current time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let this much time pass."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Current time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of `time.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for real."""
        await asyncio.sleep(seconds)


@define(kw_only=True, eq=False)
class ManualClock:
    """A clock that stands still until it is moved, or until somebody sleeps by it: then it jumps to when they wake."""

    current: datetime = field(factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    elapsed: float = 0.0
    _wakes: list[float] = field(factory=list[float], init=False)

    def now(self) -> datetime:
        """The time it was last moved to."""
        return self.current

    def monotonic(self) -> float:
        """Seconds it has been moved by."""
        return self.elapsed

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self.current += timedelta(seconds=seconds)
        self.elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait without waiting: of all who sleep, the one to wake first moves the clock once everybody had a turn."""
        wake = self.elapsed + seconds
        self._wakes.append(wake)
        try:
            await asyncio.sleep(0)
            while self.elapsed < wake:
                if wake == min(self._wakes):
                    self.advance(wake - self.elapsed)
                await asyncio.sleep(0)
        finally:
            self._wakes.remove(wake)
