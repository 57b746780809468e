"""From messages to the items of a Responses request; pure.

What the provider sent goes back as it came, in its order: thoughts must stand before the item they led to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
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
from alphalab.models.wire.bodies import Head
from alphalab.models.wire.body import encode_json
from alphalab.models.wire.openai_answers import written_arguments
from alphalab.models.wire.openai_body import cache_key, data_url, is_strict, joined, marked

PROVIDER = "openai"
ENCRYPTED = "reasoning.encrypted_content"
"""Asks for thoughts in a form that can be sent back although nothing is stored."""
Item = dict[str, Any]


def head(
    request: ModelRequest, *, model: str, effort: Effort | None, summary: str | None, include: Sequence[str]
) -> Head:
    """Everything of a request but its messages, which come last so that what is before them stays the same.

    Args:
        request: The request.
        model: As the provider names it.
        effort: How much to think; None leaves it to the model.
        summary: How thoughts are summarised where an effort is asked for; None for not at all.
        include: What answers bring along beside the usual.
    """
    body: Item = {"model": model, "stream": True, "store": False}
    if include:
        body["include"] = list(include)
    if effort is not None:
        body["reasoning"] = {"effort": effort, **({"summary": summary} if summary and effort != "none" else {})}
    body["max_output_tokens"] = request.max_tokens
    if request.conversation:
        body["prompt_cache_key"] = cache_key(request.conversation)
    if request.output_schema is not None:
        body["text"] = {"format": _format(request.output_schema)}
    if request.tools:
        body["tools"] = list(map(_tool, request.tools))
    if request.system:
        body["instructions"] = request.system
    return Head(opening=encode_json(body)[:-1] + b',"input":[')


def encoded_message(message: Message) -> bytes:
    """The items of one message as JSON, joined by commas; empty when there is nothing to send."""
    return b",".join(map(encode_json, items_of(message)))


def items_of(message: Message) -> list[Item]:
    """The items of one message."""
    return _user_items(message.content) if message.role == "user" else _assistant_items(message.content)


def _format(schema: dict[str, Any]) -> Item:
    return {"type": "json_schema", "name": "answer", "schema": schema, "strict": is_strict(schema)}


def _tool(tool: ToolSpec) -> Item:
    if tool.server == "web_search":
        return {"type": "web_search"}
    # Strict would need every parameter to be required; the tool checks its arguments itself.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": False,
    }


def _user_items(blocks: Iterable[Block]) -> list[Item]:
    items: list[Item] = []
    for said, group in groupby(blocks, lambda block: isinstance(block, TextBlock | ImageBlock)):
        if said:
            parts = [_part(block) for block in group if isinstance(block, TextBlock | ImageBlock)]
            items.append({"type": "message", "role": "user", "content": parts})
        else:
            items += [_output(block) for block in group if isinstance(block, ToolResultBlock)]
    return items


def _part(block: TextBlock | ImageBlock) -> Item:
    if isinstance(block, TextBlock):
        return {"type": "input_text", "text": block.text}
    return {"type": "input_image", "image_url": data_url(block), "detail": "auto"}


def _output(result: ToolResultBlock) -> Item:
    content = marked(result)
    pictures = any(isinstance(block, ImageBlock) for block in content)
    output = list(map(_part, content)) if pictures else joined(content)
    return {"type": "function_call_output", "call_id": result.tool_use_id, "output": output}


def _assistant_items(blocks: Iterable[Block]) -> list[Item]:
    items = [
        item
        for origin, group in groupby(blocks, _origin)
        for item in ([_message(origin, group)] if origin else filter(None, map(_item, group)))
    ]
    while items and items[-1].get("type") == "reasoning":  # refused without the item that it led to
        items.pop()
    return items


def _origin(block: Block) -> Item | None:
    """The provider's message that a text is part of, without its parts; None when it is of none."""
    own: Item | None = block.extra.get(PROVIDER) if isinstance(block, TextBlock) else None
    return own["item"] if own else None


def _message(origin: Item, blocks: Iterable[Block]) -> Item:
    return {**origin, "content": [_output_part(block) for block in blocks if isinstance(block, TextBlock)]}


def _output_part(block: TextBlock) -> Item:
    part: Item = block.extra[PROVIDER]["part"]
    return {**part, _TEXT_KEYS[part["type"]]: block.text} if part.get("type") in _TEXT_KEYS else part


_TEXT_KEYS = {"output_text": "text", "refusal": "refusal"}


def _item(block: Block) -> Item | None:
    match block:
        case TextBlock():
            return {"role": "assistant", "content": block.text} if block.text else None
        case ThinkingBlock():
            return _reasoning(block.extra.get(PROVIDER))
        case ToolUseBlock():
            return _call(block)
        case OpaqueBlock():
            return block.data if block.provider == PROVIDER else None
        case _:
            return None


def _reasoning(item: Item | None) -> Item | None:
    """A thought as it came; one that holds nothing but its id would be looked up where nothing is stored."""
    return item if item and (item.get("encrypted_content") or item.get("content")) else None


def _call(block: ToolUseBlock) -> Item:
    own: Item = block.extra.get(PROVIDER) or {}
    raw = block.malformed if block.malformed is not None else written_arguments(block.input, own.get("arguments"))
    return {**own, "type": "function_call", "call_id": block.id, "name": block.name, "arguments": raw}
