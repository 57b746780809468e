"""Answers that are out of the ordinary: malformed calls, pauses, full windows, slow models, answers with a form."""

import asyncio
from datetime import timedelta

import pytest
from attrs import frozen

from alphalab.agents import Agent
from alphalab.budget import Limits
from alphalab.errors import ConfigError, ModelUnavailable
from alphalab.messages import Message, OpaqueBlock, TextBlock, ToolUseBlock, Usage
from alphalab.models import Capabilities, Model, ModelResponse, ScriptedModel
from alphalab.tools import tool

call = ScriptedModel.call
RUNS = []


@tool
async def remember(text: str = "") -> str:
    """Remember a text."""
    RUNS.append(text)
    return "remembered"


@pytest.fixture(autouse=True)
def no_runs():
    RUNS.clear()


def answer(*blocks, stop_reason="end_turn"):
    message = Message.assistant(*blocks)
    return ModelResponse(message=message, stop_reason=stop_reason, usage=Usage(calls=1), model="scripted")


def last_results(model):
    return [block for block in model.requests[-1].messages[-1].content if hasattr(block, "is_error")]


@pytest.mark.parametrize(
    ("written", "reason"),
    [('{"text": "a', "Unterminated string"), ('["a"]', "not an object"), ("text=a", "Expecting value")],
)
async def test_malformed_arguments_are_shown_to_the_model_and_not_run(written, reason):
    use = ToolUseBlock(id="1", name="remember", input={}, malformed=written)
    model = ScriptedModel([answer(use, stop_reason="tool_use"), "ok"])
    await Agent(model=model, tools=[remember]).run("q")
    (result,) = last_results(model)
    assert result.is_error
    assert "not a JSON object" in result.text
    assert reason in result.text
    assert repr(written) in result.text
    assert RUNS == []


async def test_the_same_malformed_call_again_and_again_is_broken_off():
    use = ToolUseBlock(id="1", name="remember", input={}, malformed="{")
    model = ScriptedModel([answer(use, stop_reason="tool_use")] * 3)
    assert (await Agent(model=model, tools=[remember]).run("q")).stop_reason == "repeats"


async def test_a_pause_sends_the_same_conversation_again_and_the_answer_becomes_one():
    search = OpaqueBlock(provider="anthropic", data={"type": "server_tool_use", "id": "s"})
    model = ScriptedModel([answer(TextBlock(text="let me"), search, stop_reason="pause"), "see"])
    result = await Agent(model=model, tools=[]).run("q")
    assert [message.role for message in result.messages] == ["user", "assistant"]
    assert result.messages[1].content == (TextBlock(text="let me"), search, TextBlock(text="see"))
    assert model.requests[1].messages[-1].content[-1] == search
    assert (result.text, result.turns) == ("see", 2)


async def test_an_answer_cut_off_by_a_full_window_goes_on():
    model = ScriptedModel([answer(TextBlock(text="half "), stop_reason="context_window"), "whole"])
    result = await Agent(model=model).run("q")
    assert result.text == "half whole"


class Slow(Model):
    name, capabilities = "slow", Capabilities()

    def __init__(self):
        self.cancelled = 0

    async def generate(self, request, *, on_delta=None):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def test_a_model_that_does_not_answer_is_given_up_when_the_time_is_over():
    model = Slow()
    result = await Agent(model=model, limits=Limits(time=timedelta(seconds=0.05))).run("q")
    assert (result.stop_reason, model.cancelled) == ("time", 1)
    assert [message.role for message in result.messages] == ["user"]


async def test_a_timeout_of_the_models_own_is_not_the_limit():
    model = ScriptedModel([TimeoutError("its own")])
    with pytest.raises(TimeoutError, match="its own"):
        await Agent(model=model, limits=Limits(time=timedelta(hours=1))).run("q")


@frozen(kw_only=True)
class Verdict:
    """What a reviewer thinks."""

    approved: bool
    reasons: list[str]


async def test_an_answer_with_a_form_becomes_an_instance():
    model = ScriptedModel(['```json\n{"approved": true, "reasons": ["sound"]}\n```'])
    result = await Agent(model=model, output=Verdict).run("q")
    assert result.output == Verdict(approved=True, reasons=["sound"])
    schema = model.requests[0].output_schema
    assert schema["required"] == ["approved", "reasons"]
    assert schema["additionalProperties"] is False


async def test_an_answer_that_does_not_fit_is_sent_back_with_all_problems():
    model = ScriptedModel(['{"approved": "yes", "extra": 1}', "not json", '{"approved": false, "reasons": []}'])
    result = await Agent(model=model, output=Verdict).run("q")
    first, second = (request.messages[-1].text for request in model.requests[1:])
    assert "approved: " in first
    assert "reasons: required" in first
    assert "extra: " in first
    assert "not JSON" in second
    assert result.output == Verdict(approved=False, reasons=[])


async def test_an_answer_that_never_fits_ends_the_run_without_output():
    model = ScriptedModel(["no"] * 4)
    result = await Agent(model=model, output=Verdict).run("q")
    assert (result.stop_reason, result.output) == ("nudges", None)


async def test_a_form_must_be_an_object():
    with pytest.raises(ConfigError, match="attrs class or a TypedDict"):
        await Agent(model=ScriptedModel([]), output=int).run("q")


async def test_the_results_repr_leaves_the_conversation_out():
    result = await Agent(model=ScriptedModel(["x"])).run("q" * 1000)
    assert len(repr(result)) < 500


async def test_what_failed_attempts_are_billed_is_counted():
    told = []
    model = ScriptedModel([ModelUnavailable("gone", usage=Usage(calls=1, input_tokens=70, cost_usd=0.25))])
    with pytest.raises(ModelUnavailable):
        await Agent(model=model, on_response=told.append).run("q")
    assert [(each.usage.input_tokens, each.model) for each in told] == [(70, "scripted")]
