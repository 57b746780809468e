"""What damaged files, failing disks and bad moments do to a run."""

import asyncio
import itertools
import json

import pytest

from alphalab.agents import Agent, History, transcript_messages
from alphalab.agents.transcript import Transcript
from alphalab.budget import Limits
from alphalab.errors import EvaluationTampered, ModelUnavailable
from alphalab.events import AgentFinished, AgentStarted, Noticed, ToolCalled
from alphalab.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from alphalab.models import ModelResponse, ScriptedModel
from alphalab.tools import ToolContext, ToolError, tool
from alphalab.workspace import Workspace

call = ScriptedModel.call
ONE = Usage(calls=1, input_tokens=100, output_tokens=10, cost_usd=0.5)
GONE = ModelUnavailable("gone")


@tool
async def echo(text: str) -> str:
    """Say it again."""
    return text


@tool
async def fail() -> str:
    """Fail as tools do."""
    raise ToolError("no")


@tool
async def step(ctx: ToolContext) -> str:
    """Take a step from where the last one ended."""
    ctx.state["place"] = ctx.state.get("place", 0) + 1
    return f"at {ctx.state['place']}"


def agent(path, *steps, **fields):
    fields.setdefault("tools", [echo, fail, step])
    return Agent(model=ScriptedModel(steps, usage=ONE), transcript=path, **fields)


def assert_valid(messages):
    assert all(message.content for message in messages)
    assert all(a.role != b.role for a, b in itertools.pairwise(messages))
    for message, after in zip(messages, (*messages[1:], None), strict=True):
        answers = [b.tool_use_id for b in after.content if isinstance(b, ToolResultBlock)] if after else []
        if message.role == "assistant":
            assert [use.id for use in message.tool_uses] == answers


async def cut_off(path, *steps, **fields):
    with pytest.raises(ModelUnavailable):
        await agent(path, *steps, GONE, **fields).run("q")


def lines_of(path):
    return path.read_text().splitlines()


def write_lines(path, lines):
    path.write_text("\n".join(lines) + "\n")


def without(lines, *kinds):
    return [line for line in lines if json.loads(line)["kind"] not in kinds]


# -- going on ----------------------------------------------------------------------------------------------------------


async def test_a_line_cut_inside_a_character_is_one_lost_line(tmp_path):
    path = tmp_path / "t.jsonl"
    await cut_off(path, call("echo", text="a"))
    half = '{"kind": "message", "message": {"text": "Grüße'.encode()[:-2]
    with path.open("ab") as stream:
        stream.write(half)
    result = await agent(path, "end").run("q", resume=True)
    assert (result.text, result.turns) == ("end", 2)
    assert transcript_messages(path) == result.messages


async def test_lines_that_are_json_but_no_objects_are_left_out(tmp_path):
    path = tmp_path / "t.jsonl"
    await cut_off(path, call("echo", text="a"))
    lines = lines_of(path)
    write_lines(path, [*lines[:2], "17", "null", '"words"', *lines[2:]])
    assert (await agent(path, "end").run("q", resume=True)).turns == 2


async def test_what_was_left_open_and_given_up_is_closed_on_disk_too(tmp_path):
    path = tmp_path / "t.jsonl"
    await cut_off(path, call("echo", text="a"), call("echo", text="b"))
    lines = without(lines_of(path), "end")
    lines = [line for line in lines if "call-2" not in line or '"assistant"' in line]
    taken_up = json.dumps({"kind": "resumed", "at": json.loads(lines[0])["at"]})
    write_lines(path, [*lines, taken_up, taken_up])
    with pytest.raises(ModelUnavailable):
        await agent(path, call("echo", text="c"), GONE).run("q", resume=True)
    assert_valid(transcript_messages(path))
    last = agent(path, "end")
    await last.run("q", resume=True)
    assert_valid(last.model.requests[0].messages)


