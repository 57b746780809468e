"""Waiting and trying again, with time as an argument."""

import asyncio
import pickle
import random
from datetime import timedelta

import pytest

from alphalab._clock import ManualClock
from alphalab.errors import (
    AuthenticationFailed,
    ContextOverflow,
    ModelError,
    ModelUnavailable,
    RateLimited,
    Refused,
)
from alphalab.messages import Message, Usage
from alphalab.models import Capabilities, Model, ModelRequest, ModelResponse, RetryingModel, ScriptedModel

REQUEST = ModelRequest(system="", messages=(Message.user("hello"),))
BUSY = ModelUnavailable("overloaded")


class Highest(random.Random):
    """Draws the upper end."""

    def uniform(self, a, b):
        return b


class Lowest(random.Random):
    """Draws the lower end."""

    def uniform(self, a, b):
        return a


def retrying(steps, *, rng=None, clock=None, **more):
    clock = clock or ManualClock()
    return RetryingModel(ScriptedModel(steps, "s"), clock=clock, rng=rng or Highest(), **more), clock


async def test_waits_double_up_to_the_longest_and_the_answer_comes():
    model, clock = retrying([BUSY] * 9 + ["done"])
    said = []
    response = await model.generate(REQUEST, on_delta=said.append)
    assert response.message.text == "done"
    assert clock.elapsed == 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60
    assert [delta.text for delta in said if delta.kind == "restart"][:2] == [
        "overloaded; asking again in 1.0 s",
        "overloaded; asking again in 2.0 s",
    ]
    assert said[-1].kind == "text"


async def test_waits_are_spread_over_the_whole_range():
    waits = set()
    for seed in range(20):
        model, clock = retrying([BUSY, "done"], rng=random.Random(seed))
        await model.generate(REQUEST)
        waits.add(clock.elapsed)
    assert len(waits) == 20
    assert 0 <= min(waits) < 0.2
    assert 0.8 < max(waits) <= 1


@pytest.mark.parametrize("kind", [RateLimited, ModelUnavailable])
async def test_a_time_that_the_provider_names_is_waited_for(kind):
    model, clock = retrying([kind("slow down", retry_after=17.0), "done"], rng=Lowest())
    await model.generate(REQUEST)
    assert clock.elapsed == 17


@pytest.mark.parametrize("kind", [AuthenticationFailed, ContextOverflow, Refused, ModelError])
async def test_what_waiting_does_not_cure_is_given_on_at_once(kind):
    model, clock = retrying([kind("no"), "never"])
    with pytest.raises(kind, match="no"):
        await model.generate(REQUEST)
    assert clock.elapsed == 0
    assert len(model.model.requests) == 1


async def test_patience_is_counted_in_time_from_the_first_failure():
    model, clock = retrying([BUSY] * 100, patience=timedelta(minutes=5))
    with pytest.raises(ModelUnavailable) as caught:
        await model.generate(REQUEST)
    # 1 + 2 + 4 + 8 + 16 + 32 and three minutes are 243 s; a fourth minute would end after 303 s
    assert clock.elapsed == 243
    assert str(caught.value) == (
        "'s' gave no answer in 10 tries over 4.0 minutes, and the next one would have to wait 60.0 s; "
        "patience is 5.0 minutes. The last reason: overloaded"
    )
    assert caught.value.__cause__ is BUSY
    assert caught.value.usage is None
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_a_wait_that_is_longer_than_patience_is_not_begun():
    model, clock = retrying([RateLimited("tomorrow", retry_after=86_400.0), "never"])
    with pytest.raises(ModelUnavailable, match=r"1 try over 0.0 s.*1440.0 minutes") as caught:
        await model.generate(REQUEST)
    assert clock.elapsed == 0
    assert caught.value.retry_after == 86_400


async def test_no_patience_is_a_single_attempt():
    model, _ = retrying([BUSY, "never"], rng=Lowest(), patience=timedelta())
    with pytest.raises(ModelUnavailable, match="1 try"):
        await model.generate(REQUEST)


