"""The next provider when one is down."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from operator import add

from attrs import evolve

from alphalab._clock import Clock, SystemClock
from alphalab.errors import ConfigError, ModelError, ModelUnavailable, RateLimited
from alphalab.messages import Delta, Usage
from alphalab.models.base import Capabilities, Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.registry import get_model
from alphalab.models.retry import RetryingModel


class FallbackModel(Model):
    """Asks the first of several models that is not down.

    A model is left for the next one when it stays rate-limited or unavailable for `patience`; it is asked again first
    after `cooling`. Every other error is given on at once: a wrong key or a refused request is not cured by another
    provider, and hiding it would let the second model do all the work unseen. `response.model` names the one that
    answered. A conversation may cross providers; what only one of them can read is left out for the others.

    When all are down the call fails after `patience` for each. For a campaign that should outlast this, wrap the whole:
    `RetryingModel(FallbackModel(...))`.

    Args:
        models: In order of preference, as models or names for `get_model`.
        patience: For each model in turn. A `RetryingModel` among them is taken with this patience instead of its own.
        cooling: How long a model that was down is not asked while another one answers.
        clock: Where time is read and waited for.
        rng: Where waits are drawn.

    Raises:
        ConfigError: Fewer than two models.
    """

    def __init__(
        self,
        *models: Model | str,
        patience: timedelta = timedelta(minutes=2),
        cooling: timedelta = timedelta(minutes=10),
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if len(models) < 2:
            raise ConfigError(f"FallbackModel was given {len(models)} model(s); name at least two")
        self._clock = clock or SystemClock()
        asked = [_single(get_model(model)) for model in models]
        self.models: tuple[Model, ...] = tuple(
            RetryingModel(model, patience=patience, clock=self._clock, rng=rng) for model in asked
        )
        """In order of preference, each with its own short patience."""
        self.name = " or ".join(model.name for model in asked)
        self.capabilities = _common(model.capabilities for model in asked)
        self._cooling_s = cooling.total_seconds()
        self._rests_until: dict[int, float] = {}

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """An answer of the first model that has one.

        Raises:
            ModelUnavailable: All of them are down; the message gives each one's reason.
            ModelError: Anything else that one of them raises.
        """
        failures = list[ModelError]()
        order = self._order()
        for position, number in enumerate(order):
            try:
                response = await self.models[number].generate(request, on_delta=on_delta)
            except (ModelUnavailable, RateLimited) as error:
                failures.append(error)
                self._rests_until[number] = self._clock.monotonic() + self._cooling_s
                self._tell(on_delta, error, order[position + 1 :])
            except ModelError as error:
                error.usage = _billed([*failures, error])
                raise
            else:
                billed = _billed(failures)
                return response if billed is None else evolve(response, usage=billed + response.usage)
        reasons = "".join(f"\n  - {error}" for error in failures)
        message = f"none of {len(failures)} models gave an answer:{reasons}"
        raise ModelUnavailable(message, usage=_billed(failures), retry_after=_soonest(failures)) from failures[-1]

    def check(self) -> tuple[str, ...]:
        """What shows that one of the models cannot answer; one that never can is no way out of an outage."""
        return tuple(dict.fromkeys(problem for model in self.models for problem in model.check()))

    async def aclose(self) -> None:
        """Let go of all connections."""
        for model in self.models:
            await model.aclose()

    def _order(self) -> tuple[int, ...]:
        """Models that are not resting first; those that rest come last, in case nobody else answers."""
        now = self._clock.monotonic()
        return tuple(sorted(range(len(self.models)), key=lambda number: self._rests_until.get(number, now) > now))

    def _tell(self, on_delta: OnDelta | None, error: ModelError, rest: tuple[int, ...]) -> None:
        if on_delta is not None and rest:
            on_delta(Delta(kind="restart", text=f"{error}; asking {self.models[rest[0]].name} instead"))


def _single(model: Model) -> Model:
    return model.model if isinstance(model, RetryingModel) else model


def _common(capabilities: Iterable[Capabilities]) -> Capabilities:
    """What all of them can do; a language model among them makes the whole one."""
    each = tuple(capabilities)
    return Capabilities(
        is_language_model=any(one.is_language_model for one in each),
        images=all(one.images for one in each),
        web_search=all(one.web_search for one in each),
        context_tokens=min(one.context_tokens for one in each),
    )


def _billed(failures: Iterable[ModelError]) -> Usage | None:
    known: list[Usage] = [error.usage for error in failures if error.usage is not None]
    return reduce(add, known) if known else None


def _soonest(failures: Iterable[ModelError]) -> float | None:
    named: list[float | None] = [getattr(error, "retry_after", None) for error in failures]
    return min((seconds for seconds in named if seconds is not None), default=None)