async def test_a_finished_run_is_not_asked_again_when_only_its_end_is_missing(tmp_path):
    path = tmp_path / "t.jsonl"
    first = await agent(path, call("echo", text="a"), call("finish", summary="all done"), needs_finish=True).run("q")
    write_lines(path, without(lines_of(path), "end"))
    result = await agent(path, needs_finish=True).run("q", resume=True)
    assert (result.text, result.stop_reason, result.turns) == ("all done", "finished", 2)
    assert result.messages == first.messages


async def test_a_failing_call_that_was_under_way_is_counted_once(tmp_path):
    path = tmp_path / "t.jsonl"
    await cut_off(path, call("fail"))
    lines = without(lines_of(path), "end", "result")[:3]
    write_lines(path, lines)
    result = await agent(path, call("fail"), "end", limits=Limits(repeats=3)).run("q", resume=True)
    assert result.stop_reason == "text"


async def test_turns_of_an_earlier_run_do_not_count_as_idle(tmp_path):
    path, history = tmp_path / "t.jsonl", History()
    for number in range(4):
        await agent(None, f"answer {number}").run("talk", history=history)
    with pytest.raises(ModelUnavailable):
        await agent(path, GONE).run("q", history=history)
    result = await agent(path, Message.assistant(), "end").run("q", resume=True)
    assert result.text == "end"


async def test_the_history_that_was_passed_grows_when_a_run_goes_on(tmp_path):
    path, history = tmp_path / "t.jsonl", History()
    await cut_off(path, call("echo", text="a"))
    result = await agent(path, "end").run("q", history=history, resume=True)
    assert history.messages == result.messages


async def test_what_failed_attempts_cost_still_counts(tmp_path):
    path = tmp_path / "t.jsonl"
    broken = ModelUnavailable("gone")
    broken.usage = ONE
    with pytest.raises(ModelUnavailable):
        await agent(path, call("echo", text="a"), broken).run("q")
    result = await agent(path, "end").run("q", resume=True)
    assert result.usage.cost_usd == 1.5
    assert result.turns == 2


async def test_parts_of_an_answer_are_put_together_after_a_kill_between_them(tmp_path):
    path = tmp_path / "t.jsonl"
    half = ModelResponse(
        message=Message.assistant(TextBlock(text="half ")), stop_reason="max_tokens", usage=ONE, model="m"
    )
    await cut_off(path, half)
    assert (await agent(path, "whole").run("q", resume=True)).text == "half whole"


async def test_a_limit_met_at_once_keeps_what_was_said(tmp_path):
    path = tmp_path / "t.jsonl"
    await cut_off(path, [TextBlock(text="so far so good"), call("echo", text="a")])
    result = await agent(path, limits=Limits(turns=1)).run("q", resume=True)
    assert (result.stop_reason, result.text) == ("turns", "so far so good")


@pytest.mark.parametrize("paused", [None, "before", "after"])
async def test_after_a_pause_the_last_part_is_the_text_wherever_it_was_cut_off(tmp_path, paused):
    path = tmp_path / "t.jsonl"
    part = ModelResponse(message=Message.assistant(TextBlock(text="one")), stop_reason="pause", usage=ONE, model="m")
    if paused == "before":
        await cut_off(path, part)
        result = await agent(path, "two").run("q", resume=True)
    else:
        result = await agent(path, part, "two").run("q")
    if paused == "after":
        write_lines(path, without(lines_of(path), "end"))
        result = await agent(path).run("q", resume=True)
    assert result.text == "two"
    assert len(result.messages) == 2


async def test_ids_used_again_in_every_turn_are_kept_apart(tmp_path):
    path = tmp_path / "t.jsonl"

    def use(text):
        return ToolUseBlock(id="call_0", name="echo", input={"text": text})

    await cut_off(path, use("a"), use("b"))
    assert_valid(transcript_messages(path))
    last = agent(path, use("c"), "end")
    result = await last.run("q", resume=True)
    texts = [b.text for m in result.messages for b in m.content if isinstance(b, ToolResultBlock)]
    assert texts == ["a", "b", "c"]