async def test_failed_attempts_are_billed_with_the_answer_or_with_the_error():
    paid = Usage(calls=1, output_tokens=5, cost_usd=0.5)
    cut = ModelUnavailable("cut off", usage=paid)
    steps = [cut, BUSY, ModelResponse(message=Message.assistant(), stop_reason="end_turn", usage=paid, model="s")]
    model, _ = retrying(steps)
    assert (await model.generate(REQUEST)).usage == Usage(calls=2, output_tokens=10, cost_usd=1.0)
    model, _ = retrying([cut, Refused("no", usage=paid)])
    with pytest.raises(Refused) as caught:
        await model.generate(REQUEST)
    assert caught.value.usage.cost_usd == 1.0
    model, _ = retrying([cut, Refused("no")])
    with pytest.raises(Refused) as caught:
        await model.generate(REQUEST)
    assert caught.value.usage.cost_usd == 0.5
    model, _ = retrying([cut] * 99, patience=timedelta(seconds=2))
    with pytest.raises(ModelUnavailable) as caught:
        await model.generate(REQUEST)
    assert caught.value.usage.calls == 2


class Limited(Model):
    """Refuses everybody before a moment, and notes who asked when."""

    name = "limited"
    capabilities = Capabilities(context_tokens=77)

    def __init__(self, clock, opens):
        self.clock, self.opens, self.asked, self.closed = clock, opens, [], False

    async def generate(self, request, *, on_delta=None):
        self.asked.append(self.clock.elapsed)
        if self.clock.elapsed < self.opens:
            raise RateLimited("too many", retry_after=self.opens - self.clock.elapsed)
        return ModelResponse(message=Message.assistant(), stop_reason="end_turn", usage=Usage(calls=1), model="l")

    def check(self):
        return ("no key",)

    async def aclose(self):
        self.closed = True


async def test_agents_that_share_a_model_wait_for_each_others_limits_and_come_back_one_by_one():
    clock = ManualClock()
    limited = Limited(clock, opens=50.0)
    model = RetryingModel(limited, clock=clock, rng=random.Random(1))
    with pytest.raises(RateLimited):
        await limited.generate(REQUEST)
    others = []

    def begin_others(_delta):
        limited.asked.clear()
        others.extend(asyncio.create_task(model.generate(REQUEST)) for _ in range(20))

    await model.generate(REQUEST, on_delta=begin_others)
    await asyncio.gather(*others)
    assert len(limited.asked) == 21, "nobody asked before the provider was open again"
    assert 50 <= min(limited.asked) < max(limited.asked) <= 51
    assert len(set(limited.asked)) > 15


async def test_a_call_that_may_not_begin_within_patience_says_so():
    clock = ManualClock()
    model = RetryingModel(Limited(clock, opens=500.0), clock=clock, patience=timedelta(minutes=1))
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match=r"(0|1) tr(y|ies) over 0.0 s.*too many"):
            await model.generate(REQUEST)
    assert len(model.model.asked) == 1


async def test_a_wait_ends_at_once_when_cancelled():
    model = RetryingModel(ScriptedModel([RateLimited("wait", retry_after=600.0), "never"]))
    waiting = asyncio.Event()
    call = asyncio.create_task(model.generate(REQUEST, on_delta=lambda _delta: waiting.set()))
    await waiting.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(call, 5)
    assert len(model.model.requests) == 1


async def test_the_rest_is_the_models_own():
    limited = Limited(ManualClock(), 0)
    model = RetryingModel(limited)
    assert (model.name, model.capabilities.context_tokens, model.check()) == ("limited", 77, ("no key",))
    await model.aclose()
    assert limited.closed


async def test_sleepers_of_a_manual_clock_wake_in_the_order_of_their_times():
    clock, woken = ManualClock(), []

    async def sleep(seconds):
        await clock.sleep(seconds)
        woken.append((seconds, clock.elapsed))

    await asyncio.gather(sleep(5), sleep(1), sleep(3), sleep(0))
    assert woken == [(0, 0), (1, 1), (3, 3), (5, 5)]
