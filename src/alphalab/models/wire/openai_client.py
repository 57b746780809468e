"""One attempt at one answer, the same for both of OpenAI's interfaces."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, get_args

from attrs import frozen

from alphalab.errors import ConfigError, ModelError
from alphalab.messages import Message, StopReason, Usage
from alphalab.models.base import Capabilities, Effort, Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.prices import model_facts
from alphalab.models.wire.bodies import Bodies
from alphalab.models.wire.openai_sdk import Site
from alphalab.models.wire.transport import Transport


@frozen(kw_only=True)
class Answer:
    """A complete answer, before its price is known."""

    message: Message
    stop_reason: StopReason
    usage: Usage
    served: str
    request_id: str
    tier: str | None = None
    """How the provider says it served the call, e.g. `flex`."""
    web_searches: int = 0
    """Searches the provider ran itself, which it bills apart."""


class Reader(Protocol):
    """Makes one answer of the objects that arrive."""

    @property
    def usage(self) -> Usage | None:
        """What has been billed so far, as far as the provider said."""
        ...

    def take(self, event: dict[str, Any]) -> None:
        """Read one object."""
        ...

    def answer(self) -> Answer:
        """What all of them say.

        Raises:
            ModelUnavailable: The last one is missing.
        """
        ...


class OpenAIClient(Model):
    """A model behind one of the interfaces; subclasses say how bodies are written and answers are read."""

    _path: str
    _bodies: Bodies

    def __init__(self, prefix: str, name: str, *, site: Site, capabilities: Capabilities) -> None:
        self.name = f"{prefix}:{name}"
        self.capabilities = capabilities
        self._model = name
        self._site = site
        self._transport: Transport | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self._site.base_url}>"

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """Send one request and read its answer.

        Raises:
            AuthenticationFailed: `OPENAI_API_KEY` is missing, or the provider does not accept it.
            RateLimited: Wait and try again.
            ContextOverflow: The request is larger than the window.
            Refused: The provider does not answer such requests.
            ModelUnavailable: No answer for now, or it broke off.
            ModelError: Anything else that trying again does not mend.
        """
        reader = self._reader(on_delta)
        try:
            await self._connected().read(self._path, self._bodies.body(request), reader.take)
            answer = reader.answer()
        except ModelError as error:
            if error.usage is None and reader.usage is not None:
                error.usage = self._site.priced(reader.usage, self._model)
            raise
        return ModelResponse(
            message=answer.message,
            stop_reason=answer.stop_reason,
            usage=self._site.priced(answer.usage, self._model, tier=answer.tier, web_searches=answer.web_searches),
            model=self.name,
            served=answer.served,
            request_id=answer.request_id,
        )

    def check(self) -> tuple[str, ...]:
        """Whether there is a key, where one is needed."""
        return self._site.problems()

    async def aclose(self) -> None:
        """Close the connections of the running loop."""
        if self._transport is not None:
            await self._transport.aclose()

    @abstractmethod
    def _reader(self, on_delta: OnDelta | None) -> Reader:
        """A new reader for one answer."""

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = Transport(endpoint=self._site.endpoint())
        return self._transport


def checked_effort(effort: Effort | None) -> Effort | None:
    """An effort that OpenAI knows; not every model takes each of them, which the provider says in its own words.

    Raises:
        ConfigError: It is none of them.
    """
    if effort is not None and effort not in get_args(Effort):
        raise ConfigError(f"effort={effort!r} is unknown; use one of {', '.join(get_args(Effort))} or leave it out")
    return effort


def capabilities_of(
    model: str, *, context_tokens: int | None, default: int, images: bool = True, web_search: bool = False
) -> Capabilities:
    """What a model can do: the caller's word first, then what is published about it, then a guess.

    Raises:
        ConfigError: The number of tokens is none.
    """
    if context_tokens is not None and context_tokens < 1:
        raise ConfigError(f"context_tokens={context_tokens!r} must be a positive number of tokens")
    if context_tokens is None:
        facts = model_facts("openai", model)
        context_tokens = (facts.context_tokens if facts is not None else None) or default
    return Capabilities(images=images, web_search=web_search, context_tokens=context_tokens)
