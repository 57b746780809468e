"""Requests as texts that can be compared and read: what differs between any two runs is left out."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from attrs import define, field, frozen

from alphalab._ids import digest

IGNORED: tuple[str, ...] = (
    r"\b\d+(?:\.\d+)? ?(?:ms|s|sec|seconds|min|minutes|h|hours)\b",
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b",
    r"\btmp[a-z0-9_]{8}\b",
)
"""Regular expressions of what is not compared: durations ("1.3 s"), dates and times, random ids, temporary names."""
Compared = Literal["everything", "prompts", "course"]
"""How much of a request must be as recorded. `everything`: all of it. `prompts`: the system prompt, the tools and what
the agent is told, but not what tools answered, which may show what others do at the same time. `course`: the system
prompt, the tools and how far the conversation is; for a run whose prompts show others' work too, e.g. a playbook."""
_SHOWN = 60
"""Lines of a difference that are shown."""


@frozen(kw_only=True)
class Asked:
    """One request in comparable form."""

    parts: tuple[str, ...]
    """Texts: the system prompt, the tools, and each message."""
    names: tuple[str, ...]
    """What each part is, for people."""

    @property
    def lines(self) -> list[str]:
        """The whole, line by line."""
        pairs = zip(self.names, self.parts, strict=True)
        return [line for name, part in pairs for line in (f"# {name}", *part.splitlines())]


@define(kw_only=True, eq=False)
class Comparison:
    """How requests are made comparable.

    Args:
        ignore: Regular expressions; what they match counts as the same.
        compared: How much counts. Where tools' answers do not, neither does what the model said: it is what was
            recorded, cut shorter at other places when the answers are longer.
    """

    ignore: Sequence[str]
    compared: Compared
    _pattern: re.Pattern[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._pattern = re.compile("|".join(f"(?:{each})" for each in self.ignore) or r"(?!)")

    def text(self, text: str) -> str:
        """A text without what is ignored."""
        return self._pattern.sub("…", text)

    def tools(self, form: Any) -> str:
        """Tools and the form of the answer."""
        lines = [json.dumps(tool, ensure_ascii=False, sort_keys=True) for tool in form["tools"]]
        schema = form.get("output_schema")
        return self.text("\n".join([*lines, *([json.dumps(schema, sort_keys=True)] if schema else [])]))

    def message(self, message: Any) -> str:
        """One message, as JSON data, in words."""
        if self.compared == "course" or (self.compared == "prompts" and message["role"] == "assistant"):
            return "(not compared)"
        return self.text("\n".join(self._block(block) for block in message["content"]))

    def _block(self, block: Any) -> str:
        match block["type"]:
            case "text":
                return block["text"]
            case "thinking":
                return f"(thinking) {block['text']}"
            case "tool_use":
                shown = block["malformed"] or json.dumps(block["input"], ensure_ascii=False, sort_keys=True)
                return f"-> {block['name']} {shown}"
            case "tool_result":
                return self._result(block)
            case "image":
                return f"(image {block['width']}x{block['height']} {digest(block['data'])[:12]})"
            case _:
                return json.dumps(block, ensure_ascii=False, sort_keys=True)

    def _result(self, block: Any) -> str:
        if self.compared != "everything":
            return "<- (not compared)"
        inside = "\n".join(self._block(each) for each in block["content"])
        return f"<- {'(error) ' if block['is_error'] else ''}{inside}"


def asked(system: str, tools: str, messages: Sequence[tuple[str, str]]) -> Asked:
    """A request from comparable parts, messages as role and text."""
    names = ("system", "tools", *(f"{number} {role}" for number, (role, _) in enumerate(messages, start=1)))
    return Asked(parts=(system, tools, *(text for _, text in messages)), names=names)


def closest(wanted: Asked, candidates: Sequence[Asked]) -> int | None:
    """Index of the candidate that shares most parts with a request, or None without candidates."""

    def shared(number: int) -> tuple[int, float]:
        parts = candidates[number].parts
        same = sum(one == other for one, other in zip(wanted.parts, parts, strict=False))
        last = difflib.SequenceMatcher(None, wanted.parts[-1][:2000], parts[-1][:2000], autojunk=False)
        return same - abs(len(wanted.parts) - len(parts)), last.quick_ratio()

    return max(range(len(candidates)), key=shared, default=None)


def difference(recorded: Asked, now: Asked) -> str:
    """A unified diff of two requests, cut when it is long."""
    lines = list(difflib.unified_diff(recorded.lines, now.lines, "recorded", "now", lineterm=""))
    shown = [line[:300] for line in lines[:_SHOWN]]
    more = [f"... {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
    return "\n".join([*shown, *more])