async def test_ids_used_twice_in_one_turn_run_both_calls():
    twice = [ToolUseBlock(id="call_0", name="echo", input={"text": text}) for text in "ab"]
    model = ScriptedModel([twice, "end"])
    result = await Agent(model=model, tools=[echo]).run("q")
    uses, answers = result.messages[1].tool_uses, result.messages[2].content
    assert [answer.text for answer in answers] == ["a", "b"]
    assert [use.id for use in uses] == [answer.tool_use_id for answer in answers]
    assert len({use.id for use in uses}) == 2


@pytest.mark.parametrize("cut", [0, 2, 50, -3])
async def test_a_summary_that_does_not_fit_is_ignored(tmp_path, cut):
    path = tmp_path / "t.jsonl"
    await cut_off(path, *[call("echo", text=str(n)) for n in range(4)])
    lines = lines_of(path)
    noted = {"kind": "summary", "at": json.loads(lines[-1])["at"], "text": "so far", "cut": cut}
    write_lines(path, [*lines[:-1], json.dumps(noted)])
    again = agent(path, "end")
    await again.run("q", resume=True)
    assert_valid(again.model.requests[0].messages)
    assert len(again.model.requests[0].messages) == 9


DAMAGE = {
    "an answer is gone": lambda lines: [*lines[:2], *lines[3:]],
    "an answer stands there twice": lambda lines: [*lines[:3], lines[2], *lines[3:]],
    "a block of an unknown kind": lambda lines: [*lines[:2], lines[2].replace("tool_use", "novel"), *lines[3:]],
    "no time": lambda lines: [*lines[:2], lines[2].replace('"at"', '"when"'), *lines[3:]],
    "usage is words": lambda lines: [*lines[:2], lines[2].replace('"usage": {', '"usage": "much", "_": {'), *lines[3:]],
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_run_whose_record_is_damaged_is_begun_anew_and_said_so(tmp_path, damage):
    path, events = tmp_path / "t.jsonl", []
    await cut_off(path, call("echo", text="a"), call("echo", text="b"))
    write_lines(path, DAMAGE[damage](lines_of(path)))
    again = agent(path, "end", emit=events.append)
    result = await again.run("q", resume=True)
    assert [message.text for message in again.model.requests[0].messages] == ["q"]
    assert result.turns == 1
    assert any(isinstance(event, Noticed) and str(path) in event.message for event in events)


async def test_runs_of_one_agent_have_their_own_state(tmp_path):
    context = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, state={"place": 5})
    for _ in range(2):
        result = await agent(None, call("step"), "end", context=context).run("q")
        assert result.messages[2].content[0].text == "at 6"
    assert context.state == {"place": 5}


# -- failing disks and callbacks ---------------------------------------------------------------------------------------


def count(events):
    return [type(event) for event in events if isinstance(event, AgentStarted | AgentFinished)]


@pytest.mark.parametrize("after", range(1, 8))
async def test_a_full_disk_ends_a_run_with_one_event_of_each(tmp_path, monkeypatch, after):
    events, written, whole = [], itertools.count(1), Transcript._write

    def full(self, kind, **fields):
        if next(written) >= after:
            raise OSError(28, "No space left on device")
        whole(self, kind, **fields)

    monkeypatch.setattr(Transcript, "_write", full)
    subject = agent(tmp_path / "t.jsonl", call("echo", text="a"), "end", emit=events.append)
    if after <= 6:
        with pytest.raises(OSError, match="No space"):
            await subject.run("q")
        assert events[-1].stop_reason == "error"
    else:
        assert (await subject.run("q")).text == "end"
        assert events[-1].stop_reason == "text"
        assert any(isinstance(event, Noticed) and "No space" in event.message for event in events)
    assert count(events) == [AgentStarted, AgentFinished]


@pytest.mark.parametrize("kind", ["on_response", "emit"])
async def test_a_failing_callback_ends_a_run_with_one_event_of_each(tmp_path, kind):
    events, history = [], History()

    def refuse(_response):
        raise RuntimeError("the ledger is closed")

    def emit(event):
        events.append(event)
        if event.__class__ is ToolCalled:
            raise RuntimeError("the ledger is closed")

    fields = {"on_response": refuse, "emit": events.append} if kind == "on_response" else {"emit": emit}
    with pytest.raises(RuntimeError, match="ledger"):
        await agent(tmp_path / "t.jsonl", call("echo", text="a"), "end", **fields).run("q", history=history)
    assert count(events) == [AgentStarted, AgentFinished]
    assert events[-1].stop_reason == "error"
    assert_valid(history.messages)


