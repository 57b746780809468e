"""Tool calls out of the pieces in which servers send them; pure.

OpenAI numbers the calls and sends each one's id and name once. Other servers leave out the number or the id, number all
calls 0, repeat the name with every piece, or send a call whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from attrs import define, field

from alphalab.messages import ToolUseBlock
from alphalab.models.openai_chat.encode import PROVIDER
from alphalab.models.openai_chat.merge import merged
from alphalab.models.wire.body import encode_json
from alphalab.models.wire.openai_answers import parsed_arguments

Item = dict[str, Any]
_READ = frozenset({"index", "id", "type", "function"})


@define(kw_only=True, eq=False)
class Call:
    """A call as far as it has arrived."""

    index: int | None
    id: str = ""
    name: str = ""
    written: list[str] = field(factory=list[str])
    more: Item = field(factory=dict[str, Any])
    """What came along and is sent back, e.g. a signature."""

    @property
    def arguments(self) -> str:
        """As the model wrote them so far."""
        return "".join(self.written)

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are a JSON object by now."""
        return bool(self.arguments.strip()) and parsed_arguments(self.arguments)[1] is None

    def add(self, piece: Item) -> str:
        """Take a piece of it, and give the arguments in it."""
        function: Item = piece.get("function") or {}
        arguments: Any = function.get("arguments") or ""
        text = arguments if isinstance(arguments, str) else encode_json(arguments).decode()
        self.id = self.id or str(piece.get("id") or "")
        self.name = self.name or str(function.get("name") or "")
        self.written.append(text)
        self.more = merged(self.more, {key: value for key, value in piece.items() if key not in _READ})
        return text


def add_piece(calls: list[Call], piece: Item) -> str:
    """Add a piece to the call it belongs to, or begin one with it; gives the arguments in it."""
    call = _call_of(calls, piece)
    if call is None:
        calls.append(call := Call(index=piece.get("index")))
    return call.add(piece)


def tool_uses(calls: Iterable[Call], model: str) -> list[ToolUseBlock]:
    """The calls as blocks, each with an id of its own."""
    taken: set[str] = set()
    uses: list[ToolUseBlock] = []
    for call in calls:
        arguments, malformed = parsed_arguments(call.arguments)
        own = {"model": model, "arguments": call.arguments, **({"more": call.more} if call.more else {})}
        name = call.id if call.id and call.id not in taken else f"call_{uuid4().hex[:24]}"
        taken.add(name)
        uses.append(ToolUseBlock(id=name, name=call.name, input=arguments, malformed=malformed, extra={PROVIDER: own}))
    return uses


def _call_of(calls: list[Call], piece: Item) -> Call | None:
    function: Item = piece.get("function") or {}
    index, key, name = piece.get("index"), piece.get("id"), function.get("name")
    numbered = [call for call in calls if call.index == index]
    if not numbered:
        return None
    last = next((call for call in numbered if key and call.id == key), numbered[-1])
    if not name or (key and key == last.id):
        return last
    if key and last.id:  # a call of its own, under a number that is taken
        return None
    return None if index is None and (name != last.name or last.is_whole) else last
