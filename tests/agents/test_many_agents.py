"""Runs beside each other share nothing, and odd answers, late tools and missing names end none of them."""

import asyncio

import pytest
from attrs import frozen

from alphalab.agents import Agent
from alphalab.agents.calls import _not_json
from alphalab.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from alphalab.models import Capabilities, Model, ModelResponse, ScriptedModel
from alphalab.tools import ToolContext, tool
from alphalab.workspace import Workspace

call = ScriptedModel.call


@tool
async def count(ctx: ToolContext, who: str) -> str:
    """Count calls of one run."""
    ctx.state["calls"] = ctx.state.get("calls", 0) + 1
    await asyncio.sleep(0)
    return f"{who} {ctx.state['calls']}"


class Alike(Model):
    """Gives every call of every run the same id."""

    name, capabilities = "alike", Capabilities()

    def __init__(self):
        self.conversations = {}

    async def generate(self, request, *, on_delta=None):
        await asyncio.sleep(0)
        who = request.messages[0].text
        self.conversations.setdefault(request.conversation, set()).add(who)
        more = sum(message.role == "assistant" for message in request.messages) < 5
        block = ToolUseBlock(id="call_0", name="count", input={"who": who}) if more else TextBlock(text=f"{who} done")
        usage, stopped = Usage(calls=1, input_tokens=10), "tool_use" if more else "end_turn"
        return ModelResponse(message=Message.assistant(block), stop_reason=stopped, usage=usage, model=self.name)


async def test_thirty_two_runs_of_one_agent_and_one_model_share_nothing(tmp_path):
    model = Alike()
    context = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path)
    agent = Agent(model=model, tools=[count], context=context)
    results = await asyncio.gather(*(agent.run(f"w{number}") for number in range(32)))
    for number, result in enumerate(results):
        answers = [b.text for m in result.messages for b in m.content if isinstance(b, ToolResultBlock)]
        assert answers == [f"w{number} {n}" for n in range(1, 6)]
        assert (result.text, result.usage.calls, len(result.sent_tokens)) == (f"w{number} done", 6, 6)
    assert len(model.conversations) == 32
    assert all(len(who) == 1 for who in model.conversations.values())


@frozen
class Answer:
    value: int


async def test_an_answer_of_brackets_is_answered_like_any_that_is_no_json():
    model = ScriptedModel(["[" * 100_000, '{"value": NaN}', '{"value": 3}'])
    result = await Agent(model=model, tools=[], output=Answer).run("q")
    assert result.output == Answer(3)
    assert "not JSON" in result.messages[2].text


def test_arguments_of_brackets_are_told_apart_from_json():
    assert "send the call again" in _not_json("[" * 100_000)


async def test_the_reminder_names_a_tool_that_is_there():
    model = ScriptedModel(["words", call("finish", summary="x")])
    result = await Agent(model=model, needs_finish=True, finishes_with=("submit", "finish")).run("q")
    assert "call `finish`" in result.messages[2].text


@pytest.mark.parametrize("parallel", [True, False])
async def test_what_a_tool_gives_after_its_time_limit_is_its_answer(parallel):
    @tool(time_limit_s=0.01, parallel=parallel)
    async def late() -> str:
        """Answer when ended."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "as far as I came"
        return ""

    result = await Agent(model=ScriptedModel([[call("late"), call("late")], "end"]), tools=[late]).run("q")
    assert [answer.text for answer in result.messages[2].content] == ["as far as I came"] * 2
    assert result.text == "end"
