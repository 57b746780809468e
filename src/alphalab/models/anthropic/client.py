"""Models behind Anthropic's Messages interface; the only file that imports `anthropic`."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import evolve

from alphalab.errors import AuthenticationFailed, ConfigError, ModelError
from alphalab.messages import Usage
from alphalab.models.anthropic.decode import KEY_VARIABLE, Answer, MessageReader
from alphalab.models.anthropic.encode import PROVIDER, Thinking, encoded_message, head, with_cache_points
from alphalab.models.base import Capabilities, Effort, Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.prices import model_facts, price_usage
from alphalab.models.wire.bodies import Bodies
from alphalab.models.wire.transport import Endpoint, Transport

CONTEXT_TOKENS = 200_000
"""Window of a model about which nothing is published; the smallest of those that Anthropic serves."""
_TOKEN_VARIABLE = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_URL_VARIABLE = "ANTHROPIC_BASE_URL"
_OFFICIAL_HOST = "api.anthropic.com"
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_LEAST_BUDGET = 1024
_NOT_ADAPTIVE = re.compile(r"adaptive.{0,40}not (supported|available)|thinking\.type", re.IGNORECASE)
"""How the provider says that a model, e.g. Claude Opus 4.5, knows effort and no adaptive thinking."""


class AnthropicModel(Model):
    """A model that is reached through `POST /v1/messages`, streamed.

    Args:
        name: As the provider names it.
        base_url: None for `ANTHROPIC_BASE_URL`, and without that Anthropic's own.
        api_key: None for `ANTHROPIC_API_KEY`, or the token in `ANTHROPIC_AUTH_TOKEN`.
        effort: How much the model should put into its answers: `low`, `medium`, `high`, `xhigh` or `max`.
        thinking: `adaptive` (the model decides), `off`, or a budget in tokens for models that know only that. None:
            `adaptive` when an effort is named and the model knows it, else the model's own way.
        context_tokens: Size of the window; None for what is published, or `CONTEXT_TOKENS`.

    Raises:
        ConfigError: An option makes no sense; all problems together.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        effort: Effort | None = None,
        thinking: Literal["adaptive", "off"] | int | None = None,
        context_tokens: int | None = None,
    ) -> None:
        url = base_url or os.environ.get(_URL_VARIABLE) or f"https://{_OFFICIAL_HOST}"
        problems = _problems(name, url, effort, thinking, context_tokens)
        if problems:
            raise ConfigError.of(f"{PROVIDER} model {name!r}", problems)
        self.name = f"{PROVIDER}:{name}"
        self.capabilities = Capabilities(web_search=True, context_tokens=context_tokens or _published(name))
        self._model, self._base_url, self._given_key = name, url, api_key
        self._head = partial(head, model=name, effort=effort)
        self._assumed = thinking is None and effort is not None
        """Whether the model is asked to think adaptively without the caller having said so."""
        self._bodies = self._bodies_with("adaptive" if self._assumed else thinking)
        self._transport: Transport | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self._base_url}>"

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """Send one request and read its answer.

        Raises:
            AuthenticationFailed: `ANTHROPIC_API_KEY` is missing, or the provider does not accept it.
            RateLimited: Wait and try again.
            ContextOverflow: The request is larger than the window.
            ModelUnavailable: No answer for now, or it broke off.
            ModelError: Anything else that trying again does not mend.
        """
        try:
            return await self._once(request, on_delta)
        except ModelError as error:
            if not (self._assumed and _NOT_ADAPTIVE.search(str(error))):
                raise
        self._assumed, self._bodies = False, self._bodies_with(None)
        return await self._once(request, on_delta)

    async def _once(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelResponse:
        reader = MessageReader(on_delta=on_delta)
        try:
            body = with_cache_points(self._bodies.sent(request))
            await self._connected().read("/v1/messages", body, reader.take)
            answer = reader.answer()
        except ModelError as error:
            if error.usage is None and reader.usage is not None:
                error.usage = self._priced(reader.usage)
            raise
        return self._response(answer)

    def check(self) -> tuple[str, ...]:
        """Whether there is a key."""
        key = self._credential()[1]
        if not key:
            return (f"{KEY_VARIABLE} is not set; set it to a key, or pass api_key",)
        if not (key.isascii() and key.isprintable() and " " not in key):
            return (f"{KEY_VARIABLE} (or api_key) holds characters that no key has; copy the key again",)
        return ()

    async def aclose(self) -> None:
        """Close the connections of the running loop."""
        if self._transport is not None:
            await self._transport.aclose()

    def _bodies_with(self, thinking: Thinking) -> Bodies:
        return Bodies(make_head=partial(self._head, thinking=thinking), encode=encoded_message)

    def _response(self, answer: Answer) -> ModelResponse:
        return ModelResponse(
            message=answer.message,
            stop_reason=answer.stop_reason,
            usage=self._priced(
                answer.usage,
                service_tier=answer.tier,
                web_searches=answer.web_searches,
                cache_write_hour_tokens=answer.cache_write_hour_tokens,
            ),
            model=self.name,
            served=answer.served,
            request_id=answer.request_id,
        )

    def _priced(self, usage: Usage, **more: Any) -> Usage:
        """What a call cost at the list price; unpriced behind any other address."""
        if urlsplit(self._base_url).hostname != _OFFICIAL_HOST:
            return evolve(usage, cost_usd=None)
        return price_usage(usage, provider=PROVIDER, model=self._model, **more)

    def _credential(self) -> tuple[str, str]:
        """Name of the SDK's argument and the key or token for it."""
        if self._given_key is not None:
            return "api_key", self._given_key.strip()
        for argument, variable in (("api_key", KEY_VARIABLE), ("auth_token", _TOKEN_VARIABLE)):
            found = os.environ.get(variable, "").strip()
            if found:
                return argument, found
        return "api_key", ""

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = Transport(endpoint=self._endpoint())
        return self._transport

    def _endpoint(self) -> Endpoint:
        problems = self.check()
        if problems:
            raise AuthenticationFailed(f"{self.name} cannot be called: {problems[0]}")
        import anthropic  # noqa: PLC0415 - takes most of a second, and only callers of this provider need it
        import httpx2  # noqa: PLC0415 - what the SDK stands on, loaded with it

        argument, key = self._credential()

        def make_client() -> Any:
            credential: dict[str, Any] = {argument: key}
            return anthropic.AsyncAnthropic(base_url=self._base_url, max_retries=0, **credential)

        return Endpoint(
            provider=PROVIDER,
            key_variable=KEY_VARIABLE,
            make_client=make_client,
            sdk=anthropic,
            response=httpx2.Response,
            secrets=(key,),
        )


def _published(name: str) -> int:
    facts = model_facts(PROVIDER, name)
    return (facts.context_tokens if facts is not None else None) or CONTEXT_TOKENS


def _problems(
    name: str, url: str, effort: str | None, thinking: int | str | None, context_tokens: int | None
) -> list[str]:
    problems = [] if name.strip() else ["its name is empty; write the model's name"]
    parts = urlsplit(url)
    if parts.username or parts.password:  # would be shown wherever the address is
        problems.append("base_url holds a user name or password; pass it as api_key instead")
    elif parts.scheme not in {"http", "https"} or not parts.hostname:
        problems.append(f"base_url={url!r} is not an address; write one such as 'https://{_OFFICIAL_HOST}'")
    if effort is not None and effort not in _EFFORTS:
        problems.append(f"effort={effort!r} is none that Anthropic knows; use one of {', '.join(_EFFORTS)}")
    if isinstance(thinking, bool) or not (
        thinking in {None, "adaptive", "off"} or (isinstance(thinking, int) and thinking >= _LEAST_BUDGET)
    ):
        problems.append(f"thinking={thinking!r} must be 'adaptive', 'off' or a budget of at least {_LEAST_BUDGET}")
    if context_tokens is not None and context_tokens < 1:
        problems.append(f"context_tokens={context_tokens!r} must be a positive number of tokens")
    return problems
