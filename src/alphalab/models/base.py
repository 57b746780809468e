"""The contract of a language model: one request in, one message out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from attrs import field, frozen

from alphalab.messages import Message, StopReason, ToolSpec, Usage

Effort = Literal["low", "medium", "high"]
OnDelta = Callable[[str], None]
"""Called with pieces of text as they arrive."""


@frozen(kw_only=True)
class Capabilities:
    """What a model can do."""

    is_language_model: bool = True
    """False for rule-based stand-ins; shown wherever their output is shown."""
    images: bool = True
    context_tokens: int = 200_000


@frozen(kw_only=True)
class ModelRequest:
    """Everything one call sends."""

    system: str
    messages: tuple[Message, ...] = field(converter=tuple)
    tools: tuple[ToolSpec, ...] = field(default=(), converter=tuple)
    max_tokens: int = 16_000
    labels: dict[str, str] = field(factory=dict[str, str])
    """Who asks and for what: `role`, `agent`, `experiment`, `phase`; for the ledger, not sent to a provider."""


@frozen(kw_only=True)
class ModelResponse:
    """One answer."""

    message: Message
    stop_reason: StopReason
    usage: Usage
    model: str
    """Name of the model that answered."""


class Model(ABC):
    """A language model, or something that answers like one."""

    name: str
    """As a caller names it, e.g. `offline` or `anthropic:NAME`."""
    capabilities: Capabilities = Capabilities()

    @abstractmethod
    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """Answer one request.

        Raises:
            ModelError: No usable answer, of the kind that the subclass says.
        """

    async def aclose(self) -> None:  # noqa: B027 - most models hold none
        """Let go of connections."""
