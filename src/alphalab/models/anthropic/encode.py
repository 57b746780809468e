"""From messages to the body of a Messages request; pure.

What the provider sent goes back as it came: thoughts with their signature, searches it ran itself, kinds that are not
known here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from alphalab.messages import (
    Block,
    ImageBlock,
    Message,
    OpaqueBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolSpec,
    ToolUseBlock,
)
from alphalab.models.base import Effort, ModelRequest
from alphalab.models.wire.bodies import Head, Sent
from alphalab.models.wire.body import encode_json

PROVIDER = "anthropic"
_CACHED: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
_MARK = b',"cache_control":{"type":"ephemeral"}'
_OPEN_BLOCK = b"}]}]}"
"""How a body ends: the last block, its message's content, the message, the messages, the body."""
Thinking = int | str | None
"""`adaptive`, `off`, a budget in tokens, or None for the model's own way."""
Json = dict[str, Any]


def head(request: ModelRequest, *, model: str, effort: Effort | None, thinking: Thinking) -> Head:
    """Everything of a request but its messages, which come last so that what is before them stays the same.

    Args:
        request: The request.
        model: As the provider names it.
        effort: How much the model should put into its answer; None leaves it to the model.
        thinking: How it thinks.
    """
    body: Json = {"model": model, "max_tokens": request.max_tokens, "stream": True}
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, **_CACHED}]
    if request.tools:
        # The system prompt comes after the tools in the provider's order, so its cache point covers them.
        last = {} if request.system else _CACHED
        body["tools"] = [*map(_tool, request.tools[:-1]), {**_tool(request.tools[-1]), **last}]
    if thinking is not None:
        body["thinking"] = _thinking(thinking)
    output: Json = {} if effort is None else {"effort": effort}
    if request.output_schema is not None:
        output["format"] = {"type": "json_schema", "schema": request.output_schema}
    if output:
        body["output_config"] = output
    return Head(opening=encode_json(body)[:-1] + b',"messages":[')


def with_cache_points(sent: Sent) -> bytes:
    """A body with cache points at its end and where the request before ended.

    The provider looks back 20 blocks from a cache point for one that it has stored; a turn with many calls is longer
    than that, so the place where the last one was stored is named, too. With the one at the system prompt that makes
    three of the four that are allowed. They are put into the encoded bytes: without them, each request begins with the
    one before, byte for byte.

    Source: Anthropic, prompt caching guide, "automatic prefix checking".
    """
    ends = ((sent.shared, sent.shared_messages), (len(sent.body), len(sent.messages)))
    places = [
        length - len(_OPEN_BLOCK)
        for length, count in ends
        if count and sent.messages[count - 1].role == "user"  # an answer may end in a thought, which takes none
    ]
    body, pieces, start = memoryview(sent.body), list[bytes | memoryview](), 0
    for place in dict.fromkeys(places):
        pieces += [body[start:place], _MARK]
        start = place
    return b"".join([*pieces, body[start:]])


def proofs(messages: Iterable[Message]) -> set[int]:
    """Marks of the thoughts in these messages: hashes of their signatures, which may have 13,000 characters each."""
    thoughts = (block for message in messages for block in message.content if isinstance(block, ThinkingBlock))
    return {mark for mark in map(_proof, thoughts) if mark is not None}


def encoded_message(message: Message, stale: AbstractSet[int] = frozenset()) -> bytes:
    """One message as JSON; empty when there is nothing to send.

    Args:
        message: The message.
        stale: Marks of thoughts that the provider does not take any more (`proofs`).
    """
    fresh = [block for block in message.content if not (isinstance(block, ThinkingBlock) and _proof(block) in stale)]
    content = [block for block in map(block_of, fresh) if block is not None]
    return encode_json({"role": message.role, "content": content}) if content else b""


def block_of(block: Block) -> Json | None:
    """A block as the provider takes it; None for what it must not see: empty texts, others' thoughts and searches."""
    match block:
        case TextBlock():
            return {"type": "text", "text": block.text, **_own(block.extra)} if block.text.strip() else None
        case ImageBlock():
            return _image(block)
        case ThinkingBlock():
            return _thought(block)
        case ToolUseBlock():
            return {
                "type": "tool_use",
                "id": block.id,
                "name": block.name,
                "input": block.input if block.malformed is None else {"malformed_json": block.malformed},
                **_own(block.extra),
            }
        case ToolResultBlock():
            return _result(block)
        case OpaqueBlock():
            return block.data if block.provider == PROVIDER else None


def _own(extra: Mapping[str, Any]) -> Json:
    return extra.get(PROVIDER) or {}


def _tool(tool: ToolSpec) -> Json:
    if tool.server == "web_search":
        return {"type": "web_search_20250305", "name": "web_search"}
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def _thinking(thinking: int | str) -> Json:
    if isinstance(thinking, int):
        return {"type": "enabled", "budget_tokens": thinking}
    return {"type": "disabled" if thinking == "off" else thinking}


def _image(block: ImageBlock) -> Json:
    data = base64.b64encode(block.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": block.media_type, "data": data}}


def _thought(block: ThinkingBlock) -> Json | None:
    own = _own(block.extra)
    if own.get("type") == "redacted_thinking":
        return own
    if not block.signature:
        return None
    return {"type": "thinking", "thinking": block.text, "signature": block.signature, **own}


def _proof(block: ThinkingBlock) -> int | None:
    proof = block.signature or _own(block.extra).get("data")
    return hash(proof) if isinstance(proof, str) else None


def _result(block: ToolResultBlock) -> Json:
    content = [each for each in map(block_of, block.content) if each is not None]
    result: Json = {"type": "tool_result", "tool_use_id": block.tool_use_id, "content": content}
    return {**result, "is_error": True} if block.is_error else result
