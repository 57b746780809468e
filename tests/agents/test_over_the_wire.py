"""Agents on the three clients through their real SDKs, against servers that refuse what the providers refuse."""

from datetime import timedelta
from itertools import pairwise

import pytest

from alphalab.agents import Agent
from alphalab.budget import Limits
from alphalab.errors import AuthenticationFailed
from alphalab.messages import ToolResultBlock
from alphalab.models import get_model
from alphalab.testing.agent_suite import assert_valid
from alphalab.testing.wire import Answer, Call, CutStream, Say, Silence, Status, Think, WireServer
from alphalab.tools import tool

FORMATS = ("anthropic", "openai", "openai-chat")
MARK = b',"cache_control":{"type":"ephemeral"}'


@tool(parallel=True)
async def measure(number: int, size: int = 300) -> str:
    """Measure something.

    Args:
        number: Which.
        size: Characters to give.
    """
    return f"measurement {number}: " + "0.123 " * (size // 6)


def connected(provider, server, **options):
    return get_model(f"{provider}:m", base_url=server.base_url(provider), api_key=server.key, **options)


def working(turns, size=300, calls=1):
    """Takes so many turns with calls, then answers."""

    def respond(received):
        number = len(seen)
        seen.append(received.number)
        if number >= turns:
            return Answer(content=(Say("All measured."),))
        uses = [Call("measure", {"number": 100 * number + each, "size": size}) for each in range(calls)]
        return Answer(content=(Think(f"thought {number}"), Say(f"turn {number}"), *uses))

    seen = []
    return respond


@pytest.mark.parametrize("provider", FORMATS)
@pytest.mark.parametrize("calls", [1, 25])
async def test_fifty_turns_send_the_same_beginning(provider, calls):
    size = 300 if calls == 1 else 30
    async with WireServer(respond=working(50, size=size, calls=calls)) as server:
        model = connected(provider, server, context_tokens=1_000_000)  # nothing is to be cleared here
        result = await Agent(model=model, instructions="Work. " * 800, tools=[measure]).run("Measure all.")
        await model.aclose()
    assert (result.text, result.turns) == ("All measured.", 51)
    bodies = [received.raw.replace(MARK, b"") for received in server.requests]
    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(b"]}"))
    fresh = result.usage.input_tokens - result.usage.cached_tokens
    steps = 128 * len(bodies)  # OpenAI's cache is in steps of so many tokens
    assert fresh < result.sent_tokens[-1] + steps, "what was sent once is read from the cache from then on"


@pytest.mark.parametrize("provider", FORMATS)
async def test_a_long_run_is_cleared_and_stays_valid(provider):
    async with WireServer(respond=working(80, size=12_000)) as server:
        model = connected(provider, server, context_tokens=100_000)
        result = await Agent(model=model, tools=[measure], limits=Limits(turns=None)).run("Measure all.")
        await model.aclose()
    assert result.text == "All measured."
    assert max(result.sent_tokens) <= 60_000
    assert_valid(result.messages)
    assert sum(isinstance(block, ToolResultBlock) for message in result.messages for block in message.content) == 80


@pytest.mark.parametrize("provider", FORMATS)
async def test_a_window_that_is_smaller_than_published_is_found_out(provider):
    async with WireServer(respond=working(40, size=12_000), context_tokens=30_000) as server:
        model = connected(provider, server, context_tokens=200_000)
        result = await Agent(model=model, tools=[measure]).run("Measure all.")
        await model.aclose()
    assert result.text == "All measured."
    assert max(result.sent_tokens) <= 30_000


@pytest.mark.parametrize("provider", FORMATS)
async def test_calls_cut_off_in_their_arguments_are_not_run(provider):
    ran = []

    @tool
    async def write(text: str) -> str:
        """Write."""
        ran.append(text)
        return "written"

    cut = Answer(content=(Say("I write."), Call("write", '{"text": "half of i')), stop="max_tokens")
    async with WireServer(respond=[cut, Answer(content=(Say("I give up."),))]) as server:
        model = connected(provider, server)
        result = await Agent(model=model, tools=[write]).run("Write.")
        await model.aclose()
    assert (result.text, ran) == ("I give up.", [])
    assert b"reached its maximum length" in server.requests[1].raw


@pytest.mark.parametrize("provider", FORMATS)
async def test_faults_on_the_way_are_outlasted(provider):
    soon = {"retry-after-ms": "5"}
    faults = {
        0: Status(429, headers=soon),
        2: CutStream("inside"),
        4: Status(529, headers=soon),
        5: CutStream("between"),
    }
    told = []
    async with WireServer(respond=working(3), faults=faults) as server:
        model = connected(provider, server)
        result = await Agent(model=model, tools=[measure], on_delta=told.append).run("Measure all.")
        await model.aclose()
    assert result.text == "All measured."
    assert_valid(result.messages)
    assert sum(delta.kind == "restart" for delta in told) == len(faults)


@pytest.mark.parametrize("provider", FORMATS)
async def test_a_server_that_falls_silent_costs_no_more_than_the_runs_time(provider):
    async with WireServer(respond=working(3), faults={1: Silence(after_events=2)}) as server:
        model = connected(provider, server)
        limits = Limits(time=timedelta(seconds=0.5))
        result = await Agent(model=model, tools=[measure], limits=limits).run("Measure all.")
        await model.aclose()
    assert (result.stop_reason, result.turns) == ("time", 1)
    assert_valid(result.messages)


@pytest.mark.parametrize("provider", FORMATS)
async def test_a_wrong_key_ends_the_run_at_once(provider):
    async with WireServer(respond=working(3)) as server:
        model = get_model(f"{provider}:m", base_url=server.base_url(provider), api_key="sk-wrong-0123456789")
        with pytest.raises(AuthenticationFailed, match="ANTHROPIC_API_KEY" if provider == "anthropic" else "OPENAI"):
            await Agent(model=model, tools=[measure]).run("Measure all.")
        await model.aclose()
    assert len(server.requests) == 1
