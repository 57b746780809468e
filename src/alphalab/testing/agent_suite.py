"""What every agent must do, whatever it is for: subclass `AgentSuite` and say how yours is made and finished.

```python
class TestMyAgent(AgentSuite):
    @pytest.fixture
    def make_agent(self, tmp_path):
        return lambda model, **fields: MyAgent(model=model, **fields)
```
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alphalab.agents import Agent, read_transcript, transcript_messages
from alphalab.budget import Limits
from alphalab.errors import ModelUnavailable, Refused
from alphalab.events import AgentFinished, AgentStarted, Event, ToolCalled
from alphalab.messages import Message, ToolResultBlock, ToolUseBlock, Usage
from alphalab.models import Capabilities, Model, ModelRequest, ModelResponse, OnDelta, ScriptedModel
from alphalab.models.scripted import Answer, Step

MakeAgent = Callable[..., Agent]
_NOWHERE = ScriptedModel.call("no_such_tool", number=1)
"""A call that every agent answers with an error, so that the suite needs none of its tools."""
_ONE = Usage(calls=1, input_tokens=100, output_tokens=10, cost_usd=0.25)


def assert_valid(messages: Sequence[Message]) -> None:
    """See that a provider would take a conversation: turns alternate, and every call is answered at once and once."""
    assert all(message.content for message in messages), "an empty message"
    roles = [message.role for message in messages]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2), roles
    asked = list[str]()
    for message in (*messages, Message.user("")):
        given = [result.tool_use_id for result in _results(message)]
        assert given == asked, f"calls {asked}, answers {given}"
        asked = [use.id for use in message.tool_uses]


def _results(message: Message) -> list[ToolResultBlock]:
    return [block for block in message.content if isinstance(block, ToolResultBlock)]


class AgentSuite:
    """Tests of one kind of agent; override `make_agent`, and `ending` where a text is not enough to end a run."""

    @pytest.fixture
    def make_agent(self) -> MakeAgent:
        """Gives an agent for a model; keywords are fields of `Agent` and must reach it."""
        raise NotImplementedError("override the fixture make_agent")

    @pytest.fixture
    def ending(self) -> Sequence[Step]:
        """Steps of a scripted model that end a run of this agent at once, as it should end."""
        return ("It is done.",)

    @pytest.fixture
    def scripted(self, ending: Sequence[Step]) -> Callable[..., ScriptedModel]:
        """A model that takes some steps and then ends the run."""

        def make(*steps: Step, ends: bool = True) -> ScriptedModel:
            return ScriptedModel([*steps, *(ending if ends else ())], usage=_ONE)

        return make

    async def test_a_run_ends_and_tells_what_it_used(self, make_agent: MakeAgent, scripted: Any) -> None:
        """Text, usage, turns and reason agree with what the model did."""
        model = scripted()
        result = await make_agent(model).run("Do it.")
        model.assert_done()
        assert result.completed
        assert result.text
        assert result.turns == result.usage.calls == len(model.requests)
        assert result.usage.cost_usd == pytest.approx(0.25 * result.turns)
        assert_valid(result.messages)

    async def test_requests_are_valid_and_only_grow(self, make_agent: MakeAgent, scripted: Any) -> None:
        """Each request begins with the one before it, system and tools stay the same."""
        model = scripted(_NOWHERE, [_NOWHERE, ScriptedModel.call("no_such_tool", number=2)])
        await make_agent(model).run("Do it.")
        for before, after in pairwise(model.requests):
            assert after.messages[: len(before.messages)] == before.messages
            assert (after.system, after.tools) == (before.system, before.tools)
            assert after.conversation == before.conversation != ""
        for request in model.requests:
            assert_valid(request.messages)
            assert request.messages[-1].role == "user"

    async def test_failing_calls_are_shown_to_the_model(self, make_agent: MakeAgent, scripted: Any) -> None:
        """Unknown tools and malformed arguments are results that say what is wrong."""
        use = ToolUseBlock(id="1", name="no_such_tool", input={}, malformed='{"number": ')
        model = scripted(_NOWHERE, Message.assistant(use))
        result = await make_agent(model).run("Do it.")
        wrong = {use.id for message in result.messages for use in message.tool_uses if use.name == "no_such_tool"}
        answers = [block for message in result.messages for block in _results(message) if block.tool_use_id in wrong]
        assert len(answers) == 2
        assert all(answer.is_error and answer.text for answer in answers)

    async def test_events_begin_and_end_the_run(self, make_agent: MakeAgent, scripted: Any) -> None:
        """Started first, finished last, every call between them."""
        events = list[Event]()
        result = await make_agent(scripted(_NOWHERE), emit=events.append).run("Do it.")
        assert isinstance(events[0], AgentStarted)
        last = events[-1]
        assert isinstance(last, AgentFinished)
        assert (last.stop_reason, last.turns, last.usage) == (result.stop_reason, result.turns, result.usage)
        assert any(isinstance(event, ToolCalled) and not event.ok for event in events)

    @pytest.mark.parametrize(
        ("limits", "reason"),
        [
            (Limits(turns=2), "turns"),
            (Limits(tokens=200), "tokens"),
            (Limits(cost_usd=0.5), "cost"),
            (Limits(turns=9, repeats=2), "repeats"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_limits_end_a_run(self, make_agent: MakeAgent, scripted: Any, limits: Limits, reason: str) -> None:
        """Each limit has its own reason, and leaves a valid conversation."""
        result = await make_agent(scripted(_NOWHERE, _NOWHERE, ends=False), limits=limits).run("Do it.")
        assert (result.stop_reason, result.turns) == (reason, 2)
        assert not result.completed
        assert_valid(result.messages)

    async def test_time_ends_a_call_that_hangs(self, make_agent: MakeAgent) -> None:
        """The limit of time holds while the model is answering."""
        model = _Hanging()
        async with asyncio.timeout(20):
            result = await make_agent(model, limits=Limits(time=timedelta(seconds=0.05))).run("Do it.")
        assert (result.stop_reason, model.cancelled) == ("time", 1)

    async def test_a_refusal_is_a_result(self, make_agent: MakeAgent, scripted: Any) -> None:
        """What the model declines to do is said, not raised."""
        result = await make_agent(scripted(Refused("I will not."), ends=False)).run("Do it.")
        assert (result.stop_reason, result.text) == ("refusal", "I will not.")

    async def test_the_transcript_holds_the_conversation(
        self, make_agent: MakeAgent, scripted: Any, tmp_path: Path
    ) -> None:
        """Every message is on disk, with what each answer used."""
        path = tmp_path / "suite.jsonl"
        result = await make_agent(scripted(_NOWHERE), transcript=path).run("Do it.")
        assert transcript_messages(path) == result.messages
        lines = read_transcript(path)
        assert (lines[0]["kind"], lines[-1]["kind"]) == ("header", "end")
        assert sum(
            line["usage"]["input_tokens"] for line in lines if line["kind"] == "message" and "usage" in line
        ) == (result.usage.input_tokens)

    async def test_a_run_that_was_cut_off_goes_on(self, make_agent: MakeAgent, scripted: Any, tmp_path: Path) -> None:
        """The same conversation, nothing asked twice, counts carried on."""
        path = tmp_path / "suite.jsonl"
        with pytest.raises(ModelUnavailable):
            await make_agent(scripted(_NOWHERE, ModelUnavailable("gone"), ends=False), transcript=path).run("Do it.")
        model = scripted()
        result = await make_agent(model, transcript=path).run("Do it.", resume=True)
        assert result.turns == result.usage.calls == 1 + len(model.requests)
        assert len(model.requests[0].messages) == 3
        assert_valid(result.messages)
        assert transcript_messages(path) == result.messages

    async def test_cancelling_leaves_a_valid_conversation(
        self, make_agent: MakeAgent, scripted: Any, tmp_path: Path
    ) -> None:
        """Cancelled while the model answers; the transcript says so and the run can go on."""
        path, model = tmp_path / "suite.jsonl", _Hanging(_NOWHERE)
        running = asyncio.ensure_future(make_agent(model, transcript=path).run("Do it."))
        await model.hangs.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert read_transcript(path)[-1]["stop_reason"] == "cancelled"
        assert_valid(transcript_messages(path))
        assert (await make_agent(scripted(), transcript=path).run("Do it.", resume=True)).completed


class _Hanging(Model):
    """Gives some answers and then none; counts how often it is given up."""

    name, capabilities = "hanging", Capabilities()

    def __init__(self, *answers: Answer) -> None:
        self._answers = ScriptedModel(answers, usage=_ONE)
        self._left = len(answers)
        self.hangs = asyncio.Event()
        self.cancelled = 0

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """An answer, or none ever."""
        if self._left:
            self._left -= 1
            return await self._answers.generate(request, on_delta=on_delta)
        self.hangs.set()
        try:
            return await asyncio.Future[ModelResponse]()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
