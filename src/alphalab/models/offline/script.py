"""Scripts of the rule-based researcher: generators that ask for one tool call at a time.

A script is run from its start on every call and fed the results that the conversation already holds, until it asks for
something new. So it keeps no state of its own: a conversation cut off anywhere goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from random import Random
from typing import Any

from attrs import frozen

from alphalab._ids import derive_seed
from alphalab.messages import Message, ToolResultBlock, ToolUseBlock
from alphalab.models.base import ModelRequest


@frozen
class Call:
    """One tool call a script asks for."""

    name: str
    input: dict[str, Any]


@frozen
class Reply:
    """What the tool answered."""

    text: str
    is_error: bool

    @property
    def json(self) -> Any:
        """The answer read as JSON; None when it is an error or something else."""
        if self.is_error:
            return None
        try:
            return json.loads(self.text)
        except json.JSONDecodeError:
            return None


Script = Generator[Call, Reply, str]
"""Yields calls, is sent replies, returns a summary."""


@frozen
class Scene:
    """What a script knows before its first call."""

    role: str
    experiment: str
    seed: int
    prompt: str

    def rng(self, *labels: str | int) -> Random:
        """Random numbers for one purpose, the same on every replay."""
        return Random(derive_seed(self.seed, self.role, self.experiment, *labels))


ScriptFactory = Callable[[Scene], Script]


def call(name: str, /, **arguments: Any) -> Generator[Call, Reply, Reply]:
    """One tool call and its reply, for `yield from` inside a script."""
    return (yield Call(name, arguments))


def next_call(script: Script, request: ModelRequest) -> Call | str:
    """The first call the conversation does not hold yet, or the script's summary."""
    replies = _replies(request.messages)
    try:
        wanted = next(script)
        for reply in replies:
            wanted = script.send(reply)
    except StopIteration as stop:
        return str(stop.value)
    return wanted


def _replies(messages: tuple[Message, ...]) -> Iterator[Reply]:
    asked = {block.id: block for message in messages for block in message.content if isinstance(block, ToolUseBlock)}
    for message in messages:
        for block in message.content:
            if isinstance(block, ToolResultBlock) and asked[block.tool_use_id].name != "finish":
                yield Reply(block.text, block.is_error)
