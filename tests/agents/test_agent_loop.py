"""The loop: how runs go on, and every way in which they end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from attrs import define

from alphalab import tools
from alphalab._clock import ManualClock
from alphalab.agents import Agent, Continue, History
from alphalab.agents.clearing import size
from alphalab.budget import Limits
from alphalab.commands import Access
from alphalab.errors import (
    ConfigError,
    ContextOverflow,
    EvaluationTampered,
    ModelUnavailable,
    RateLimited,
    Refused,
    ReplayMismatch,
    ToolError,
)
from alphalab.events import AgentFinished, AgentStarted, Noticed, ToolCalled
from alphalab.messages import ImageBlock, Message, TextBlock, ToolUseBlock, Usage
from alphalab.models import Capabilities, ModelResponse, ScriptedModel
from alphalab.task import Task
from alphalab.workspace import Workspace

call = ScriptedModel.call


@tools.tool
async def echo(text: str) -> str:
    """Say it again.

    Args:
        text: What.
    """
    return text


@tools.tool
async def fail(text: str = "no") -> str:
    """Fail as tools do."""
    raise tools.ToolError(text)


@tools.tool
async def crash() -> str:
    """Fail as programs do."""
    return str({}["missing"])


def agent(*steps, usage=None, **fields):
    fields.setdefault("tools", [echo, fail, crash])
    return Agent(model=ScriptedModel(steps, usage=usage), **fields)


def results(result):
    return [block for message in result.messages for block in message.content if hasattr(block, "tool_use_id")]


def truncated(*blocks):
    return ModelResponse(
        message=Message.assistant(*blocks), stop_reason="max_tokens", usage=Usage(calls=1), model="scripted"
    )


async def test_text_ends_a_plain_agent():
    subject = agent(call("echo", text="a"), "the answer")
    result = await subject.run("question")
    assert (result.text, result.stop_reason, result.turns, result.completed) == ("the answer", "text", 2, True)
    assert [message.role for message in result.messages] == ["user", "assistant", "user", "assistant"]
    assert results(result)[0].text == "a"
    subject.model.assert_done()


async def test_requests_carry_system_tools_labels_and_history():
    subject = agent(
        "done", instructions="Be brief.", name="n1", role="critic", labels={"phase": "evaluate"}, max_tokens=99
    )
    await subject.run("question", task=Task(objective="Forecast.", data="x.npz"))
    (request,) = subject.model.requests
    assert request.system == "Be brief.\n\n# Task\n\nForecast.\nData: x.npz"
    assert [spec.name for spec in request.tools] == ["echo", "fail", "crash"]
    assert request.labels == {"role": "critic", "agent": "n1", "phase": "evaluate"}
    assert request.messages == (Message.user("question"),)
    assert request.max_tokens == 99


async def test_usage_is_summed_and_told_call_by_call():
    told = []
    one = Usage(calls=1, input_tokens=10, output_tokens=2, cost_usd=0.5)
    result = await agent(
        call("echo", text="a"), "x", usage=one, on_response=lambda answer: told.append(answer.usage)
    ).run("q")
    assert told == [one, one]
    assert result.usage == one + one


async def test_events_tell_of_the_run_and_of_every_call():
    events = []
    await agent(call("echo", text="x" * 1000), call("fail"), "end", emit=events.append, name="n", role="r").run("q")
    assert events[0] == AgentStarted(agent="n", role="r", model="scripted")
    assert isinstance(events[1], ToolCalled)
    assert (events[1].ok, len(events[1].arguments), len(events[1].summary)) == (True, 500, 300)
    assert (events[2].tool, events[2].ok, events[2].summary) == ("fail", False, "no")
    assert isinstance(events[3], AgentFinished)
    assert (events[3].stop_reason, events[3].turns, events[3].text) == ("text", 3, "end")


async def test_errors_of_calls_are_shown_to_the_model():
    events = []
    subject = agent(
        call("echo", txt="a"), call("nothing"), call("fail", text="try b"), call("crash"), "end", emit=events.append
    )
    answers = results(await subject.run("q"))
    assert all(answer.is_error for answer in answers)
    assert "text: required, but missing" in answers[0].text
    assert "no tool 'nothing'; available: crash, echo, fail" in answers[1].text
    assert answers[2].text == "try b"
    assert "fault of its own" in answers[3].text
    assert "KeyError: 'missing'" in answers[3].text
    (notice,) = [event for event in events if isinstance(event, Noticed)]
    assert notice.level == "warning"
    assert "'crash'" in notice.message


async def test_a_tampered_evaluation_is_not_for_the_model_to_explain_away():
    @tools.tool(parallel=True)
    async def score() -> str:
        """Score."""
        raise EvaluationTampered("changed", path="x")

    @tools.tool(parallel=True)
    async def wait() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return ""

    for step in (call("score"), [call("wait"), call("score")]):
        history = History()
        with pytest.raises(EvaluationTampered):
            await agent(step, tools=[score, wait]).run("q", history=history)
        assert all(block.is_error for block in history.messages[-1].content)


async def test_text_without_a_tool_is_nudged_when_finishing_is_needed():
    subject = agent(
        "thinking aloud", "more", call("echo", text="a"), "again", call("finish", summary="all done"), needs_finish=True
    )
    result = await subject.run("q")
    assert (result.stop_reason, result.text) == ("finished", "all done")
    assert "call `finish`" in result.messages[2].text
    assert [spec.name for spec in subject.model.requests[0].tools][-1] == "finish"


async def test_nudges_end_and_work_resets_their_count():
    limits = Limits(nudges=2)
    subject = agent("a", "b", call("echo", text="x"), "c", "d", "e", needs_finish=True, limits=limits)
    result = await subject.run("q")
    assert (result.stop_reason, result.text, result.turns) == ("nudges", "e", 6)
    assert not result.completed
    subject.model.assert_done()


async def test_empty_answers_are_nudged_too():
    result = await agent(Message.assistant(), " ", "now").run("q")
    assert (result.text, result.stop_reason) == ("now", "text")
    assert result.messages[1].text == "(no answer)"
    assert "was empty" in result.messages[2].text


async def test_a_call_that_fails_the_same_way_is_broken_off():
    result = await agent(call("fail"), call("fail", text="other"), *[call("fail")] * 3).run("q")
    assert (result.stop_reason, result.turns) == ("repeats", 5)
    same_turn = await agent([call("fail")] * 5, "went on").run("q")
    assert same_turn.stop_reason == "text"
    with_success = await agent(call("fail"), call("fail"), call("echo", text=""), call("fail"), "end").run("q")
    assert with_success.stop_reason == "text"


async def test_limit_of_turns():
    result = await agent(*[call("echo", text="a")] * 2, limits=Limits(turns=2)).run("q")
    assert (result.stop_reason, result.turns) == ("turns", 2)
    assert result.messages[-1].role == "user"


async def test_limit_of_tokens_and_cost():
    usage = Usage(calls=1, input_tokens=60, output_tokens=40, cost_usd=1.0)
    assert (
        await agent(*[call("echo", text="a")] * 2, usage=usage, limits=Limits(tokens=200)).run("q")
    ).stop_reason == "tokens"
    assert (
        await agent(*[call("echo", text="a")] * 2, usage=usage, limits=Limits(cost_usd=2)).run("q")
    ).stop_reason == "cost"


async def test_an_unknown_price_is_noticed_once_and_reaches_no_limit():
    events = []
    subject = agent(
        call("echo", text="a"),
        call("echo", text="b"),
        "end",
        usage=Usage(calls=1, cost_usd=None),
        limits=Limits(cost_usd=1),
        emit=events.append,
    )
    result = await subject.run("q")
    assert (result.stop_reason, result.usage.cost_usd) == ("text", None)
    assert ["no known price" in event.message for event in events if isinstance(event, Noticed)] == [True]


async def test_limit_of_time_holds_between_turns_and_for_tools():
    clock = ManualClock()

    @tools.tool
    async def work() -> str:
        """Work."""
        clock.advance(61)
        return "done"

    @tools.tool
    async def hang() -> str:
        """Hang."""
        await asyncio.Event().wait()
        return ""

    limits = Limits(time=timedelta(minutes=1))
    result = await agent(call("work"), tools=[work], clock=clock, limits=limits).run("q")
    assert result.stop_reason == "time"
    short = await agent(call("hang"), tools=[hang], limits=Limits(time=timedelta(milliseconds=50))).run("q")
    assert short.stop_reason == "time"
    assert "time limit" in results(short)[0].text


async def test_each_tool_has_its_own_time_limit():
    @tools.tool(time_limit_s=0.02)
    async def hang() -> str:
        """Hang."""
        await asyncio.Event().wait()
        return ""

    @tools.tool
    async def give_up() -> str:
        """Give up."""
        raise TimeoutError("the server did not answer")

    answers = results(await agent(call("hang"), call("give_up"), "end", tools=[hang, give_up]).run("q"))
    assert "ended at its time limit" in answers[0].text
    assert "TimeoutError: the server did not answer" in answers[1].text


async def test_calls_run_together_only_when_all_may():
    running, most = 0, []

    async def count():
        nonlocal running
        running += 1
        most.append(running)
        await asyncio.sleep(0)
        running -= 1
        return "ok"

    @tools.tool(parallel=True)
    async def together() -> str:
        """Run beside others."""
        return await count()

    @tools.tool
    async def alone() -> str:
        """Run alone."""
        return await count()

    await agent([call("together")] * 3, "end", tools=[together, alone]).run("q")
    assert max(most) == 3
    most.clear()
    result = await agent([call("together"), call("alone"), call("together")], "end", tools=[together, alone]).run("q")
    assert max(most) == 1
    assert [block.tool_use_id for block in results(result)] == ["call-1", "call-2", "call-3"]


async def test_cut_off_text_goes_on_and_is_joined():
    result = await agent(truncated(TextBlock(text="The answer is ")), "42.").run("q")
    assert (result.text, result.stop_reason, result.turns) == ("The answer is 42.", "text", 2)
    assert "cut off" in result.messages[2].text
    endless = await agent(*[truncated(TextBlock(text="la "))] * 3, limits=Limits(nudges=2)).run("q")
    assert (endless.stop_reason, endless.text) == ("nudges", "la la la ")


async def test_cut_off_calls_are_not_run():
    ran = []

    @tools.tool
    async def write(text: str) -> str:
        """Write."""
        ran.append(text)
        return "ok"

    subject = agent(truncated(ToolUseBlock(id="a", name="write", input={"text": "half"})), "end", tools=[write])
    result = await subject.run("q")
    assert ran == []
    assert "none was run" in results(result)[0].text


async def test_refusals_are_results_and_other_model_errors_come_through():
    result = await agent(Refused("not this")).run("q")
    assert (result.stop_reason, result.text, result.turns) == ("refusal", "not this", 0)
    said = ModelResponse(
        message=Message.assistant(TextBlock(text="I will not.")), stop_reason="refusal", usage=Usage(calls=1), model="m"
    )
    assert (await agent(said).run("q")).stop_reason == "refusal"
    for error, name in ((RateLimited("later"), "model_error"), (ModelUnavailable("down"), "model_error")):
        events = []
        with pytest.raises(type(error)):
            await agent(error, emit=events.append).run("q")
        assert events[-1].stop_reason == name
    with pytest.raises(ReplayMismatch):
        await agent().run("q")


async def test_old_outputs_are_cleared_when_the_context_fills_up():
    big = "x" * 20_000

    def step(number):
        def answer(request):
            characters = sum(size(message) for message in request.messages)
            return ModelResponse(
                message=Message.assistant(ToolUseBlock(id=f"u{number}", name="echo", input={"text": big})),
                stop_reason="tool_use",
                usage=Usage(calls=1, input_tokens=characters // 4),
                model="m",
            )

        return answer

    steps = [step(number) for number in range(8)]
    model = ScriptedModel([*steps, "end"], capabilities=Capabilities(context_tokens=100_000))
    result = await Agent(model=model, tools=[echo]).run("the question")
    sent = [
        sum(len(block.text) for message in request.messages for block in message.content if hasattr(block, "is_error"))
        for request in model.requests
    ]
    assert sent[:4] == [0, 20_000, 40_000, 60_000]
    assert max(sent) <= 100_000
    shrunk = next(number for number in range(1, 9) if sent[number] < sent[number - 1])
    before, after = model.requests[shrunk].messages, model.requests[shrunk + 1].messages
    assert before[0].text == "the question"
    assert "cleared to save room" in before[2].content[0].text
    assert "cleared to save room" in before[1].content[0].input["text"]
    assert before[-1].content[0].text == big
    assert after[: len(before)] == before
    assert all(answer.text == big for answer in results(result))


async def test_overflow_is_met_by_cutting_before_it_is_an_error():
    steps = [call("echo", text="y" * 5000) for _ in range(6)]
    subject = agent(*steps, ContextOverflow("too long"), "made it")
    assert (await subject.run("q")).text == "made it"
    with pytest.raises(ContextOverflow):
        await agent(ContextOverflow("too long")).run("q")


async def test_long_outputs_are_bounded_with_a_pointer(tmp_path):
    context = tools.ToolContext(
        workspace=Workspace(tmp_path), cwd=tmp_path, access=Access(readable=(tmp_path,)), outputs=tmp_path / "outputs"
    )
    answer = results(await agent(call("echo", text="z" * 100_000), "end", context=context).run("q"))[0]
    assert len(answer.text) < 41_000
    assert "outputs/agent-echo-0001.txt" in answer.text
    assert len((tmp_path / "outputs/agent-echo-0001.txt").read_text()) == 100_000


async def test_pictures_are_described_to_models_that_cannot_see():
    picture = ImageBlock(data=b"x", media_type="image/png", width=4, height=3)

    @tools.tool
    async def look() -> tuple[TextBlock | ImageBlock, ...]:
        """Look."""
        return (TextBlock(text="plot:"), picture)

    seeing = ScriptedModel([call("look"), "end"])
    assert results(await Agent(model=seeing, tools=[look]).run("q"))[0].content[1] == picture
    blind = ScriptedModel([call("look"), "end"], capabilities=Capabilities(images=False))
    assert "4x3 pixels; this model cannot" in results(await Agent(model=blind, tools=[look]).run("q"))[0].text


async def test_outputs_of_a_wrong_type_and_empty_ones():
    @tools.tool
    async def number() -> str:
        """Number."""
        return 3  # type: ignore[return-value]

    answers = results(await agent(call("number"), call("echo", text=""), "end", tools=[number, echo]).run("q"))
    assert "returned int" in answers[0].text
    assert answers[1].text == "(no output)"


async def test_conversations_can_be_continued():
    history = History()
    await agent("first").run("a", history=history)
    result = await agent("second").run("b", history=history)
    assert [message.text for message in result.messages] == ["a", "first", "b", "second"]


async def test_the_default_context_reads_here_and_does_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("hello")
    subject = Agent(
        model=ScriptedModel(
            [
                call("read_file", path="a.txt"),
                call("write_file", path="b.txt", content=""),
                call("shell", command="true"),
                "end",
            ]
        ),
        tools=[*tools.file_tools(), tools.shell()],
    )
    answers = results(await subject.run("q"))
    assert [answer.is_error for answer in answers] == [False, True, True]
    assert not (tmp_path / "b.txt").exists()


async def test_reviews_see_every_turn_and_may_object():
    seen = []

    class Reviewed(Agent):
        async def review_turn(self, turn):
            seen.append((turn.index, turn.text, [one.name for one in turn.calls], turn.finishes))
            if turn.finishes and not turn.history.calls("echo"):
                return Continue("Use echo first.")
            return await super().review_turn(turn)

    subject = Reviewed(
        model=ScriptedModel(
            [
                call("finish", summary="early"),
                call("echo", text="a"),
                [TextBlock(text="so"), call("finish", summary="late")],
            ]
        ),
        tools=[echo],
        needs_finish=True,
    )
    result = await subject.run("q")
    assert (result.text, result.stop_reason) == ("late", "finished")
    assert seen == [(1, "", ["finish"], True), (2, "", ["echo"], False), (3, "so", ["finish"], True)]
    objection = result.messages[2].content
    assert objection[0].tool_use_id == "call-1"
    assert objection[1].text == "Use echo first."


async def test_finishing_again_and_again_against_the_review_ends():
    class Stubborn(Agent):
        async def review_turn(self, turn):
            return Continue("No.")

    finishing = Stubborn(model=ScriptedModel([call("finish", summary="s")] * 4), needs_finish=True)
    assert (await finishing.run("q")).stop_reason == "nudges"
    talking = Stubborn(model=ScriptedModel(["s"] * 4))
    assert (await talking.run("q")).stop_reason == "nudges"


async def test_a_finish_that_fails_does_not_end_the_run():
    result = await agent(call("finish"), call("finish", summary="ok"), needs_finish=True).run("q")
    assert (result.text, result.turns) == ("ok", 2)


async def test_other_tools_may_finish():
    @tools.tool
    async def submit(verdict: str) -> str:
        """Submit."""
        return f"verdict: {verdict}"

    subject = agent(call("submit", verdict="fine"), tools=[submit], needs_finish=True, finishes_with=("submit",))
    assert (await subject.run("q")).text == "verdict: fine"
    assert [spec.name for spec in subject.model.requests[0].tools] == ["submit"]


@define(kw_only=True, eq=False)
class SkepticalAgent(Agent):
    """As in the style guide."""

    min_recomputations: int = 2
    needs_finish: bool = True

    def build_tools(self, task):
        return [*super().build_tools(task), echo]

    async def review_turn(self, turn):
        if turn.finishes and turn.history.calls("echo") < self.min_recomputations:
            return Continue("Recompute the metric from predictions.npz first.")
        return await super().review_turn(turn)


async def test_decorated_subclasses():
    finish = call("finish", summary="s")
    subject = SkepticalAgent(model=ScriptedModel([finish, [call("echo", text="1"), call("echo", text="2")], finish]))
    assert (await subject.run("q")).turns == 3
    assert SkepticalAgent(model="offline", min_recomputations=1).min_recomputations == 1


def test_a_subclass_that_sets_a_field_in_vain_is_told():
    class Quiet(Agent):
        needs_finish = True

    class Annotated(Agent):
        needs_finish: bool = True

    for cls in (Quiet, Annotated):
        with pytest.raises(ConfigError, match=f"{cls.__name__} sets needs_finish without effect"):
            cls(model="offline")


def test_models_by_name_and_tools_of_one_name():
    with pytest.raises(ConfigError, match="write one of: offline"):
        Agent(model="nobody:x")
    with pytest.raises(ConfigError, match="'echo' is given more than once"):
        agent("x", tools=[echo, echo]).run_sync("q")


async def test_a_tool_that_cancels_something_of_its_own_does_not_end_the_run():
    @tools.tool
    async def clumsy() -> str:
        """Cancel an own task and await it."""
        task = asyncio.ensure_future(asyncio.Event().wait())
        await asyncio.sleep(0)
        task.cancel()
        await task
        return ""

    assert "CancelledError" in results(await agent(call("clumsy"), "end", tools=[clumsy]).run("q"))[0].text


def test_tool_errors_are_one_class():
    assert tools.ToolError is ToolError


async def test_many_texts_of_one_output_share_its_room():
    @tools.tool
    async def lines() -> tuple[TextBlock | ImageBlock, ...]:
        """Answer in many parts."""
        return tuple(TextBlock(text=f"{number} " * 10_000) for number in range(100))

    result = await agent(call("lines"), "x", tools=[lines]).run("q")
    (answer,) = results(result)
    assert len(answer.content) == 100
    assert sum(len(block.text) for block in answer.content) < 60_000
