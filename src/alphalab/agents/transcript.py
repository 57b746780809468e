"""An agent's conversation on disk: JSON Lines, written step by step, and read again to go on after a kill.

```
{"kind": "header", "at": ..., "agent": ..., "role": ..., "model": ..., "labels": {...}, "tools": [...], "system": ...}
{"kind": "message", "at": ..., "message": {"role": ..., "content": [...]}, "stop_reason": ..., "usage": {...}}
{"kind": "result", "at": ..., "result": {...}, "state": {...}}
{"kind": "summary", "at": ..., "text": ..., "cut": ..., "usage": {...}}
{"kind": "resumed", "at": ...}
{"kind": "end", "at": ..., "stop_reason": ..., "turns": ..., "usage": {...}}
```

Answers of the model carry `stop_reason`, their `model` and their `usage`, which is also how many tokens each turn sent;
the usage of a summary and of an end is that of the run so far.
A `result` line holds a tool's answer from the moment it is there; in the message that it belongs to, its content is
left empty instead of repeated. `transcript_messages` puts them together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from attrs import define, evolve, field

from alphalab._clock import Clock
from alphalab._redaction import Redaction
from alphalab._serde import dump, load
from alphalab.agents.history import History
from alphalab.agents.result import AgentStop
from alphalab.messages import Block, Message, ToolResultBlock, Usage
from alphalab.models import ModelResponse


@define(kw_only=True, eq=False)
class Transcript:
    """Appends to one file, opened and closed for every line, so that a killed process loses none. No secrets."""

    path: Path
    clock: Clock
    redaction: Redaction = field(factory=Redaction.of_environment)
    _state: dict[str, Any] = field(factory=dict[str, Any], init=False)
    _recorded: set[str] = field(factory=set[str], init=False)
    """Calls whose answers are on disk and not yet in a message."""

    def header(
        self, *, agent: str, role: str, model: str, labels: dict[str, str], tools: Sequence[str], system: str
    ) -> None:
        """Begin a run; one that was cut off before leaves at most one broken line behind."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._end_broken_line()
        self._write("header", agent=agent, role=role, model=model, labels=labels, tools=list(tools), system=system)

    def resumed(self) -> None:
        """Say that the run goes on in another process."""
        self._end_broken_line()
        self._write("resumed")

    def message(self, message: Message, response: ModelResponse | None = None) -> None:
        """Append one complete message, with what the provider said about it."""
        facts: dict[str, Any] = {}
        if response is not None:
            facts = {
                "stop_reason": response.stop_reason,
                "model": response.model,
                "served": response.served,
                "usage": dump(response.usage),
            }
        content = [self._brief(block) for block in message.content]
        self._recorded.clear()
        message = evolve(message, content=content)
        self._write("message", message=dump(message), **facts)

    def _brief(self, block: Block) -> Block:
        known = isinstance(block, ToolResultBlock) and block.tool_use_id in self._recorded
        return evolve(block, content=()) if known else block

    def result(self, result: ToolResultBlock, state: Mapping[str, Any]) -> None:
        """Append a tool's answer, and what tools remember if that has changed."""
        kept = {key: value for key, value in state.items() if isinstance(value, str | int | float | bool)}
        changed = {} if kept == self._state else {"state": kept}
        self._state = kept
        self._recorded.add(result.tool_use_id)
        self._write("result", result=dump(result), **changed)

    def summary(self, text: str, cut: int, usage: Usage) -> None:
        """Append the text that stands for what lies between the first message and the one of this index."""
        self._write("summary", text=text, cut=cut, usage=dump(usage))

    def end(self, stop_reason: AgentStop, *, turns: int, usage: Usage) -> None:
        """Say how the run ended."""
        self._write("end", stop_reason=stop_reason, turns=turns, usage=dump(usage))

    def _end_broken_line(self) -> None:
        with self.path.open("ab+") as stream:
            if stream.tell() and (stream.seek(-1, os.SEEK_END), stream.read(1))[1] != b"\n":
                stream.write(b"\n")

    def _write(self, kind: str, **fields: Any) -> None:
        line = {"kind": kind, "at": self.clock.now().isoformat(), **self.redaction.json(fields)}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def read_transcript(path: Path) -> tuple[dict[str, Any], ...]:
    """All complete lines of a transcript, as JSON objects."""
    parsed = (_parsed(line) for line in path.read_bytes().split(b"\n"))
    return tuple(found for found in parsed if found is not None)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None  # cut off when the process was killed, perhaps inside a character
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def transcript_messages(path: Path) -> tuple[Message, ...]:
    """The conversation that the last run in a transcript holds; calls that have no answer are shown as interrupted."""
    return history_of(last_run(path), str(path)).messages


def history_of(lines: Sequence[dict[str, Any]], subject: str) -> History:
    """The conversation of one run's lines, with the answers to calls of its last message that are there already."""
    last = max((number for number, line in enumerate(lines) if "message" in line), default=0)
    found = [line["result"] for line in lines[last:] if "result" in line]
    results = [load(result, ToolResultBlock, subject=subject) for result in found]
    return History.restored(messages_of(lines, subject), results)


def messages_of(lines: Sequence[dict[str, Any]], subject: str) -> tuple[Message, ...]:
    """The messages of one run's lines, with the answers of tools that stand in lines of their own."""
    found, results = list[Message](), dict[str, ToolResultBlock]()
    for line in lines:
        if "result" in line:
            result = load(line["result"], ToolResultBlock, subject=subject)
            results[result.tool_use_id] = result
        elif "message" in line:
            message = load(line["message"], Message, subject=subject)
            found.append(evolve(message, content=[_whole(block, results) for block in message.content]))
    return tuple(found)


def _whole(block: Block, results: Mapping[str, ToolResultBlock]) -> Block:
    return results.get(block.tool_use_id, block) if isinstance(block, ToolResultBlock) and not block.content else block


def last_run(path: Path) -> tuple[dict[str, Any], ...]:
    """The lines of a transcript's last run, from its header on; none when there is no transcript."""
    lines = read_transcript(path) if path.exists() else ()
    starts = [number for number, line in enumerate(lines) if line.get("kind") == "header"]
    return lines[starts[-1] :] if starts else lines
