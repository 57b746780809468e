"""Runs that are cut off go on: killed at any point, cancelled, or ended by an error."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from alphalab._clock import ManualClock
from alphalab.agents import Agent, read_transcript, transcript_messages
from alphalab.budget import Limits
from alphalab.errors import ContextOverflow, ModelUnavailable
from alphalab.messages import Message, TextBlock, Usage
from alphalab.models import ModelResponse, ScriptedModel
from alphalab.tools import ToolContext, tool

call = ScriptedModel.call
SCRIPT = Path(__file__).with_name("kill_agent.py")


@pytest.mark.slow
def test_killed_at_any_of_fifty_points_it_finishes_the_same(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, "50"], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    whole, runs = found["whole"], found["runs"]
    assert whole["text"].startswith("24 results")
    assert len(runs) == 50
    assert sum(run["kills"] for run in runs) >= 50
    assert all(run["kills"] for run in runs)
    assert {run["text"] for run in runs} == {whole["text"]}
    assert {run["turns"] for run in runs} == {whole["turns"]}
    assert [run["repeated"] for run in runs] == [[]] * 50


@tool
async def echo(text: str) -> str:
    """Say it again."""
    return text


@tool
async def step(ctx: ToolContext) -> str:
    """Take a step from where the last one ended."""
    ctx.state["place"] = ctx.state.get("place", 0) + 1
    return f"at {ctx.state['place']}"


def agent(path, *steps, **fields):
    usage = Usage(calls=1, input_tokens=100, output_tokens=10, cost_usd=0.5)
    return Agent(model=ScriptedModel(steps, usage=usage), tools=[echo, step], transcript=path, **fields)


async def test_what_an_error_cut_off_goes_on_with_its_counts(tmp_path):
    path = tmp_path / "t.jsonl"
    with pytest.raises(ModelUnavailable):
        await agent(path, call("echo", text="a"), ModelUnavailable("gone")).run("q")
    again = agent(path, "end", limits=Limits(turns=2))
    result = await again.run("q", resume=True)
    assert (result.text, result.turns, result.usage.calls, result.usage.cost_usd) == ("end", 2, 2, 1.0)
    assert result.sent_tokens == (100, 100)
    assert [message.text for message in again.model.requests[0].messages] == ["q", "", ""]
    assert transcript_messages(path) == result.messages
    assert [line["kind"] for line in read_transcript(path)].count("header") == 1


async def test_limits_count_what_was_used_before(tmp_path):
    path = tmp_path / "t.jsonl"
    with pytest.raises(ModelUnavailable):
        await agent(path, call("echo", text="a"), call("echo", text="b"), ModelUnavailable("gone")).run("q")
    result = await agent(path, limits=Limits(turns=2)).run("q", resume=True)
    assert (result.stop_reason, result.turns) == ("turns", 2)


async def test_time_counts_only_while_a_process_was_at_work(tmp_path):
    path, clock = tmp_path / "t.jsonl", ManualClock()

    def slow(_request):
        clock.advance(40)
        return ModelUnavailable("gone")

    with pytest.raises(ModelUnavailable):
        await agent(path, call("echo", text="a"), slow, clock=clock).run("q")
    clock.advance(3600)

    def look(_request):
        clock.advance(15)
        return call("echo", text="b")

    limits = Limits(time=timedelta(seconds=50))
    result = await agent(path, look, clock=clock, limits=limits).run("q", resume=True)
    assert (result.stop_reason, result.turns) == ("time", 2)


async def test_what_tools_remember_survives(tmp_path):
    path = tmp_path / "t.jsonl"
    with pytest.raises(ModelUnavailable):
        await agent(path, call("step"), call("step"), ModelUnavailable("gone")).run("q")
    result = await agent(path, call("step"), "end").run("q", resume=True)
    assert result.messages[-2].content[0].text == "at 3"


async def test_a_cancelled_run_makes_the_calls_again_that_had_no_answer(tmp_path):
    path, started, made = tmp_path / "t.jsonl", asyncio.Event(), []

    @tool
    async def quick() -> str:
        """Answer at once."""
        made.append("quick")
        return "quick"

    @tool
    async def slow() -> str:
        """Wait the first time."""
        made.append("slow")
        started.set()
        if made.count("slow") == 1:
            await asyncio.Event().wait()
        return "slow"

    def again(*steps):
        return Agent(model=ScriptedModel(steps), tools=[quick, slow], transcript=path)

    running = asyncio.ensure_future(again([call("quick"), call("slow")]).run("q"))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    second = again("end")
    await second.run("q", resume=True)
    assert [block.text for block in second.model.requests[0].messages[-1].content] == ["quick", "slow"]
    assert made == ["quick", "slow", "slow"]


async def test_a_run_that_ended_is_begun_anew(tmp_path):
    path = tmp_path / "t.jsonl"
    await agent(path, "one").run("q")
    again = agent(path, "two")
    assert (await again.run("r", resume=True)).text == "two"
    assert [message.text for message in again.model.requests[0].messages] == ["r"]
    assert (await agent(tmp_path / "none.jsonl", "three").run("r", resume=True)).text == "three"


async def test_an_answer_that_was_cut_off_is_still_known_to_be(tmp_path):
    path = tmp_path / "t.jsonl"
    usage = Usage(calls=1)
    half = ModelResponse(
        message=Message.assistant(TextBlock(text="half ")), stop_reason="max_tokens", usage=usage, model="m"
    )

    class Gone(Exception):
        pass

    class Stopping(Agent):
        async def review_turn(self, turn):
            raise Gone

    with pytest.raises(Gone):
        await Stopping(model=ScriptedModel([half]), transcript=path).run("q")
    again = agent(path, "whole")
    result = await again.run("q", resume=True)
    assert "cut off" in again.model.requests[0].messages[-1].text
    assert result.text == "half whole"


async def test_a_summary_is_not_asked_for_again(tmp_path):
    path = tmp_path / "t.jsonl"
    with pytest.raises(ModelUnavailable):
        await agent(path, *[call("echo", text=str(n)) for n in range(8)], ModelUnavailable("gone")).run("q")
    lines = path.read_text().splitlines()
    noted = {"kind": "summary", "at": json.loads(lines[-1])["at"], "text": "so far: numbers", "cut": 9}
    path.write_text("\n".join([*lines[:-1], json.dumps(noted)]) + "\n")
    again = agent(path, "end")
    await again.run("q", resume=True)
    sent = again.model.requests[0].messages
    assert "so far: numbers" in sent[0].text
    assert len(sent) == 1 + 17 - 9
    assert sent[1].role == "assistant"


async def test_another_prompt_is_another_run(tmp_path):
    path = tmp_path / "t.jsonl"
    with pytest.raises(ModelUnavailable):
        await agent(path, call("echo", text="a"), ModelUnavailable("gone")).run("q")
    again = agent(path, "end")
    await again.run("another", resume=True)
    assert [message.text for message in again.model.requests[0].messages] == ["another"]


async def test_a_call_that_ends_the_process_again_and_again_is_left_out(tmp_path):
    path = tmp_path / "t.jsonl"
    await agent(path, call("echo", text="a"), "end").run("q")
    lines = [line for line in path.read_text().splitlines() if '"result"' not in line]
    at = json.loads(lines[0])["at"]
    lines = [*lines[:3], *[json.dumps({"kind": "resumed", "at": at})] * 2]
    path.write_text("\n".join(lines) + "\n")
    again = agent(path, "end")
    await again.run("q", resume=True)
    (answer,) = again.model.requests[0].messages[-1].content
    assert answer.is_error
    assert "interrupted" in answer.text


async def test_a_conversation_that_cannot_fit_is_not_taken_up_again(tmp_path):
    path = tmp_path / "t.jsonl"
    with pytest.raises(ContextOverflow):
        await agent(path, call("echo", text="a"), ContextOverflow("too long")).run("q")
    assert read_transcript(path)[-1]["stop_reason"] == "context"
    again = agent(path, "end")
    assert (await again.run("q", resume=True)).turns == 1
