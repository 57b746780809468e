"""Request bodies of OpenAI's two interfaces: a head that stays the same, then the conversation as the last key."""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from attrs import define, field, frozen

from alphalab.messages import ImageBlock, Message, TextBlock, ToolResultBlock
from alphalab.models.base import ModelRequest

_KEPT = 64
"""Conversations whose last request is kept; the one used longest ago goes first."""
_END = b"]}"
_STRICT_WORDS = frozenset(
    {"type", "title", "description", "properties", "required", "additionalProperties", "items", "enum", "const"}
    | {"anyOf", "$ref", "$defs", "definitions", "pattern", "minimum", "maximum", "minItems", "maxItems"}
)
_NAMED = ("properties", "$defs", "definitions")
"""Keywords whose value holds schemas under names."""


@frozen(kw_only=True)
class Head:
    """What comes before the conversation."""

    opening: bytes
    """JSON up to and including the bracket that opens the list of messages."""
    first: bytes = b""
    """An item that stands before the conversation; empty when there is none."""


@frozen(kw_only=True, eq=False)
class _Sent:
    """The last request of a conversation."""

    parts: tuple[Any, ...]
    """What its head was made of."""
    messages: tuple[Message, ...]
    body: bytes


@define(kw_only=True, eq=False)
class Bodies:
    """Makes the bodies of one model's requests: the one before, and what is new.

    Joining the pieces of 600 messages, 0.7 MB, takes 0.1 ms of the 1.5 that a call takes, and several times that when
    they are no longer in the processor's cache; one copy of the body before takes 0.02.
    """

    make_head: Callable[[ModelRequest], Head]
    encode: Callable[[Message], bytes]
    """One message as JSON; empty when the provider is to see nothing of it."""
    _sent: OrderedDict[str, _Sent] = field(factory=OrderedDict[str, _Sent], init=False)

    def body(self, request: ModelRequest) -> bytes:
        """The request as JSON; each call of a conversation begins with the bytes of the one before."""
        # Comparing takes no time as long as the parts are the very same objects, as they are in an agent's run.
        parts = (request.system, request.tools, request.max_tokens, request.output_schema)
        sent = self._sent.get(request.conversation)
        if sent is not None and sent.parts == parts and request.messages[: len(sent.messages)] == sent.messages:
            body = _continued(sent.body, self._items(request.messages[len(sent.messages) :]))
        else:
            head = self.make_head(request)
            items = filter(None, (head.first, *self._items(request.messages)))
            body = b"".join((head.opening, b",".join(items), _END))
        self._remember(request.conversation, _Sent(parts=parts, messages=request.messages, body=body))
        return body

    def _items(self, messages: Sequence[Message]) -> list[bytes]:
        return list(filter(None, map(self.encode, messages)))

    def _remember(self, conversation: str, sent: _Sent) -> None:
        if conversation and not sent.body.endswith(b"[" + _END):  # nothing can be appended to a list without a first
            self._sent[conversation] = sent
            self._sent.move_to_end(conversation)
        while len(self._sent) > _KEPT:
            self._sent.popitem(last=False)


def _continued(body: bytes, items: Sequence[bytes]) -> bytes:
    if not items:
        return body
    return b",".join((memoryview(body)[: -len(_END)], *items[:-1], items[-1] + _END))


def cache_key(conversation: str) -> str:
    """What tells the provider's router which requests belong together, in 32 of the 64 characters it takes.

    One key for each conversation, not for each role: requests with one beginning and one key go to one machine, up to
    about 15 a minute, and what is above that goes to machines that know nothing of it. One agent stays below; the
    workers of a campaign, which share system and tools, together do not, and a spilled turn pays for its whole history
    (100 000 tokens) instead of the shared beginning (10 000 tokens, paid once for each conversation).

    Source: OpenAI, prompt caching guide, "requests exceed approximately 15 per minute".
    """
    return hashlib.sha256(conversation.encode(errors="replace")).hexdigest()[:32]


def data_url(image: ImageBlock) -> str:
    """A picture as a URL that holds it."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def marked(result: ToolResultBlock) -> tuple[TextBlock | ImageBlock, ...]:
    """A tool's answer, with a word in front when it is an error: these interfaces have no field for that."""
    return (TextBlock(text="Error:"), *result.content) if result.is_error else result.content


def joined(blocks: Iterable[TextBlock | ImageBlock]) -> str:
    """The text of some blocks, joined by newlines."""
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


def is_strict(schema: Any) -> bool:
    """Whether a JSON Schema is of the kind that OpenAI can enforce; others are asked for without a guarantee.

    Every object must forbid further properties and require all it has, and only some keywords are known.

    Source: OpenAI, structured outputs guide, "supported schemas"; what is not in doubt is taken, the rest is not.
    """
    return isinstance(schema, dict) and "anyOf" not in schema and _is_strict(cast("dict[str, Any]", schema))


def _is_strict(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    found = cast("dict[str, Any]", schema)
    is_object = "properties" in found or found.get("type") == "object"
    if not found.keys() <= _STRICT_WORDS or (is_object and not _is_closed(found)):
        return False
    inner = [each for key in _NAMED for each in cast("dict[str, Any]", found.get(key) or {}).values()]
    inner += [*cast("list[Any]", found.get("anyOf") or []), *([found["items"]] if "items" in found else [])]
    return all(map(_is_strict, inner))


def _is_closed(schema: dict[str, Any]) -> bool:
    properties: dict[str, Any] = schema.get("properties") or {}
    required: list[str] = schema.get("required") or []
    return schema.get("additionalProperties") is False and set(properties) == set(required)
