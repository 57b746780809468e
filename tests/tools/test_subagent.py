"""Sub-agents: their own conversation, the asker's rights, bounds that hold, failures that are told."""

import asyncio

import pytest

from alphalab.agents import Agent, read_transcript
from alphalab.agents.spawning import sub_agents
from alphalab.budget import Limits
from alphalab.commands import Access
from alphalab.errors import ConfigError, ModelUnavailable
from alphalab.events import AgentFinished, AgentStarted
from alphalab.messages import TextBlock, Usage
from alphalab.models import ScriptedModel
from alphalab.tools import ToolContext, read_file, tool
from alphalab.tools.subagent import spawn_agent
from alphalab.workspace import Workspace

call = ScriptedModel.call


def context_of(path, events):
    return ToolContext(
        workspace=Workspace(path), cwd=path, access=Access(readable=(path,)), role="worker", agent="main",
        emit=events.append,
    )  # fmt: skip


def asker(path, spawning, *tasks, events=None, **more):
    model = ScriptedModel([[call("spawn_agent", task=task) for task in tasks], "done"])
    context = context_of(path, [] if events is None else events)
    return Agent(model=model, tools=[spawning], context=context, name="main", **more)


def answers(result):
    return result.messages[2].content


async def test_a_sub_agent_works_with_an_empty_conversation_and_reports(tmp_path):
    inner, events, spent = ScriptedModel(["it is 7"], usage=Usage(calls=1, input_tokens=5)), [], []
    spawning = sub_agents(model=inner, transcripts=tmp_path / "t", on_response=spent.append)
    result = await asker(tmp_path, spawning, "count the rows", events=events).run("secret of the asker")
    (answer,) = answers(result)
    assert answer.text.startswith("it is 7\n[main-sub-001: done; 1 model calls, 5 tokens in")
    assert [message.text for message in inner.requests[0].messages] == ["count the rows"]
    assert inner.requests[0].labels["agent"] == "main-sub-001"
    assert [each.usage.input_tokens for each in spent] == [5]
    assert [each.agent for each in events if isinstance(each, AgentStarted)] == ["main", "main-sub-001"]
    assert read_transcript(tmp_path / "t" / "main-sub-001.jsonl")[-1]["stop_reason"] == "text"


async def test_the_tool_is_there_only_above_the_last_level(tmp_path):
    inner = ScriptedModel([call("spawn_agent", task="deeper"), "bottom", "middle"])
    spawning = sub_agents(model=inner, tools=[read_file], depth=2)
    result = await asker(tmp_path, spawning, "go").run("q")
    assert answers(result)[0].text.startswith("middle")
    offered = [[spec.name for spec in request.tools] for request in inner.requests]
    assert offered == [["read_file", "spawn_agent"], ["read_file"], ["read_file", "spawn_agent"]]
    assert inner.requests[1].labels["agent"] == "main-sub-001-sub-001"


async def test_asking_beyond_the_last_level_is_refused(tmp_path):
    outer = sub_agents(model=ScriptedModel([]), depth=5)
    inner = ScriptedModel([call("spawn_agent", task="deeper"), "gave up"])
    result = await asker(tmp_path, sub_agents(model=inner, tools=[outer]), "go").run("q")
    assert answers(result)[0].text.startswith("gave up")
    assert "sub-agents at this level cannot start others" in inner.requests[1].messages[-1].content[0].text


async def test_the_askers_access_holds_for_the_sub_agent(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "private.txt").write_text("held out")
    inner = ScriptedModel([call("read_file", path=str(tmp_path / "private.txt")), "could not"])
    await asker(tmp_path / "open", sub_agents(model=inner, tools=[read_file]), "look").run("q")
    said = inner.requests[1].messages[-1].content[0]
    assert said.is_error
    assert "outside what you may read" in said.text


async def test_several_work_at_once_but_no_more_than_allowed(tmp_path):
    working, peak = 0, 0

    async def think(request):
        nonlocal working, peak
        working += 1
        peak = max(peak, working)
        for _ in range(20):
            await asyncio.sleep(0)
        working -= 1
        return request.messages[0].text

    spawning = sub_agents(model=ScriptedModel([think] * 5), at_once=2)
    result = await asker(tmp_path, spawning, *"abcde").run("q")
    assert [answer.text[0] for answer in answers(result)] == list("abcde")
    assert peak == 2


