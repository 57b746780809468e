"""A run that was cut off, as its transcript holds it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import field, frozen

from alphalab._serde import load
from alphalab.agents.history import History
from alphalab.agents.transcript import last_run, messages_of
from alphalab.agents.turn import Call, Turn
from alphalab.messages import Message, StopReason, ToolResultBlock, Usage

_OVER = frozenset({"finished", "text", "turns", "tokens", "cost", "time", "repeats", "nudges", "refusal"})
"""Ends that are results; `cancelled`, `error` and `model_error` cut a run off, like a kill."""


@frozen(kw_only=True, eq=False)
class CutOff:
    """Where a run was when it was cut off."""

    history: History
    usage: Usage
    turns: int
    seconds: float
    """For which some process was at work on it."""
    state: dict[str, Any] = field(factory=dict[str, Any])
    """What tools remembered."""
    stop_reason: StopReason = "end_turn"
    """Of the last answer."""
    summary: tuple[str, int] | None = None
    """Text that stands for the messages between the first and the one of this index, if there is one."""


def cut_off_run(path: Path) -> CutOff | None:
    """The last run of a transcript when it was cut off; None when it ended, or none began."""
    lines = last_run(path)
    ended = [line for line in lines if line.get("kind") == "end"]
    messages = [line for line in lines if "message" in line]
    if not messages or (ended and ended[-1].get("stop_reason") in _OVER and ended[-1] is lines[-1]):
        return None
    answers = [line for line in messages if "usage" in line]
    return CutOff(
        history=History.restored(messages_of(lines, str(path)), _results(lines, messages[-1], str(path))),
        usage=sum((load(line["usage"], Usage, subject=str(path)) for line in answers), Usage()),
        turns=len(answers),
        seconds=_seconds(lines),
        state=next((line["state"] for line in reversed(lines) if "state" in line), dict[str, Any]()),
        stop_reason=answers[-1]["stop_reason"] if answers else "end_turn",
        summary=next(((line["text"], line["cut"]) for line in reversed(lines) if line.get("kind") == "summary"), None),
    )


def past_turns(history: History) -> list[Turn]:
    """The turns that a conversation holds, without how long their calls took."""
    messages = history.messages
    pairs = [(one, next_one) for one, next_one in pairwise(messages) if one.role == "assistant"]
    return [
        Turn(index=number, message=one, calls=calls_of(one, answer), finishes=False, history=history)
        for number, (one, answer) in enumerate(pairs, start=1)
    ]


def calls_of(message: Message, answer: Message) -> tuple[Call, ...]:
    """The calls of one turn with their answers."""
    results = {block.tool_use_id: block for block in answer.content if isinstance(block, ToolResultBlock)}
    return tuple(Call(use=use, result=results[use.id], seconds=0.0) for use in message.tool_uses if use.id in results)


def _results(lines: Sequence[dict[str, Any]], last: dict[str, Any], subject: str) -> list[ToolResultBlock]:
    """Answers that were there before the message that would have held them."""
    found = lines[max(number for number, line in enumerate(lines) if line is last) :]
    return [load(line["result"], ToolResultBlock, subject=subject) for line in found if line.get("kind") == "result"]


def _seconds(lines: Sequence[dict[str, Any]]) -> float:
    total, before = 0.0, None
    for line in lines:
        at = datetime.fromisoformat(line["at"])
        if before is not None and line.get("kind") != "resumed":
            total += (at - before).total_seconds()
        before = at
    return total
