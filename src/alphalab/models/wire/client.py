"""One attempt at one answer, the same for all providers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol
from urllib.parse import urlsplit

from attrs import frozen

from alphalab.errors import ModelError
from alphalab.messages import Message, StopReason, Usage
from alphalab.models.base import Capabilities, Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.prices import model_facts
from alphalab.models.wire.transport import Endpoint, Transport


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
    cache_write_hour_tokens: int = 0
    """Tokens written to a cache that lasts an hour, where that is billed apart."""


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


class Site(Protocol):
    """Where a provider is reached, with which key, and at which price."""

    @property
    def base_url(self) -> str:
        """Address of the server."""
        ...

    def problems(self) -> tuple[str, ...]:
        """What already shows that no call can succeed."""
        ...

    def endpoint(self) -> Endpoint:
        """The way there, through the SDK.

        Raises:
            AuthenticationFailed: The key is missing, or is none.
        """
        ...

    def priced(
        self,
        usage: Usage,
        model: str,
        *,
        tier: str | None = None,
        web_searches: int = 0,
        cache_write_hour_tokens: int = 0,
    ) -> Usage:
        """What a call cost; unpriced where no list price holds."""
        ...


class WireClient(Model):
    """A model behind a provider's interface; subclasses say how bodies are written and answers are read.

    Args:
        prefix: Of its name, e.g. `openai`.
        name: As the provider names it.
        site: Where it is reached.
        capabilities: What it can do.
    """

    _path: str

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
            AuthenticationFailed: The key is missing, or the provider does not accept it.
            RateLimited: Wait and try again.
            ContextOverflow: The request is larger than the window.
            Refused: The provider does not answer such requests.
            ModelUnavailable: No answer for now, or it broke off.
            ModelError: Anything else that trying again does not mend.
        """
        try:
            return await self._once(request, on_delta)
        except ModelError as error:
            if not self._adapts(error):
                raise
        return await self._once(request, on_delta)

    def check(self) -> tuple[str, ...]:
        """Whether there is a key, where one is needed."""
        return self._site.problems()

    async def aclose(self) -> None:
        """Close the connections of the running loop."""
        if self._transport is not None:
            await self._transport.aclose()

    @abstractmethod
    def _body(self, request: ModelRequest) -> bytes:
        """A request as the provider takes it."""

    @abstractmethod
    def _reader(self, on_delta: OnDelta | None) -> Reader:
        """A new reader for one answer."""

    def _adapts(self, error: ModelError) -> bool:
        """Whether the model said that it lacks something which nobody asked for, and is now asked without it."""
        _ = error
        return False

    async def _once(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelResponse:
        reader = self._reader(on_delta)
        try:
            await self._connected().read(self._path, self._body(request), reader.take)
            answer = reader.answer()
        except ModelError as error:
            if error.usage is None and reader.usage is not None:
                error.usage = self._site.priced(reader.usage, self._model)
            raise
        return self._response(answer)

    def _response(self, answer: Answer) -> ModelResponse:
        usage = self._site.priced(
            answer.usage,
            self._model,
            tier=answer.tier,
            web_searches=answer.web_searches,
            cache_write_hour_tokens=answer.cache_write_hour_tokens,
        )
        return ModelResponse(
            message=answer.message,
            stop_reason=answer.stop_reason,
            usage=usage,
            model=self.name,
            served=answer.served,
            request_id=answer.request_id,
        )

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = Transport(endpoint=self._site.endpoint())
        return self._transport


def capabilities_of(
    provider: str,
    model: str,
    *,
    context_tokens: int | None,
    default: int,
    images: bool = True,
    web_search: bool = False,
) -> Capabilities:
    """What a model can do: the caller's word first, then what is published about it, then a guess.

    Args:
        provider: As the table of published facts names it.
        model: As the provider names it.
        context_tokens: The caller's word on the window.
        default: Size of the window when nothing else is known.
        images: Whether it can look at pictures.
        web_search: Whether the provider can search for it.
    """
    if context_tokens is None:
        facts = model_facts(provider, model)
        context_tokens = (facts.context_tokens if facts is not None else None) or default
    return Capabilities(images=images, web_search=web_search, context_tokens=context_tokens)


def option_problems(
    name: str, url: str, *, effort: str | None, efforts: tuple[str, ...], context_tokens: int | None
) -> list[str]:
    """What is wrong with the options that all clients share.

    Args:
        name: Of the model.
        url: Of the server.
        effort: That was asked for.
        efforts: That the provider knows.
        context_tokens: The caller's word on the window.
    """
    problems = [] if name.strip() else ["its name is empty; write the model's name"]
    parts = urlsplit(url)
    if parts.username or parts.password:  # would be shown wherever the address is
        problems.append("base_url holds a user name or password; pass it as api_key instead")
    elif parts.scheme not in {"http", "https"} or not parts.hostname:
        problems.append(f"base_url={url!r} is not an address; write one such as 'http://localhost:8000/v1'")
    if effort is not None and effort not in efforts:
        problems.append(f"effort={effort!r} is unknown here; use one of {', '.join(efforts)} or leave it out")
    if context_tokens is not None and context_tokens < 1:
        problems.append(f"context_tokens={context_tokens!r} must be a positive number of tokens")
    return problems


def key_problems(key: str, variable: str) -> tuple[str, ...]:
    """What is wrong with a key, without showing it."""
    if not key:
        return (f"{variable} is not set; set it to a key, or pass api_key",)
    if not (key.isascii() and key.isprintable() and " " not in key):
        return (f"{variable} (or api_key) holds characters that no key has; copy the key again",)
    return ()
