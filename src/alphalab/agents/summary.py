"""The middle of a long conversation as a text: asked of the model, or made from its calls when it cannot say."""

from __future__ import annotations

import json
from collections.abc import Sequence

from attrs import evolve

from alphalab.agents.history import History
from alphalab.agents.resuming import past_turns
from alphalab.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock
from alphalab.tools import shorten

QUESTION = """\
The conversation is about to be shortened: everything between its first message and the last few turns will be replaced
by what you write now, and you will go on working from that. Do not call tools. Write down, so that nothing has to be
found out twice:
- what the task is and what has been decided, with the reasons;
- what has been done, file by file and command by command where that matters, and its results with exact numbers;
- what failed and why, so that it is not tried again;
- facts about the data, the code and the environment that took effort to find, with the paths of files that hold more;
- what is under way right now, and the next steps.
Be complete and concrete rather than short."""
_HEADING = "[The earlier part of this conversation, shortened]"
_ROOM = 8000
"""Characters of a summary made from calls."""


def asking(view: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation with the question at its end; its beginning stays the same, so it is read from the cache."""
    last = view[-1]
    if last.role == "user":
        return (*view[:-1], evolve(last, content=[*last.content, TextBlock(text=QUESTION)]))
    return (*view, Message.user(QUESTION))


def summary(said: str, messages: Sequence[Message], where: str, *, before: str = "") -> str:
    """What stands for the middle.

    Args:
        said: What the model wrote; when empty, its calls are listed instead.
        messages: The middle, whole.
        where: How the whole of it can be read, as a phrase.
        before: The last summary; the model has read it, a list of calls goes on from it.
    """
    listed = "" if said.strip() else digest(messages)
    earlier = before.removeprefix(f"{_HEADING}\n\n")
    if listed and earlier:
        listed = f"{shorten(earlier, 2 * _ROOM)}\n\n{listed}"
    return f"{_HEADING}\n\n{said.strip() or listed}\n\n[The whole of it: {where}]"


def rendered(messages: Sequence[Message]) -> str:
    """A conversation as text, whole but for pictures and thoughts."""
    return "\n\n".join(f"## {message.role}\n\n{_rendered(message)}" for message in messages)


def _rendered(message: Message) -> str:
    parts = list[str]()
    for block in message.content:
        if isinstance(block, TextBlock):
            parts.append(block.text)
        elif isinstance(block, ToolUseBlock):
            parts.append(f"{block.name}({json.dumps(block.input, ensure_ascii=False, default=str)})")
        elif isinstance(block, ToolResultBlock):
            parts.append(f"-> {block.text}")
    return "\n\n".join(parts)


def digest(messages: Sequence[Message]) -> str:
    """The calls of a conversation with the first line of each answer, the latest ones when there is no room for all."""
    lines = list[str]()
    for turn, _ in past_turns(History.restored(messages, ())):
        if turn.text.strip():
            lines.append(f"- said: {_line(turn.text, 300)}")
        for call in turn.calls:
            arguments = _line(json.dumps(call.use.input, ensure_ascii=False, default=str), 200)
            lines.append(f"- {call.name}({arguments}) -> {'' if call.ok else 'failed: '}{_line(call.result.text, 200)}")
    kept, room = list[str](), _ROOM
    while lines and (room := room - len(lines[-1])) > 0:
        kept.append(lines.pop())
    left_out = [f"- ({len(lines)} earlier steps are left out)"] if lines else []
    return "\n".join([*left_out, *reversed(kept)])


def _line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"
