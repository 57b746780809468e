"""What the requests of OpenAI's two interfaces have in common."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any, cast

from alphalab.messages import ImageBlock, TextBlock, ToolResultBlock

_STRICT_WORDS = frozenset(
    {"type", "title", "description", "properties", "required", "additionalProperties", "items", "enum", "const"}
    | {"anyOf", "$ref", "$defs", "definitions", "pattern", "minimum", "maximum", "minItems", "maxItems"}
)
_NAMED = ("properties", "$defs", "definitions")
"""Keywords whose value holds schemas under names."""


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
