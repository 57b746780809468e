"""A run that was cut off, as its transcript holds it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import field, frozen

from alphalab._redaction import Redaction
from alphalab._serde import load
from alphalab.agents.history import History, is_valid
from alphalab.agents.transcript import history_of, last_run, messages_of
from alphalab.agents.turn import Call, Turn
from alphalab.errors import ConfigError
from alphalab.messages import Message, StopReason, TextBlock, ToolResultBlock, Usage

_OVER = frozenset({"finished", "text", "turns", "tokens", "cost", "time", "repeats", "nudges", "refusal", "context"})
"""Ends that are results; `cancelled`, `error` and `model_error` cut a run off, like a kill."""


@frozen(kw_only=True, eq=False)
class CutOff:
    """Where a run was when it was cut off."""

    history: History
    usage: Usage
    sent_tokens: tuple[int, ...] = field(converter=tuple)
    """Input tokens of each turn."""
    seconds: float
    """For which some process was at work on it."""
    state: dict[str, Any] = field(factory=dict[str, Any])
    """What tools remembered."""
    answer: Message | None = None
    """The last one; after a pause, its last part."""
    stop_reason: StopReason = "end_turn"
    """Of the last answer."""
    fruitless: int = 0
    """How often it was taken up without getting further."""
    summary: tuple[str, int] | None = None
    """Text that stands for the messages between the first and the one of this index, if there is one."""
    begun: int = 0
    """Messages that were there before its first answer."""


def is_cut_off(path: Path) -> bool:
    """Whether the last run of a transcript was cut off; False when it ended, or none began."""
    return _is_cut_off(last_run(path))


def _is_cut_off(lines: Sequence[dict[str, Any]]) -> bool:
    begun = any("message" in line for line in lines)
    return begun and not (lines[-1].get("kind") == "end" and lines[-1].get("stop_reason") in _OVER)


def cut_off_run(path: Path, prompt: str) -> CutOff | None:
    """The last run of a transcript when it began with a prompt and was cut off; None when it ended, or none began.

    Raises:
        ConfigError: The transcript is damaged.
    """
    lines = last_run(path)
    if not _is_cut_off(lines):
        return None
    try:
        return _cut_off(lines, prompt, str(path))
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # what lines without this or that lead to
        raise ConfigError(f"{path} is damaged, so the run in it cannot go on: {error!r}") from error


def _cut_off(lines: Sequence[dict[str, Any]], prompt: str, subject: str) -> CutOff | None:
    first = next((number for number, line in enumerate(lines) if "usage" in line), len(lines))
    before = messages_of(lines[:first], subject)
    history = history_of(lines, subject)
    if not is_valid(history.messages):
        raise ValueError("lines are missing, or stand there twice")
    if not _ends_with(prompt, before):
        return None
    answers = [line for line in lines if "message" in line and "usage" in line]
    return CutOff(
        history=history,
        usage=_usage(lines, subject),
        sent_tokens=[line["usage"]["input_tokens"] for line in answers],
        seconds=_seconds(lines),
        state=next((line["state"] for line in reversed(lines) if "state" in line), dict[str, Any]()),
        answer=load(answers[-1]["message"], Message, subject=subject) if answers else None,
        stop_reason=answers[-1]["stop_reason"] if answers else "end_turn",
        fruitless=_fruitless(lines),
        summary=_summary(lines, history.complete),
        begun=len(History.restored(before, ()).complete),
    )


def past_turns(history: History, since: int = 0) -> list[tuple[Turn, Message]]:
    """The turns that a conversation holds from a message on, without how long their calls took, each with its answer.

    One whose calls are still to be answered is not among them.
    """
    pairs = [(one, answer) for one, answer in pairwise(history.complete[since:]) if one.role == "assistant"]
    return [
        (Turn(index=number, message=one, calls=calls_of(one, answer), finishes=False, history=history), answer)
        for number, (one, answer) in enumerate(pairs, start=1)
    ]


def calls_of(message: Message, answer: Message) -> tuple[Call, ...]:
    """The calls of one turn with their answers."""
    results = {block.tool_use_id: block for block in answer.content if isinstance(block, ToolResultBlock)}
    return tuple(Call(use=use, result=results[use.id], seconds=0.0) for use in message.tool_uses if use.id in results)


def _usage(lines: Sequence[dict[str, Any]], subject: str) -> Usage:
    """Of the run so far: the last sum that is there, and the answers since."""
    total = Usage()
    for line in lines:
        if "usage" in line:
            used = load(line["usage"], Usage, subject=subject)
            total = total + used if "message" in line else used
    return total


def _summary(lines: Sequence[dict[str, Any]], messages: Sequence[Message]) -> tuple[str, int] | None:
    """The last summary that ends at an answer of the model."""
    ends = {number for number, message in enumerate(messages) if number and message.role == "assistant"}
    noted = (line for line in reversed(lines) if line.get("kind") == "summary" and line["cut"] in ends)
    return next(((str(line["text"]), line["cut"]) for line in noted), None)


def _ends_with(prompt: str, said: Sequence[Message]) -> bool:
    """Whether the last thing said before the first answer ends with a prompt, as it is written to disk."""
    texts = [block.text for block in said[-1].content if isinstance(block, TextBlock)] if said else []
    return bool(texts) and texts[-1] == Redaction.of_environment().text(prompt)


def _fruitless(lines: Sequence[dict[str, Any]]) -> int:
    """Times that a process took the run up and left nothing, but perhaps a note that it was cancelled."""
    kinds = [line.get("kind") for line in lines if line.get("kind") != "end"]
    return len(kinds) - len("".join("r" if kind == "resumed" else "x" for kind in kinds).rstrip("r"))


def _seconds(lines: Sequence[dict[str, Any]]) -> float:
    total, before = 0.0, None
    for line in lines:
        at = datetime.fromisoformat(line["at"])
        if before is not None and line.get("kind") != "resumed":
            total += max(0.0, (at - before).total_seconds())  # clocks are set back at times
        before = at
    return total
