"""Waiting and trying again: outside the providers' clients, with patience in time and not in a number of tries."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import define, evolve, field

from alphalab._clock import Clock, SystemClock
from alphalab.errors import ModelError, ModelUnavailable, RateLimited
from alphalab.messages import Delta, Usage
from alphalab.models.base import Model, ModelRequest, ModelResponse, OnDelta

PATIENCE = timedelta(minutes=30)
"""An outage of a provider takes minutes to an hour; a campaign runs for days."""
_FIRST_WAIT_S = 1.0
_TWO_MINUTES = 120


class RetryingModel(Model):
    """Asks again when a provider is rate-limited or unavailable, and gives every other error on at once.

    Waits grow from up to one second to up to a minute and are drawn at random, so that agents which failed together do
    not come back together (full jitter: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A time
    that the provider names is waited for in any case, by every agent that shares this object. `Delta(kind="restart")`
    says why and for how long; cancelling ends a wait at once.

    Args:
        model: The model that is asked, one attempt per call.
        settings: What makes this model again; None for what the model says itself.
        patience: How long one call is tried, from its first failure on; zero for a single attempt.
        longest_wait: Up to where waits grow when the provider names no time.
        clock: Where time is read and waited for.
        rng: Where waits are drawn.
    """

    def __init__(
        self,
        model: Model,
        *,
        settings: Mapping[str, Any] | None = None,
        patience: timedelta = PATIENCE,
        longest_wait: timedelta = timedelta(seconds=60),
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.name = model.name
        self.capabilities = model.capabilities
        self.model = model
        self.patience = patience
        self._settings = settings
        self._longest_s = longest_wait.total_seconds()
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._closed_until = 0.0
        """Reading of the clock before which the provider does not want to be asked by anybody."""
        self._closed_for: ModelError | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model!r}>"

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """Answer one request, if need be after waiting; what failed attempts are billed is part of the usage.

        Raises:
            ModelUnavailable: Patience ran out; the message says how often and how long it was tried, and the last
                reason.
            ModelError: Anything that trying again does not cure.
        """
        tries = _Tries()
        await self._wait_for_the_provider(tries, on_delta)
        while True:
            try:
                response = await self.model.generate(request, on_delta=on_delta)
            except (RateLimited, ModelUnavailable) as error:
                tries.failed(error, self._clock.monotonic())
                await self._wait(tries, error, self._delay(tries.count, error), on_delta)
            except ModelError as error:
                error.usage = tries.with_usage_of(error)
                raise
            else:
                return evolve(response, usage=tries.usage + response.usage) if tries.billed else response

    def check(self) -> tuple[str, ...]:
        """What the model's own check says."""
        return self.model.check()

    def settings(self) -> dict[str, Any]:
        """The options it was made with, without the key."""
        return self.model.settings() if self._settings is None else dict(self._settings)

    async def aclose(self) -> None:
        """Let go of the model's connections."""
        await self.model.aclose()

    def _delay(self, count: int, error: ModelError) -> float:
        """Seconds to wait; a time that the provider names closes it to everybody who shares this object."""
        now = self._clock.monotonic()
        widest = min(self._longest_s, _FIRST_WAIT_S * 2 ** min(count - 1, 30))
        delay = self._rng.uniform(0.0, widest)
        named: float | None = getattr(error, "retry_after", None)
        if named is not None or isinstance(error, RateLimited):
            reopens = now + (delay if named is None else named)
            if reopens > self._closed_until:
                self._closed_until, self._closed_for = reopens, error
        return delay if named is None else named + delay

    async def _wait_for_the_provider(self, tries: _Tries, on_delta: OnDelta | None) -> None:
        """A call that begins while others are told to wait does not run into the same wall."""
        closed = self._closed_until - self._clock.monotonic()
        if closed > 0 and self._closed_for is not None:
            tries.began = self._clock.monotonic()
            await self._wait(tries, self._closed_for, closed + self._spread(), on_delta)

    async def _wait(self, tries: _Tries, error: ModelError, delay: float, on_delta: OnDelta | None) -> None:
        while True:
            self._require_patience(tries, error, delay)
            if on_delta is not None:
                on_delta(Delta(kind="restart", text=f"{error}; asking again in {delay:.1f} s"))
            await self._clock.sleep(delay)
            closed = self._closed_until - self._clock.monotonic()
            if closed <= 0 or self._closed_for is None:
                return
            error, delay = self._closed_for, closed + self._spread()  # somebody else was told to wait longer

    def _spread(self) -> float:
        return self._rng.uniform(0.0, _FIRST_WAIT_S)

    def _require_patience(self, tries: _Tries, error: ModelError, delay: float) -> None:
        gone = self._clock.monotonic() - (tries.began or 0.0)
        patience = self.patience.total_seconds()
        if patience > 0 and delay <= patience - gone:
            return
        times = f"{tries.count} {'try' if tries.count == 1 else 'tries'}"
        raise ModelUnavailable(
            f"{self.name!r} gave no answer in {times} over {_spoken(gone)}, and the next one would have to wait "
            f"{_spoken(delay)}; patience is {_spoken(patience)}. The last reason: {error}",
            usage=tries.usage if tries.billed else None,
            retry_after=getattr(error, "retry_after", None),
        ) from error


@define
class _Tries:
    """What has been tried for one request."""

    count: int = 0
    began: float | None = None
    """Reading of the clock at the first failure."""
    usage: Usage = field(factory=Usage)
    billed: bool = False
    """Whether any failed attempt is billed."""

    def failed(self, error: ModelError, now: float) -> None:
        """Count one failure."""
        self.count += 1
        if self.began is None:
            self.began = now
        self.usage = self.with_usage_of(error) or self.usage
        self.billed = self.billed or error.usage is not None

    def with_usage_of(self, error: ModelError) -> Usage | None:
        """What all attempts so far are billed, this one included; None when nothing is known of any."""
        if error.usage is None:
            return self.usage if self.billed else None
        return self.usage + error.usage


def _spoken(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _TWO_MINUTES else f"{seconds / 60:.1f} minutes"
