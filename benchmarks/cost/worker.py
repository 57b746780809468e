"""What a long worker run is billed for its input, and whether it still finds what it saw at the beginning.

Prints one JSON object. A scripted worker makes 120 tool calls with outputs of 12 kB each. From the 30th on, every tenth
turn it needs a number from an output 25 turns back: it takes it from the conversation if it is still there, else it
reads the stored output again, as the shortened one tells it to. At the end it must have found all of them.

The server (`alphalab.testing.wire`) speaks the provider's format to the real SDK and accounts for the prompt cache as
the provider does: Anthropic's by cache points, OpenAI's by prefix. A token is four bytes. Priced tokens are input
tokens at the price of fresh ones: cached ones count 0.1, and what is written to Anthropic's cache 1.25 (prices of
Claude Opus 4.6 and GPT-5.2). Three arms: everything sent again with no cache, everything again with the cache, and the
agent as it is.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from attrs import define, field

from alphalab import Agent, Limits, ToolContext, get_model, tool
from alphalab.agents import run as agent_run
from alphalab.commands import Access
from alphalab.provenance import environment, machine, package_digest
from alphalab.testing.wire import Answer, Call, Received, Say, WireServer
from alphalab.tools import read_file
from alphalab.workspace import Workspace

CALLS, CHARACTERS = 120, 12_000
FIRST, EVERY, BACK = 30, 10, 25
"""Turn from which on, and how often, the script needs an output from how many turns back."""
CACHED, WRITTEN = 0.1, 1.25
SYSTEM = "You are a careful worker in a research campaign. " * 120
PROMPT = "Measure all 120 settings, compare as you go, and report."


def output(number: int) -> str:
    """What call number so many gives: mostly incompressible lines, one of them with the number that is needed later."""
    draw = random.Random(number)
    lines = [f"output {number} of the measurement"]
    while sum(map(len, lines)) < CHARACTERS - 200:
        lines.append(" ".join(f"{draw.random():.6f}" for _ in range(8)))
    return "\n".join([*lines[:100], fact(number), *lines[100:]])


def fact(number: int) -> str:
    """The line that is needed later."""
    return f"setting {number} scored {random.Random(-number).randrange(10**9)}"


@tool
async def measure(number: int) -> str:
    """Measure one setting.

    Args:
        number: Which one.
    """
    return output(number)


@define(kw_only=True, eq=False)
class Worker:
    """The script: decides from what a request holds."""

    done: int = 0
    wanted: dict[int, str] = field(factory=dict[int, str])
    """Facts it has found, by setting."""
    looked_up: int = 0
    missing: list[int] = field(factory=list[int])

    def respond(self, received: Received) -> Answer:
        """The next answer."""
        needed = self._needed()
        if needed is not None:
            answer = self._find(needed, received.raw)
            if answer is not None:
                return answer
        if self.done < CALLS:
            self.done += 1
            return Answer(content=(Say(f"Now setting {self.done}."), Call("measure", {"number": self.done})))
        return Answer(content=(Say("; ".join(self.wanted[number] for number in sorted(self.wanted))),))

    def _needed(self) -> int | None:
        old = self.done - BACK
        due = self.done >= FIRST and self.done % EVERY == 0 and old not in self.wanted and old not in self.missing
        return old if due else None

    def _find(self, number: int, raw: bytes) -> Answer | None:
        if fact(number).encode() in raw:
            self.wanted[number] = fact(number)
            return None
        stub = re.search(rb"output %d of [^\"]{0,600}?read (\S+) to see it again" % number, raw)
        if stub is None:
            self.missing.append(number)
            return None
        self.looked_up += 1
        path = stub.group(1).decode()
        return Answer(content=(Say(f"Setting {number} again."), Call("read_file", {"path": path, "lines": 2000})))


async def one_run(provider: str, *, clears: bool) -> dict[str, Any]:
    """One run of the worker; what each request was counted as."""
    worker = Worker()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = ToolContext(
            workspace=Workspace(folder),
            cwd=folder,
            access=Access(readable=(folder,)),
            outputs=folder / "outputs",
            agent="worker",
        )
        async with WireServer(respond=worker.respond) as server:
            url = server.base_url(provider)
            model = get_model(
                f"{provider}:m", base_url=url, api_key=server.key, context_tokens=200_000 if clears else 10**9
            )
            agent = Agent(
                model=model,
                instructions=SYSTEM,
                tools=[measure, read_file],
                limits=Limits(turns=None),
                context=context,
                name="worker",
            )
            with patch.object(agent_run, "CLEAR_TOKENS", agent_run.CLEAR_TOKENS if clears else 10**9):
                result = await agent.run(PROMPT)
            await model.aclose()
    found = [fact(number) for number in range(FIRST - BACK, CALLS - BACK + 1, EVERY)]
    return {
        "usage": result.usage,
        "sent_tokens": result.sent_tokens,
        "looked_up": worker.looked_up,
        "lost": len([each for each in found if each not in result.text]),
        "asked_for_again": len(found),
    }


def row(provider: str, arm: str, run: dict[str, Any], *, cached: float, written: float) -> dict[str, Any]:
    """Figures of one run at some prices."""
    usage, sent = run["usage"], run["sent_tokens"]
    fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    return {
        "provider": provider,
        "arm": arm,
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "priced_tokens": round(fresh + cached * usage.cached_tokens + written * usage.cache_write_tokens),
        "turns": len(sent),
        "sent_tokens_per_turn": {"mean": round(statistics.mean(sent)), "max": max(sent)},
        "asked_for_again": run["asked_for_again"],
        "read_again_from_disk": run["looked_up"],
        "lost": run["lost"],
    }


async def measured() -> list[dict[str, Any]]:
    """All arms for both formats."""
    rows = list[dict[str, Any]]()
    for provider in ("anthropic", "openai"):
        written = WRITTEN if provider == "anthropic" else 1.0
        whole = await one_run(provider, clears=False)
        rows += [
            row(provider, "everything again, no cache", whole, cached=1.0, written=1.0),
            row(provider, "everything again, cached", whole, cached=CACHED, written=written),
            row(provider, "agent", await one_run(provider, clears=True), cached=CACHED, written=written),
        ]
    return rows


def main() -> None:
    """Measure and print."""
    about = {"calls": CALLS, "output_characters": CHARACTERS, "cached_price": CACHED, "written_price": WRITTEN}
    print(
        json.dumps(
            {
                "what": "priced input tokens of a worker run with 120 tool calls",
                "config": about,
                "rows": asyncio.run(measured()),
                "machine": machine(),
                "environment": environment(),
                "package": package_digest(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
