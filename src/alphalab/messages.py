"""Messages between an agent and a model, in one provider-neutral form.

Blocks keep what a provider sent and this library does not know in `extra`, under the provider's name, so that it
survives a round trip: `extra["anthropic"]` is seen by Anthropic's client alone. A block of a kind that is not known at
all is an `OpaqueBlock`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

Role = Literal["user", "assistant"]
StopReason = Literal[
    "end_turn", "tool_use", "max_tokens", "context_window", "pause", "refusal", "stop_sequence", "other"
]
"""Why a model stopped. `context_window`: the window was full before the answer was complete; `pause`: the provider asks
to be sent the conversation again to go on."""


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
    malformed: str | None = None
    """What the model wrote instead of a JSON object; `input` is then empty, and the call is answered with an error."""
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


@frozen(kw_only=True)
class OpaqueBlock:
    """Something a provider sent that has no other form here, e.g. a search it ran itself; sent back to it unchanged."""

    provider: str
    data: dict[str, Any]


Block = TextBlock | ImageBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock | OpaqueBlock
BLOCK_TAGS: Mapping[str, type] = {
    "text": TextBlock,
    "image": ImageBlock,
    "thinking": ThinkingBlock,
    "tool_use": ToolUseBlock,
    "tool_result": ToolResultBlock,
    "opaque": OpaqueBlock,
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
class Delta:
    """A piece of an answer while it is being written."""

    kind: Literal["text", "thinking", "arguments", "restart"]
    """`arguments`: of a tool call, as JSON. `restart`: the answer is asked for again; what came so far is void."""
    text: str


@frozen(kw_only=True)
class ToolSpec:
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of the arguments."""
    server: Literal["web_search"] | None = None
    """The provider's own tool that stands behind it; the provider runs it and the agent never sees a call."""


@frozen(kw_only=True)
class Usage:
    """What one or several model calls consumed."""

    calls: int = 0
    input_tokens: int = 0
    """All input tokens, cached ones included."""
    cached_tokens: int = 0
    """Input tokens read from the provider's cache."""
    cache_write_tokens: int = 0
    """Input tokens written to the provider's cache, where that is billed apart."""
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
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost_usd=cost,
        )
