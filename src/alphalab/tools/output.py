"""Long outputs: the beginning and the end are shown, the whole is kept in a file that the model can read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from alphalab._redaction import Redaction
from alphalab.tools.base import ToolContext

SHOWN = 12_000
"""Characters of one output that are shown; about 3000 tokens."""
_PIECE = 1_000_000
"""Characters that are encoded at once, so that keeping an output of 200 MB costs no second copy of it."""


def shorten(text: str, limit: int = SHOWN, *, pointer: str = "") -> str:
    """Beginning and end of a text, cut at line ends where that is possible.

    Args:
        text: Any text.
        limit: Characters to keep, about; a third of them from the beginning.
        pointer: Where the whole text is, for the line between the two.
    """
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 3], text[len(text) - (limit - limit // 3) :]
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n", 0, len(tail) // 2) + 1 :]
    left_out = len(text) - len(head) - len(tail)
    return f"{head.rstrip()}\n[... {left_out} characters left out{pointer} ...]\n{tail}"


def show(context: ToolContext, tool: str, text: str, limit: int = SHOWN) -> str:
    """A tool's output as the model should see it; what is left out is written below `context.outputs`."""
    if len(text) <= limit:
        return text
    if context.outputs is None:
        return shorten(text, limit)
    try:
        path = _write(context.outputs, f"{context.agent or 'agent'}-{tool}", text)
    except OSError as error:  # a full disk does not make the output less worth seeing
        return shorten(text, limit, pointer=f"; they could not be written to a file: {error.strerror}")
    return shorten(text, limit, pointer=f"; all of it is in {context.shown(path)}")


def keep(context: ToolContext, text: str) -> str:
    """Store an output that leaves a model's view; says how it can be had again, as a phrase."""
    if context.outputs is None:
        return "call the tool again if it matters"
    path = _write(context.outputs, f"{context.agent or 'agent'}-cleared", text)
    return f"read {context.shown(path)} to see it again"


def _write(folder: Path, name: str, text: str) -> Path:
    """Keep a text in a new file, without secrets, like everything that a campaign leaves on disk."""
    clean = Redaction.of_environment().text(text)
    folder.mkdir(parents=True, exist_ok=True)
    path = _free_path(folder, name)
    try:
        with path.open("x", encoding="utf-8", newline="") as stream:
            for start in range(0, len(clean), _PIECE):
                stream.write(clean[start : start + _PIECE])
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _free_path(folder: Path, name: str) -> Path:
    """A numbered file that is not there; looks at few of many that are."""
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", name)

    def path(number: int) -> Path:
        return folder / f"{stem}-{number:04d}.txt"

    taken, free = 0, 1
    while path(free).exists():
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        taken, free = (middle, free) if path(middle).exists() else (taken, middle)
    return path(free)
