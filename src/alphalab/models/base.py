"""The contract of a language model: one request in, one message out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

from attrs import field, frozen

from alphalab.messages import Delta, Message, StopReason, ToolSpec, Usage

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much a model should think. Providers know different ones of these; each client says which it takes."""
OnDelta = Callable[[Delta], None]
"""Called with pieces of the answer as they arrive."""


@frozen(kw_only=True)
class Capabilities:
    """What a model can do."""

    is_language_model: bool = True
    """False for rule-based stand-ins; shown wherever their output is shown."""
    images: bool = True
    web_search: bool = False
    """Whether the provider can search the web itself."""
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
    conversation: str = ""
    """The same for all requests of one growing conversation, different for others: lets a client reuse what it has
    encoded and a provider find its cache. Empty: this request stands alone."""
    output_schema: dict[str, Any] | None = None
    """JSON Schema that the answer's text must fit, where the answer is not a tool call."""


@frozen(kw_only=True)
class ModelResponse:
    """One answer."""

    message: Message
    stop_reason: StopReason
    usage: Usage
    model: str
    """Name of the model that answered, as a caller names it."""
    served: str = ""
    """What the provider says it was, e.g. a dated version."""
    request_id: str = ""
    """The provider's own id, for questions to its support."""


class Model(ABC):
    """A language model, or something that answers like one."""

    name: str
    """As a caller names it, e.g. `offline` or `anthropic:NAME`."""
    capabilities: Capabilities = Capabilities()

    @abstractmethod
    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """Answer one request.

        One attempt: models that speak to a provider leave waiting and trying again to `RetryingModel`.

        Raises:
            ModelError: No usable answer, of the kind that the subclass says.
        """

    def check(self) -> tuple[str, ...]:
        """What already shows that no call can succeed, e.g. a missing key; empty when nothing does."""
        return ()

    def settings(self) -> dict[str, Any]:
        """What makes this model again, as a table of a configuration; never a key."""
        return {"name": self.name}

    async def aclose(self) -> None:  # noqa: B027 - most models hold none
        """Let go of connections."""