@pytest.mark.parametrize("parallel", [True, False])
async def test_cancelled_at_any_step_it_is_valid_and_goes_on(tmp_path, parallel):
    @tool(parallel=parallel)
    async def slow(text: str) -> str:
        """Take a few steps."""
        for _ in range(3):
            await asyncio.sleep(0)
        return text

    async def think(request):
        await asyncio.sleep(0)
        turns = sum(message.role == "assistant" for message in request.messages)
        return [call("slow", text=f"{turns}.{n}") for n in range(2)] if turns < 3 else "end"

    def made(path, events):
        return Agent(model=ScriptedModel([think] * 9), tools=[slow], transcript=path, emit=events.append)

    whole = await made(tmp_path / "whole.jsonl", []).run("q")
    texts = [message.content[0].text for message in whole.messages[2::2]]
    for steps in range(200):
        path, history, events = tmp_path / f"{steps}.jsonl", History(), []
        running = asyncio.ensure_future(made(path, events).run("q", history=history))
        for _ in range(steps):
            await asyncio.sleep(0)
        if running.done():
            break
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        if steps:
            assert_valid(history.messages)
            assert_valid(transcript_messages(path))
            assert count(events) == [AgentStarted, AgentFinished]
        result = await made(path, events).run("q", resume=True)
        assert [message.content[0].text for message in result.messages[2::2]] == texts
        assert (result.text, result.turns) == ("end", 4)
    assert steps > 10


# -- calls beside each other -------------------------------------------------------------------------------------------


@tool(parallel=True)
async def quick() -> str:
    """Answer at once."""
    return "quick"


@tool(parallel=True)
async def suicidal() -> str:
    """Cancel the task that it runs in."""
    asyncio.current_task().cancel()
    await asyncio.sleep(0)
    return "never"


async def test_a_call_that_cancels_itself_is_a_defect_of_that_tool():
    events = []
    model = ScriptedModel([[call("quick"), call("suicidal"), call("quick")], "end"])
    result = await Agent(model=model, tools=[quick, suicidal], emit=events.append).run("q")
    answers = result.messages[2].content
    assert [answer.is_error for answer in answers] == [False, True, False]
    assert "fault of its own" in answers[1].text
    assert sum(isinstance(event, ToolCalled) for event in events) == 3


@pytest.mark.parametrize("grouped", [True, False])
async def test_tampering_ends_the_run_whatever_else_runs(tmp_path, grouped):
    @tool(parallel=True)
    async def tamper() -> str:
        """Find a changed seal."""
        error = EvaluationTampered("the seal is broken")
        raise ExceptionGroup("inside", [error]) if grouped else error

    @tool(parallel=True)
    async def wait() -> str:
        """Wait for ever."""
        await asyncio.Event().wait()
        return ""

    events, history = [], History()
    model = ScriptedModel([[call("wait"), call("quick"), call("tamper")]])
    with pytest.raises(EvaluationTampered):
        await Agent(model=model, tools=[quick, wait, tamper], emit=events.append).run("q", history=history)
    assert_valid(history.messages)
    assert [answer.is_error for answer in history.messages[-1].content] == [True, False, True]
    assert count(events) == [AgentStarted, AgentFinished]


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize("error", [RuntimeError("x" * 3_000_000), RuntimeError("\ud800"), Mute()])
async def test_a_defect_may_say_what_it_likes(error):
    @tool
    async def defect() -> str:
        """Fail oddly."""
        raise error

    events = []
    result = await Agent(model=ScriptedModel([call("defect"), "end"]), tools=[defect], emit=events.append).run("q")
    (answer,) = result.messages[2].content
    answer.text.encode()
    assert answer.is_error
    assert len(answer.text) < 3000
    assert all(len(repr(event)) < 3000 for event in events)
