"""CPU time of an agent's turn beside hand-written loops over the same SDK, on the three wire formats.

Prints one JSON object. The server is a process of its own (`canned_server.py`), so what is measured is the client's
side: building the request, the SDK, reading the stream, the tool, bookkeeping. Four arms, alternating, in this process:

- `prepared`: the floor. A loop by hand that posts a body it has encoded itself, message by message, through the SDK's
  `post`, and reads the stream's events as JSON. No limits, no events, no history but the encoded one.
- `typed`: a loop by hand over the SDK's typed call (`messages.create`, `responses.create`, `chat.completions.create`);
  once only where a run takes minutes.
- `agent`: `alphalab.Agent`, streaming, with its limits, window, events and prices.
- `agent_on_disk`: the same with a transcript, as in a campaign.

Clients and connections are made before the clock starts. Each figure is the median of several runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import openai

from alphalab import Agent, Limits, Model, get_model, tool
from alphalab.provenance import environment, machine, package_digest

OUTPUT = "result 0.12345 of the measurement\n" * 60
"""What the tool gives, 2,000 characters."""
SYSTEM = "You are a careful researcher. " * 100
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
Run = Callable[[int], Awaitable[None]]
"""Takes a number of turns."""


@tool
async def echo(text: str) -> str:
    """Say what came out.

    Args:
        text: Anything.
    """
    _ = text
    return OUTPUT


def encoded(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


class AnthropicByHand:
    """Both hand-written loops over Messages."""

    def __init__(self, url: str) -> None:
        self.client = anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0)
        self.tools = [{"name": "echo", "description": "Say what came out.", "input_schema": SCHEMA}]

    async def prepared(self, turns: int) -> None:
        """Encode each message once."""
        head = encoded({"model": "m", "max_tokens": 16_000, "stream": True, "system": SYSTEM, "tools": self.tools})
        messages = [encoded({"role": "user", "content": "begin"})]
        for _ in range(turns):
            body = b'%b,"messages":[%b]}' % (head[:-1], b",".join(messages))
            stream = await self.client.post(
                "/v1/messages", content=body, cast_to=object, stream=True, stream_cls=anthropic.AsyncStream[object]
            )
            blocks: list[dict[str, Any]] = []
            async for event in stream:
                read_anthropic(event, blocks)
            messages += [encoded({"role": "assistant", "content": blocks}), encoded(await self.answer(blocks))]

    async def typed(self, turns: int) -> None:
        """Hand the whole conversation to the SDK each time."""
        messages: list[Any] = [{"role": "user", "content": "begin"}]
        for _ in range(turns):
            message = await self.client.messages.create(
                model="m", max_tokens=16_000, system=SYSTEM, tools=self.tools, messages=messages
            )
            blocks = [block.model_dump(exclude_none=True) for block in message.content]
            messages += [{"role": "assistant", "content": blocks}, await self.answer(blocks)]

    async def answer(self, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """Run the calls."""
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": await echo.function(**block["input"])}
            for block in blocks
            if block["type"] == "tool_use"
        ]
        return {"role": "user", "content": results}


def read_anthropic(event: Any, blocks: list[dict[str, Any]]) -> None:
    """Put one event where it belongs."""
    if event["type"] == "content_block_start":
        blocks.append({**event["content_block"], "json": ""})
    elif event["type"] == "content_block_delta":
        delta = event["delta"]
        blocks[-1]["json" if "partial_json" in delta else "text"] += delta.get("partial_json") or delta["text"]
    elif event["type"] == "content_block_stop":
        written = blocks[-1].pop("json")
        if written:
            blocks[-1]["input"] = json.loads(written)


class ResponsesByHand:
    """Both hand-written loops over Responses."""

    def __init__(self, url: str) -> None:
        self.client = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
        self.tools = [
            {"type": "function", "name": "echo", "description": "Say.", "parameters": SCHEMA, "strict": False}
        ]

    async def prepared(self, turns: int) -> None:
        """Encode each item once."""
        head = encoded({"model": "m", "stream": True, "store": False, "instructions": SYSTEM, "tools": self.tools})
        items = [encoded({"role": "user", "content": "begin"})]
        for _ in range(turns):
            body = b'%b,"input":[%b]}' % (head[:-1], b",".join(items))
            stream = await self.client.post(
                "/responses", content=body, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]
            )
            async for event in stream:
                if event["type"] == "response.output_item.done":
                    items.append(encoded(event["item"]))
                    if event["item"]["type"] == "function_call":
                        items.append(encoded(await self.answer(event["item"])))

    async def typed(self, turns: int) -> None:
        """Hand the whole conversation to the SDK each time."""
        items: list[Any] = [{"role": "user", "content": "begin"}]
        for _ in range(turns):
            response = await self.client.responses.create(
                model="m", store=False, instructions=SYSTEM, tools=self.tools, input=items
            )
            output = [item.model_dump(exclude_none=True) for item in response.output]
            items += [*output, *[await self.answer(item) for item in output if item["type"] == "function_call"]]

    async def answer(self, item: dict[str, Any]) -> dict[str, Any]:
        """Run one call."""
        output = await echo.function(**json.loads(item["arguments"]))
        return {"type": "function_call_output", "call_id": item["call_id"], "output": output}


class ChatByHand:
    """Both hand-written loops over Chat Completions."""

    def __init__(self, url: str) -> None:
        self.client = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
        function = {"name": "echo", "description": "Say what came out.", "parameters": SCHEMA}
        self.tools = [{"type": "function", "function": function}]

    async def prepared(self, turns: int) -> None:
        """Encode each message once."""
        options = {"include_usage": True}
        head = encoded({"model": "m", "stream": True, "stream_options": options, "tools": self.tools})
        messages = [encoded(each) for each in self.opening()]
        for _ in range(turns):
            body = b'%b,"messages":[%b]}' % (head[:-1], b",".join(messages))
            stream = await self.client.post(
                "/chat/completions", content=body, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]
            )
            message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
            async for event in stream:
                read_chat(event, message)
            messages += [encoded(message), *[encoded(each) for each in await self.answers(message)]]

    async def typed(self, turns: int) -> None:
        """Hand the whole conversation to the SDK each time."""
        messages: list[Any] = self.opening()
        for _ in range(turns):
            done = await self.client.chat.completions.create(model="m", tools=self.tools, messages=messages)
            message = done.choices[0].message.model_dump(exclude_none=True)
            messages += [message, *await self.answers(message)]

    def opening(self) -> list[dict[str, Any]]:
        """The first messages."""
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "begin"}]

    async def answers(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """Run the calls."""
        return [
            {
                "role": "tool",
                "tool_call_id": call["id"],
                "content": await echo.function(**json.loads(call["function"]["arguments"])),
            }
            for call in message["tool_calls"]
        ]


def read_chat(event: Any, message: dict[str, Any]) -> None:
    """Put one chunk where it belongs."""
    for choice in event["choices"]:
        delta = choice["delta"]
        message["content"] += delta.get("content") or ""
        for piece in delta.get("tool_calls", ()):
            if "id" in piece:
                message["tool_calls"].append({**piece, "function": {**piece["function"]}})
            else:
                message["tool_calls"][piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]


BY_HAND = {"anthropic": AnthropicByHand, "openai": ResponsesByHand, "openai-chat": ChatByHand}


def agent_arm(model: Model, folder: Path | None) -> Run:
    """Runs of an agent; with a folder each leaves a transcript there."""
    numbers = iter(range(10**6))

    async def run(turns: int) -> None:
        path = None if folder is None else folder / f"{next(numbers)}.jsonl"
        agent = Agent(model=model, instructions=SYSTEM, tools=[echo], limits=Limits(turns=turns), transcript=path)
        result = await agent.run("begin")
        assert result.turns == turns

    return run


async def cpu_ms(run: Run, turns: int, at_once: int) -> float:
    """CPU time of this process per turn."""
    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(run(turns))
    return (time.process_time() - began) * 1e3 / (turns * at_once)


async def measured(name: str, url: str, turns: int, at_once: int, rounds: int) -> dict[str, Any]:
    """All arms on one format, alternating; the first round warms up and is left out."""
    by_hand: Any = BY_HAND[name](url)
    base = url if name == "anthropic" else f"{url}/v1"
    model = get_model(f"{name}:m", base_url=base, api_key="key-of-the-benchmark", context_tokens=200_000)
    with tempfile.TemporaryDirectory() as folder:
        arms: dict[str, Run] = {
            "prepared": by_hand.prepared,
            "typed": by_hand.typed,
            "agent": agent_arm(model, None),
            "agent_on_disk": agent_arm(model, Path(folder)),
        }
        found: dict[str, list[float]] = {arm: [] for arm in arms}
        for arm, run in arms.items():
            await cpu_ms(run, 5, at_once)
            assert found[arm] == []
        for number in range(rounds):
            for arm, run in arms.items():
                if arm != "typed" or number == 0 or turns * at_once <= 50:  # minutes a run where there is much to walk
                    found[arm].append(await cpu_ms(run, turns, at_once))
    await by_hand.client.close()
    await model.aclose()
    return summary(found) | {"format": name, "turns": turns, "agents": at_once}


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, spread and ratios to the floor."""
    medians = {arm: statistics.median(values) for arm, values in found.items()}
    return {
        "cpu_ms_per_turn": {arm: round(value, 3) for arm, value in medians.items()},
        "spread_ms": {arm: [round(min(values), 3), round(max(values), 3)] for arm, values in found.items()},
        "ratio_to_prepared": {arm: round(value / medians["prepared"], 2) for arm, value in medians.items()},
    }


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--formats", nargs="+", default=list(BY_HAND), choices=list(BY_HAND))
    parser.add_argument("--short", action="store_true", help="50 turns only, for a quick look")
    arguments = parser.parse_args()
    command = [sys.executable, str(Path(__file__).with_name("canned_server.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        sizes = [(50, 1)] if arguments.short else [(50, 1), (300, 1), (50, 32)]
        try:
            rows = [
                asyncio.run(measured(name, url, turns, at_once, arguments.rounds if at_once == 1 else 3))
                for name in arguments.formats
                for turns, at_once in sizes
            ]
        finally:
            server.kill()
    about = {"rounds": arguments.rounds, "output_characters": len(OUTPUT), "system_characters": len(SYSTEM)}
    print(
        json.dumps(
            {
                "what": "CPU time of an agent's turn beside hand-written loops over the same SDK",
                "config": about,
                "rows": rows,
                "machine": machine(),
                "environment": environment(),
                "package": package_digest(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
