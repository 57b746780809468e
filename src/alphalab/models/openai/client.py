"""Models behind OpenAI's Responses interface."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal

from alphalab.errors import ModelError
from alphalab.models.base import Effort, ModelRequest, OnDelta
from alphalab.models.openai.decode import ResponseReader
from alphalab.models.openai.encode import ENCRYPTED, PROVIDER, encoded_message, head
from alphalab.models.wire.bodies import Bodies
from alphalab.models.wire.client import WireClient, capabilities_of
from alphalab.models.wire.openai_sdk import site_of

CONTEXT_TOKENS = 200_000
"""Window of a model about which nothing is published; the smallest of those that OpenAI serves for agents today."""
_NO_THOUGHTS = re.compile(r"encrypted.content is not supported", re.IGNORECASE)


class OpenAIModel(WireClient):
    """A model that is reached through `POST /responses`, streamed, with nothing stored at the provider.

    Args:
        name: As the provider names it.
        base_url: None for `OPENAI_BASE_URL`, and without that OpenAI's own.
        api_key: None for `OPENAI_API_KEY`; a server that asks for none takes any word.
        key_variable: Environment variable of the key, where it is not the usual one.
        effort: How much the model should think. Not every model takes every one.
        summary: How its thoughts are summarised when an effort is named. None for not at all: for some models OpenAI
            summarises only for organisations that it has verified.
        context_tokens: Size of the window; None for what is published, or `CONTEXT_TOKENS`.
        images: Whether the model can look at pictures.
        include: What answers bring along beside the usual. A model that does not think refuses the encrypted thoughts
            at the first call; it is asked without them from then on.

    Raises:
        ConfigError: An option makes no sense.
    """

    _path = "/responses"

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
        summary: Literal["auto", "concise", "detailed"] | None = "auto",
        include: tuple[str, ...] = (ENCRYPTED,),
    ) -> None:
        super().__init__(
            PROVIDER,
            name,
            site=site_of(
                PROVIDER,
                name,
                base_url=base_url,
                api_key=api_key,
                key_variable=key_variable,
                effort=effort,
                context_tokens=context_tokens,
            ),
            capabilities=capabilities_of(
                PROVIDER,
                name,
                context_tokens=context_tokens,
                default=CONTEXT_TOKENS,
                images=images,
                web_search=True,
            ),
        )
        self._head = partial(head, model=name, effort=effort, summary=summary)
        self._include = include
        self._bodies = self._bodies_with(include)

    def _adapts(self, error: ModelError) -> bool:
        if not _NO_THOUGHTS.search(str(error)):
            return False
        if ENCRYPTED in self._include:  # else another call that was under way has seen to it
            self._include = tuple(each for each in self._include if each != ENCRYPTED)
            self._bodies = self._bodies_with(self._include)
        return True

    def _body(self, request: ModelRequest) -> bytes:
        return self._bodies.body(request)

    def _bodies_with(self, include: tuple[str, ...]) -> Bodies:
        return Bodies(make_head=partial(self._head, include=include), encode=encoded_message)

    def _reader(self, on_delta: OnDelta | None) -> ResponseReader:
        return ResponseReader(on_delta=on_delta)
