"""From messages to those of a Chat Completions request; pure.

What a model sent beside text and calls goes back under the key it came with, to the same model only: servers of other
models refuse keys that they do not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alphalab.errors import ModelError
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
from alphalab.models.wire.bodies import Head
from alphalab.models.wire.body import encode_json
from alphalab.models.wire.openai_answers import written_arguments
from alphalab.models.wire.openai_body import cache_key, data_url, is_strict, joined, marked

PROVIDER = "openai-chat"
Item = dict[str, Any]


def head(
    request: ModelRequest, *, model: str, effort: Effort | None, limit_key: str, longest: int, cached: bool
) -> Head:
    """Everything of a request but its messages, which come last so that what is before them stays the same.

    Args:
        request: The request.
        model: As the server names it.
        effort: How much to think; None leaves it to the server.
        limit_key: Name of the limit on the answer's length.
        longest: Tokens that this limit may be at most.
        cached: Whether the server knows cache keys; others may refuse them.
    """
    body: Item = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    body[limit_key] = min(request.max_tokens, longest)
    if effort is not None:
        body["reasoning_effort"] = effort
    if cached and request.conversation:
        body["prompt_cache_key"] = cache_key(request.conversation)
    if request.output_schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": _format(request.output_schema)}
    if request.tools:
        body["tools"] = list(map(_tool, request.tools))
    opening = encode_json(body)[:-1] + b',"messages":['
    first = encode_json({"role": "system", "content": request.system}) if request.system else b""
    return Head(opening=opening, first=first)


def encoded_message(message: Message, *, model: str) -> bytes:
    """What one message becomes, as JSON joined by commas; empty when there is nothing to send."""
    return b",".join(map(encode_json, items_of(message, model=model)))


def items_of(message: Message, *, model: str) -> list[Item]:
    """What one message becomes for a model: the results of its tools are messages of their own."""
    return _user_items(message.content) if message.role == "user" else _assistant_items(message.content, model)


def _format(schema: dict[str, Any]) -> Item:
    return {"name": "answer", "schema": schema, "strict": is_strict(schema)}


def _tool(tool: ToolSpec) -> Item:
    if tool.server is not None:
        raise ModelError(
            f"tool {tool.name!r} is the provider's own {tool.server}, which Chat Completions does not have; use a tool "
            "that searches from here, or a model of 'openai:'"
        )
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _user_items(blocks: Sequence[Block]) -> list[Item]:
    """Results first, as each call must be answered right after it was made; then pictures and what the user says."""
    results = [block for block in blocks if isinstance(block, ToolResultBlock)]
    said = [block for block in blocks if isinstance(block, TextBlock | ImageBlock)]
    said = [*(part for result in results for part in _pictures(result)), *said]
    items = [{"role": "tool", "tool_call_id": result.tool_use_id, "content": _told(result)} for result in results]
    return [*items, {"role": "user", "content": _content(said)}] if said else items


def _told(result: ToolResultBlock) -> str:
    pictures = sum(isinstance(block, ImageBlock) for block in result.content)
    text = joined(marked(result))
    # Messages of tools hold text only; the pictures follow in the user's name.
    return f"{text}\n[{pictures} picture(s): see the next user message]".lstrip() if pictures else text


def _pictures(result: ToolResultBlock) -> list[TextBlock | ImageBlock]:
    pictures = [block for block in result.content if isinstance(block, ImageBlock)]
    return [TextBlock(text=f"[from the tool call {result.tool_use_id}]"), *pictures] if pictures else []


def _content(blocks: Sequence[TextBlock | ImageBlock]) -> str | list[Item]:
    """Plain text where that is all: not every server takes parts."""
    if all(isinstance(block, TextBlock) for block in blocks):
        return joined(blocks)
    return [_part(block) for block in blocks]


def _part(block: TextBlock | ImageBlock) -> Item:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    return {"type": "image_url", "image_url": {"url": data_url(block)}}


def _assistant_items(blocks: Sequence[Block], model: str) -> list[Item]:
    texts = [block for block in blocks if isinstance(block, TextBlock)]
    refusals = [block for block in texts if _own(block.extra, model).get("refusal")]
    calls = [_call(block, model) for block in blocks if isinstance(block, ToolUseBlock)]
    kept = _kept(blocks, model)
    if refusals:
        kept["refusal"] = joined(refusals)
    if calls:
        kept["tool_calls"] = calls
    text = joined(block for block in texts if block not in refusals)
    if not text and not kept:
        return []
    content = text or (None if calls or refusals else "")
    return [{"role": "assistant", "content": content, **kept}]


def _kept(blocks: Iterable[Block], model: str) -> Item:
    """What came from this very model and has no form of its own, under the keys it came with."""
    kept: Item = {}
    for block in blocks:
        if isinstance(block, ThinkingBlock) and (own := _own(block.extra, model)):
            kept[own["key"]] = kept.get(own["key"], "") + block.text
        elif isinstance(block, OpaqueBlock) and block.provider == PROVIDER and block.data.get("model") == model:
            kept |= block.data["message"]
    return kept


def _call(block: ToolUseBlock, model: str) -> Item:
    own = _own(block.extra, model)
    if block.malformed is None:
        arguments = written_arguments(block.input, own.get("arguments"))
    else:
        # Servers parse the arguments of past calls; on one that is no JSON they refuse this request and every later one
        # (vLLM before pull request 48922, llama.cpp).
        arguments = encode_json({"malformed": block.malformed}).decode()
    function = {"name": block.name, "arguments": arguments}
    return {**own.get("more", {}), "id": block.id, "type": "function", "function": function}


def _own(extra: dict[str, Any], model: str) -> Item:
    """What this model itself left in a block."""
    own: Item = extra.get(PROVIDER) or {}
    return own if own.get("model") == model else {}
