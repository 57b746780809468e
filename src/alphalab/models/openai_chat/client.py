"""Models behind the Chat Completions interface of OpenAI or of any compatible server."""

from __future__ import annotations

from functools import partial
from typing import Literal

from alphalab.models.base import Effort, ModelRequest, OnDelta
from alphalab.models.openai_chat.decode import ChatReader
from alphalab.models.openai_chat.encode import PROVIDER, encoded_message, head
from alphalab.models.wire.bodies import Bodies
from alphalab.models.wire.client import WireClient, capabilities_of
from alphalab.models.wire.openai_sdk import site_of

CONTEXT_TOKENS = 128_000
"""Window of a model about which nothing is published; what most open models are trained for. Servers are often started
with less to save memory; then pass `context_tokens`."""
_ANSWER_SHARE = 4
"""An answer may take this part of the window, one in four; agents fill up to two thirds of it with their past."""


class OpenAIChatModel(WireClient):
    """A model that is reached through `POST /chat/completions`, streamed.

    Args:
        name: As the server names it.
        base_url: None for `OPENAI_BASE_URL`, and without that OpenAI's own.
        api_key: None for `OPENAI_API_KEY`. Servers other than OpenAI's may do without.
        key_variable: Environment variable of the key, where it is not the usual one.
        effort: How much the model should think, for servers that can be told.
        context_tokens: Size of the window; None for what is published, or `CONTEXT_TOKENS`.
        images: Whether the model can look at pictures.
        limit_key: Name of the limit on the answer's length. None sends `max_completion_tokens` to OpenAI, whose models
            that think refuse `max_tokens`, and `max_tokens` to others: it is the older name and known to all of them,
            and a limit under a name that a server does not know is one it silently ignores.

    Raises:
        ConfigError: An option makes no sense.
    """

    _path = "/chat/completions"

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        key_variable: str | None = None,
        effort: Effort | None = None,
        context_tokens: int | None = None,
        images: bool = True,
        limit_key: Literal["max_tokens", "max_completion_tokens"] | None = None,
    ) -> None:
        site = site_of(
            PROVIDER,
            name,
            base_url=base_url,
            api_key=api_key,
            key_variable=key_variable,
            effort=effort,
            context_tokens=context_tokens,
            key_optional=True,
        )
        super().__init__(
            PROVIDER,
            name,
            site=site,
            capabilities=capabilities_of(
                "openai", name, context_tokens=context_tokens, default=CONTEXT_TOKENS, images=images
            ),
        )
        self._bodies = Bodies(
            make_head=partial(
                head,
                model=name,
                effort=effort,
                # Servers refuse a prompt that leaves less room than this; a small window has to hold both.
                longest=max(1, self.capabilities.context_tokens // _ANSWER_SHARE),
                limit_key=limit_key or ("max_completion_tokens" if site.is_official else "max_tokens"),
                cached=site.is_official,
            ),
            encode=partial(encoded_message, model=name),
        )

    def _body(self, request: ModelRequest) -> bytes:
        return self._bodies.body(request)

    def _reader(self, on_delta: OnDelta | None) -> ChatReader:
        return ChatReader(model=self._model, on_delta=on_delta)
