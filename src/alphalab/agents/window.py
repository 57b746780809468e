"""What of a long conversation is still sent to the model.

Old tool outputs are cut first: they are most of a research agent's conversation and can be had again by asking again.
The cut moves in large steps, so that between two steps the beginning of the request stays the same and the provider's
cache keeps working.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, field

from alphalab.messages import (
    Block,
    ImageBlock,
    Message,
    OpaqueBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Usage,
)

FULL = 0.7
"""Share of the context at which older outputs are cut; the rest is room for the answer and the next outputs."""
KEPT = 6
"""Last messages that are never cut."""
LONGEST = 400
"""Characters of an old output that stay."""
_PICTURE = 6000
"""Characters that a picture weighs, about 1500 tokens."""


@define(kw_only=True, eq=False)
class Window:
    """Shows a conversation with its older part cut short; the conversation itself stays whole."""

    context_tokens: int
    _cut: int = field(default=0, init=False)

    def view(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as they are sent."""
        return (*(_brief(message) for message in messages[: self._cut]), *messages[self._cut :])

    def is_full(self, usage: Usage) -> bool:
        """Whether the last call came close to what the model can take."""
        return usage.input_tokens + usage.output_tokens > FULL * self.context_tokens

    def shrink(self, messages: Sequence[Message]) -> bool:
        """Cut the older half, by size, of what is still whole; False when there is nothing left to cut."""
        last = len(messages) - KEPT
        if self._cut >= last:
            return False
        whole = sum(map(_size, messages[self._cut :]))
        gone, cut = 0, self._cut
        while cut < last and 2 * gone <= whole:
            gone += _size(messages[cut])
            cut += 1
        self._cut = cut
        return True


def _size(message: Message) -> int:
    return sum(map(_block_size, message.content))


def _block_size(block: Block) -> int:
    match block:
        case TextBlock() | ThinkingBlock():
            return len(block.text)
        case ImageBlock():
            return _PICTURE
        case ToolUseBlock():
            return sum(len(str(value)) for value in block.input.values())
        case ToolResultBlock():
            return sum(map(_block_size, block.content))
        case OpaqueBlock():
            return len(str(block.data))


def _brief(message: Message) -> Message:
    return evolve(message, content=[_brief_block(block) for block in message.content])


def _brief_block(block: Block) -> Block:
    if isinstance(block, ToolUseBlock):
        shown = {key: _cut(value) if isinstance(value, str) else value for key, value in block.input.items()}
        return evolve(block, input=shown)
    if isinstance(block, ToolResultBlock):
        return evolve(block, content=[_brief_content(each) for each in block.content])
    return block


def _brief_content(block: TextBlock | ImageBlock) -> TextBlock:
    if isinstance(block, ImageBlock):
        return TextBlock(text=f"[a picture of {block.width}x{block.height} pixels, left out to save room]")
    return evolve(block, text=_cut(block.text))


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    left_out = f"[... {len(text) - LONGEST} characters left out to save room; call the tool again if they matter]"
    return f"{text[:LONGEST]}\n{left_out}"
