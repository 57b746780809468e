"""How old parts of a conversation are shown once they have been cleared; pure."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from alphalab.messages import (
    Block,
    ImageBlock,
    Message,
    OpaqueBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)

SHOWN = 240
"""Characters of an old output or argument that stay: enough to see what it was."""
PICTURE = 6000
"""Characters that a picture weighs, about 1500 tokens."""
_BLOCK = 24
"""Characters around each block."""

Keep = Callable[[str], str]
"""Puts a text where it can be read again and says how, as a phrase."""


def size(message: Message) -> int:
    """Characters of a message, pictures by what they weigh."""
    return sum(_BLOCK + _size(block) for block in message.content)


def _size(block: Block) -> int:
    match block:
        case TextBlock() | ThinkingBlock():
            return len(block.text) + len(block.extra and str(block.extra))
        case ImageBlock():
            return PICTURE
        case ToolUseBlock():
            return sum(len(value) if isinstance(value, str) else len(str(value)) for value in block.input.values())
        case ToolResultBlock():
            return sum(map(_size, block.content))
        case OpaqueBlock():
            return len(str(block.data))


def gain(message: Message) -> int:
    """Characters that clearing a message would free, about."""
    return sum(map(_gain, message.content))


def _gain(block: Block) -> int:
    if isinstance(block, ToolUseBlock):
        return sum(max(0, len(value) - 2 * SHOWN) for value in block.input.values() if isinstance(value, str))
    if isinstance(block, ToolResultBlock):
        pictures = PICTURE * sum(isinstance(each, ImageBlock) for each in block.content)
        return pictures + max(0, len(block.text) - 2 * SHOWN)
    return PICTURE if isinstance(block, ImageBlock) else 0


def without_pictures(message: Message) -> Message:
    """A message whose pictures are words; the same object when it has none."""
    if not any(_has_picture(block) for block in message.content):
        return message
    return evolve(message, content=[_unpictured(block) for block in message.content])


def _has_picture(block: Block) -> bool:
    inside = block.content if isinstance(block, ToolResultBlock) else (block,)
    return any(isinstance(each, ImageBlock) for each in inside)


def _unpictured(block: Block) -> Block:
    if isinstance(block, ToolResultBlock):
        return evolve(block, content=[_in_words(each) for each in block.content])
    return _in_words(block) if isinstance(block, ImageBlock) else block


def _in_words(block: TextBlock | ImageBlock) -> TextBlock:
    if isinstance(block, TextBlock):
        return block
    return TextBlock(text=f"[a picture of {block.width}x{block.height} pixels, cleared; view it again if it matters]")


def cleared(message: Message, keep: Keep) -> Message:
    """A message with long outputs and arguments cut short; the same object when nothing in it is long."""
    blocks = [_cleared(block, keep) for block in without_pictures(message).content]
    same = all(old is new for old, new in zip(message.content, blocks, strict=True))
    return message if same else evolve(message, content=blocks)


def _cleared(block: Block, keep: Keep) -> Block:
    if isinstance(block, ToolUseBlock):
        long = any(isinstance(value, str) and len(value) > 2 * SHOWN for value in block.input.values())
        return evolve(block, input={key: _cut(value) for key, value in block.input.items()}) if long else block
    if isinstance(block, ToolResultBlock) and len(block.text) > 2 * SHOWN:
        note = f"[... cleared to save room, {len(block.text)} characters in all; {keep(block.text)}]"
        return evolve(block, content=[TextBlock(text=f"{block.text[:SHOWN]}\n{note}")])
    return block


def _cut(value: object) -> object:
    if not isinstance(value, str) or len(value) <= 2 * SHOWN:
        return value
    return f"{value[:SHOWN]}\n[... {len(value) - SHOWN} more characters, cleared to save room]"
