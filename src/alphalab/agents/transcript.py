"""An agent's conversation on disk: JSON Lines, written message by message.

```
{"kind": "header", "at": ..., "agent": ..., "role": ..., "model": ..., "labels": {...}, "tools": [...], "system": ...}
{"kind": "message", "at": ..., "message": {"role": ..., "content": [...]}}
{"kind": "end", "at": ..., "stop_reason": ..., "turns": ..., "usage": {...}}
```
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from alphalab._clock import Clock
from alphalab._serde import dump, load
from alphalab.agents.redaction import Redaction
from alphalab.agents.result import AgentStop
from alphalab.messages import Message, Usage


@define(kw_only=True, eq=False)
class Transcript:
    """Appends to one file, opened and closed for every line, so that a killed process loses none. No secrets."""

    path: Path
    clock: Clock
    redaction: Redaction = field(factory=Redaction.of_environment)

    def header(
        self, *, agent: str, role: str, model: str, labels: dict[str, str], tools: Sequence[str], system: str
    ) -> None:
        """Begin a run; one that was cut off before leaves at most one broken line behind."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._end_broken_line()
        self._write("header", agent=agent, role=role, model=model, labels=labels, tools=list(tools), system=system)

    def message(self, message: Message) -> None:
        """Append one complete message."""
        self._write("message", message=dump(message))

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
    found = list[dict[str, Any]]()
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue  # cut off when the process was killed
    return tuple(found)


def transcript_messages(path: Path) -> tuple[Message, ...]:
    """The conversation that the last run in a transcript holds."""
    messages = list[Message]()
    for line in read_transcript(path):
        if line.get("kind") == "header":
            messages.clear()
        elif line.get("kind") == "message":
            messages.append(load(line["message"], Message, subject=str(path)))
    return tuple(messages)
