"""Cancelled runs leave a valid conversation; the synchronous method works everywhere."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap

import pytest

from alphalab.agents import Agent, History, read_transcript, transcript_messages
from alphalab.errors import ConfigError
from alphalab.messages import ToolResultBlock
from alphalab.models import ScriptedModel
from alphalab.tools import tool

call = ScriptedModel.call


@tool(parallel=True)
async def quick() -> str:
    """Answer at once."""
    return "quick"


def make_wait(started: asyncio.Event, *, parallel: bool):
    @tool(parallel=parallel)
    async def wait() -> str:
        """Wait for ever."""
        started.set()
        await asyncio.Event().wait()
        return ""

    return wait


@pytest.mark.parametrize("parallel", [True, False])
async def test_cancelled_calls_are_answered_and_finished_ones_kept(tmp_path, parallel):
    started, events, history = asyncio.Event(), [], History()
    subject = Agent(
        model=ScriptedModel([[call("quick"), call("wait"), call("quick")]]),
        tools=[quick, make_wait(started, parallel=parallel)],
        emit=events.append,
        transcript=tmp_path / "t.jsonl",
    )
    running = asyncio.ensure_future(subject.run("q", history=history))
    await started.wait()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    answers = history.messages[-1].content
    assert [type(answer) for answer in answers] == [ToolResultBlock] * 3
    assert [answer.is_error for answer in answers] == [False, True, not parallel]
    assert "interrupted" in answers[1].text
    assert events[-1].stop_reason == "cancelled"
    assert transcript_messages(tmp_path / "t.jsonl") == history.messages
    assert read_transcript(tmp_path / "t.jsonl")[-1]["stop_reason"] == "cancelled"
    again = await Agent(model=ScriptedModel(["went on"]), tools=[quick]).run("go on", history=history)
    assert again.text == "went on"
    assert [message.role for message in again.messages] == ["user", "assistant", "user", "assistant"]


async def test_cancelled_while_the_model_thinks():
    asked = asyncio.Event()

    async def think(_request):
        asked.set()
        await asyncio.Event().wait()

    history = History()
    running = asyncio.ensure_future(Agent(model=ScriptedModel([think])).run("q", history=history))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [message.role for message in history.messages] == ["user"]


def test_run_sync_in_a_script():
    assert Agent(model=ScriptedModel(["fine"])).run_sync("q").text == "fine"


async def test_run_sync_inside_a_running_loop_as_in_a_notebook():
    assert Agent(model=ScriptedModel(["fine"])).run_sync("q").text == "fine"


def test_run_sync_finds_an_overridden_run():
    class Loud(Agent):
        async def run(self, prompt, *, task=None, history=None):
            return (await super().run(prompt.upper(), task=task, history=history)).messages[0].text

    assert Loud(model=ScriptedModel(["fine"])).run_sync("quiet") == "QUIET"


def test_run_sync_from_its_own_loop_is_refused_with_advice():
    inner = Agent(model=ScriptedModel(["never"]))

    @tool
    async def nested() -> str:
        """Call the synchronous method from inside."""
        return inner.run_sync("q").text

    result = Agent(model=ScriptedModel([call("nested"), "end"]), tools=[nested]).run_sync("q")
    assert "await the async one" in result.messages[2].content[0].text
    assert ConfigError.__name__ in result.messages[2].content[0].text


def test_ctrl_c_cancels_cleans_up_and_raises():
    code = textwrap.dedent(
        """
        import asyncio
        from alphalab import _sync
        from alphalab.agents import Agent, History
        from alphalab.models import ScriptedModel
        from alphalab.tools import tool

        @tool
        async def wait() -> str:
            "Wait for ever."
            print("started", flush=True)
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.05)
                print("cleaned up", flush=True)
            return ""

        history = History()
        agent = Agent(model=ScriptedModel([ScriptedModel.call("wait")]), tools=[wait])
        asyncio.run_coroutine_threadsafe(asyncio.sleep(3600), _sync._background_loop())  # somebody else's work goes on
        try:
            agent.run_sync("q", history=history)
        except KeyboardInterrupt:
            print("interrupted", history.messages[-1].content[0].is_error, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (out, err) == ("cleaned up\ninterrupted True\n", "")
    assert process.returncode == 0


async def test_a_tool_that_keeps_cancellation_to_itself_does_not_keep_the_run_alive():
    started = asyncio.Event()

    @tool
    async def stubborn() -> str:
        """Swallow cancellation."""
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "nothing happened"
        return ""

    history = History()
    running = asyncio.ensure_future(
        Agent(model=ScriptedModel([call("stubborn")]), tools=[stubborn]).run("q", history=history)
    )
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert history.messages[-1].content[0].text == "nothing happened"
