"""The next provider when one is down."""

import random
from datetime import timedelta

import pytest

from alphalab._clock import ManualClock
from alphalab.errors import AuthenticationFailed, ConfigError, ModelUnavailable, RateLimited
from alphalab.messages import Delta, Message, Usage
from alphalab.models import Capabilities, FallbackModel, ModelRequest, RetryingModel, ScriptedModel

REQUEST = ModelRequest(system="", messages=(Message.user("hello"),))
DOWN = ModelUnavailable("down for hours", retry_after=200.0)


def scripted(name, *steps, **more):
    return ScriptedModel(steps, name, **more)


def fallback(*models, **more):
    clock = ManualClock()
    return FallbackModel(*models, clock=clock, rng=random.Random(1), **more), clock


async def test_the_second_answers_when_the_first_is_down_and_the_first_is_asked_again_later():
    first, second = scripted("a", DOWN, "back"), scripted("b", "instead", "again")
    model, clock = fallback(first, second)
    said = []
    response = await model.generate(REQUEST, on_delta=said.append)
    assert (response.model, response.message.text) == ("b", "instead")
    assert said[0].kind == "restart"
    assert said[0].text.endswith("The last reason: down for hours; asking b instead")
    assert said[1] == Delta(kind="text", text="instead")
    clock.advance(599)
    assert (await model.generate(REQUEST)).model == "b"
    clock.advance(2)
    assert (await model.generate(REQUEST)).model == "a"
    first.assert_done()
    second.assert_done()


async def test_a_short_outage_is_waited_out():
    model, clock = fallback(scripted("a", RateLimited("wait", retry_after=30.0), "here"), scripted("b"))
    assert (await model.generate(REQUEST)).model == "a"
    assert 30 <= clock.elapsed <= 31


async def test_a_patient_model_is_taken_with_short_patience():
    patient = RetryingModel(scripted("a", *[ModelUnavailable("down")] * 99), patience=timedelta(days=1))
    model, clock = fallback(patient, scripted("b", "here"))
    assert (await model.generate(REQUEST)).model == "b"
    assert clock.elapsed <= 120


async def test_a_wrong_key_is_told_at_once():
    model, _ = fallback(scripted("a", AuthenticationFailed("set A_KEY")), scripted("b", "hidden"))
    with pytest.raises(AuthenticationFailed, match="set A_KEY"):
        await model.generate(REQUEST)


async def test_all_down_gives_each_reason_and_what_was_billed():
    paid = Usage(calls=1, cost_usd=0.25)
    steps = [ModelUnavailable("cut", usage=paid, retry_after=seconds) for seconds in (700.0, 300.0)]
    model, _ = fallback(scripted("a", steps[0]), scripted("b", steps[1]))
    with pytest.raises(ModelUnavailable) as caught:
        await model.generate(REQUEST)
    assert "none of 2 models" in str(caught.value)
    assert "'a' gave no answer" in str(caught.value)
    assert "'b' gave no answer" in str(caught.value)
    assert caught.value.usage == Usage(calls=2, cost_usd=0.5)
    assert caught.value.retry_after == 300


async def test_resting_models_are_asked_when_nobody_else_answers():
    model, clock = fallback(scripted("a", DOWN, "back"), scripted("b", "one", DOWN))
    assert (await model.generate(REQUEST)).model == "b"
    clock.advance(300)
    assert (await model.generate(REQUEST)).model == "a"


async def test_a_time_that_a_provider_names_outlasts_the_cooling():
    first = scripted("a", ModelUnavailable("maintenance", retry_after=5000.0), "back")
    model, clock = fallback(first, scripted("b", "one", "two"))
    assert (await model.generate(REQUEST)).model == "b"
    clock.advance(1000)
    assert (await model.generate(REQUEST)).model == "b"
    clock.advance(4001)
    assert (await model.generate(REQUEST)).model == "a"


async def test_what_was_billed_before_the_switch_is_part_of_the_usage():
    paid = Usage(calls=1, cost_usd=0.25)
    cut = ModelUnavailable("cut", usage=paid, retry_after=700.0)
    model, _ = fallback(scripted("a", cut, cut), scripted("b", "x", AuthenticationFailed("no"), usage=paid))
    assert (await model.generate(REQUEST)).usage.cost_usd == 0.5


async def test_an_outage_of_all_can_be_outlasted():
    clock = ManualClock()
    inner = FallbackModel(scripted("a", DOWN, DOWN), scripted("b", DOWN, "late"), clock=clock)
    model = RetryingModel(inner, clock=clock, patience=timedelta(hours=6))
    assert (await model.generate(REQUEST)).message.text == "late"


def test_it_can_do_what_all_of_them_can():
    model, _ = fallback(
        scripted("a", capabilities=Capabilities(web_search=True, context_tokens=5)),
        scripted("b", capabilities=Capabilities(images=False, web_search=True, context_tokens=9)),
    )
    assert model.capabilities == Capabilities(images=False, web_search=True, context_tokens=5)
    assert model.name == "a or b"
    assert model.check() == ()


def test_one_model_is_not_enough():
    with pytest.raises(ConfigError, match="given 1 model"):
        FallbackModel("offline")