async def test_a_failing_model_is_a_result_with_what_was_found_before(tmp_path):
    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    steps = [[TextBlock(text="half of it is 3"), call("look")], ModelUnavailable("the provider is down")]
    spawning = sub_agents(model=ScriptedModel(steps), tools=[look])
    (answer,) = answers(await asker(tmp_path, spawning, "go").run("q"))
    assert answer.is_error
    assert answer.text.startswith("half of it is 3")
    assert "the provider is down" in answer.text
    assert "main-sub-001: failed (model_error)" in answer.text


async def test_a_limit_is_told(tmp_path):
    @tool
    async def look(place: int) -> str:
        """Look.

        Args:
            place: Where.
        """
        return f"seen {place}"

    inner = ScriptedModel([call("look", place=1), call("look", place=2)])
    spawning = sub_agents(model=inner, tools=[look], limits=Limits(turns=2))
    (answer,) = answers(await asker(tmp_path, spawning, "go").run("q"))
    assert not answer.is_error
    assert "ended at its limit (turns)" in answer.text


async def test_cancelling_the_asker_cancels_its_sub_agents(tmp_path):
    thinking, events = asyncio.Event(), []

    async def think(_request):
        thinking.set()
        await asyncio.Event().wait()

    spawning = sub_agents(model=ScriptedModel([think]), transcripts=tmp_path)
    running = asyncio.ensure_future(asker(tmp_path, spawning, "go", events=events).run("q"))
    await thinking.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    ends = {event.agent: event.stop_reason for event in events if isinstance(event, AgentFinished)}
    assert ends == {"main-sub-001": "cancelled", "main": "cancelled"}
    assert read_transcript(tmp_path / "main-sub-001.jsonl")[-1]["stop_reason"] == "cancelled"


async def test_a_resumed_asker_lets_its_sub_agent_go_on(tmp_path):
    thinking = asyncio.Event()

    async def think(_request):
        thinking.set()
        await asyncio.Event().wait()

    (tmp_path / "a.txt").write_text("x")
    steps = [call("read_file", path="a.txt"), think, "went on"]
    inner = ScriptedModel(steps)
    spawning = sub_agents(model=inner, tools=[read_file], transcripts=tmp_path / "t")
    first = asker(tmp_path, spawning, "go", transcript=tmp_path / "t" / "main.jsonl")
    running = asyncio.ensure_future(first.run("q"))
    await thinking.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    context = context_of(tmp_path, [])
    assert (await spawning.call(context, {"task": "go"})).startswith("went on")
    assert [message.role for message in inner.requests[-1].messages][:3] == ["user", "assistant", "user"]


async def test_one_run_starts_no_more_than_it_may(tmp_path):
    spawning = sub_agents(model=ScriptedModel(["one", "two"]), most=2)
    result = await asker(tmp_path, spawning, "a", "b", "c").run("q")
    assert [answer.is_error for answer in answers(result)] == [False, False, True]
    assert "which is all it may" in answers(result)[2].text


async def test_a_long_report_is_shortened(tmp_path):
    spawning = sub_agents(model=ScriptedModel(["x" * 50_000]))
    (answer,) = answers(await asker(tmp_path, spawning, "go").run("q"))
    assert len(answer.text) < 13_000


def never(name, *, context, depth):
    raise AssertionError(name)


def test_bounds_below_one_are_refused_together():
    with pytest.raises(ConfigError, match=r"depth=0 must be at least 1[\s\S]*at_once=-1 must be at least 1"):
        spawn_agent(never, depth=0, at_once=-1)


async def test_what_sub_agents_of_all_levels_use_counts_towards_the_askers_limits(tmp_path):
    each = Usage(calls=1, input_tokens=100, cost_usd=0.5)
    inner = ScriptedModel([call("spawn_agent", task="deeper"), "bottom", "middle"], usage=each)
    events = []
    asking = asker(tmp_path, sub_agents(model=inner, depth=2), "go", events=events, limits=Limits(cost_usd=1.4))
    result = await asking.run("q")
    assert (result.stop_reason, result.turns) == ("cost", 1)
    assert (result.usage.cost_usd, result.usage.input_tokens, result.usage.calls) == (1.5, 300, 4)
    spent = {event.agent: event.usage.cost_usd for event in events if isinstance(event, AgentFinished)}
    assert spent == {"main": 1.5, "main-sub-001": 1.5, "main-sub-001-sub-001": 0.5}
