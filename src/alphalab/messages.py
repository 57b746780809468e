"""Messages between an agent and a model, in one provider-neutral form.

Blocks keep what a provider sent and this library does not know in `extra`, so that it survives a round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

Role = Literal["user", "assistant"]
StopReason = Literal["end_turn", "tool_use", "max_tokens", "refusal", "stop_sequence", "other"]


@frozen(kw_only=True)
class TextBlock:
    """Plain text."""

    text: str
    extra: dict[str, Any] = field(factory=dict[str, Any])


@frozen(kw_only=True)
class ImageBlock:
    """A picture, as bytes with their media type and size."""

    data: bytes
    media_type: str
    """`image/png`, `image/jpeg`, `image/gif` or `image/webp`."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    extra: dict[str, Any] = field(factory=dict[str, Any])


@frozen(kw_only=True)
class ThinkingBlock:
    """What a model thought before it answered; sent back as the provider demands."""

    text: str
    signature: str | None = None
    """Opaque proof that the provider wrote it, when it gives one."""
    extra: dict[str, Any] = field(factory=dict[str, Any])


@frozen(kw_only=True)
class ToolUseBlock:
    """A model's request to run one tool."""

    id: str
    name: str
    input: dict[str, Any]
    """Arguments as the model wrote them; checked by the tool, not here."""
    extra: dict[str, Any] = field(factory=dict[str, Any])


@frozen(kw_only=True)
class ToolResultBlock:
    """What a tool answered."""

    tool_use_id: str
    content: tuple[TextBlock | ImageBlock, ...] = field(converter=tuple)
    is_error: bool = False
    extra: dict[str, Any] = field(factory=dict[str, Any])

    @property
    def text(self) -> str:
        """All text of the result, joined by newlines."""
        return "\n".join(block.text for block in self.content if isinstance(block, TextBlock))


Block = TextBlock | ImageBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock
BLOCK_TAGS: Mapping[str, type] = {
    "text": TextBlock,
    "image": ImageBlock,
    "thinking": ThinkingBlock,
    "tool_use": ToolUseBlock,
    "tool_result": ToolResultBlock,
}


@frozen(kw_only=True)
class Message:
    """One side's contribution to a conversation."""

    role: Role
    content: tuple[Block, ...] = field(converter=tuple)

    @classmethod
    def user(cls, text: str) -> Message:
        """A user message of one text block."""
        return cls(role="user", content=(TextBlock(text=text),))

    @classmethod
    def assistant(cls, *blocks: Block) -> Message:
        """An assistant message of these blocks."""
        return cls(role="assistant", content=blocks)

    @property
    def text(self) -> str:
        """All text blocks, joined by newlines."""
        return "\n".join(block.text for block in self.content if isinstance(block, TextBlock))

    @property
    def tool_uses(self) -> tuple[ToolUseBlock, ...]:
        """The tool calls of this message, in order."""
        return tuple(block for block in self.content if isinstance(block, ToolUseBlock))


@frozen(kw_only=True)
class ToolSpec:
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of the arguments."""


@frozen(kw_only=True)
class Usage:
    """What one or several model calls consumed."""

    calls: int = 0
    input_tokens: int = 0
    """All input tokens, cached ones included."""
    cached_tokens: int = 0
    """Input tokens read from the provider's cache."""
    output_tokens: int = 0
    """All output tokens, reasoning included."""
    reasoning_tokens: int = 0
    cost_usd: float | None = 0.0
    """None when any part of it has no known price."""

    def __add__(self, other: Usage) -> Usage:
        cost = None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost_usd=cost,
        )
