"""Models behind OpenAI's Responses interface."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal

from alphalab.errors import ModelError
from alphalab.models.base import Effort, ModelRequest, ModelResponse, OnDelta
from alphalab.models.openai.decode import ResponseReader
from alphalab.models.openai.encode import ENCRYPTED, encoded_message, head
from alphalab.models.wire.bodies import Bodies
from alphalab.models.wire.openai_client import OpenAIClient, capabilities_of, checked_effort
from alphalab.models.wire.openai_sdk import site_of

CONTEXT_TOKENS = 200_000
"""Window of a model about which nothing is published; the smallest of those that OpenAI serves for agents today."""
_NO_THOUGHTS = re.compile(r"encrypted.content is not supported", re.IGNORECASE)


class OpenAIModel(OpenAIClient):
    """A model that is reached through `POST /responses`, streamed, with nothing stored at the provider.

    Args:
        name: As the provider names it.
        base_url: None for `OPENAI_BASE_URL`, and without that OpenAI's own.
        api_key: None for `OPENAI_API_KEY`; a server that asks for none takes any word.
        effort: How much the model should think. Not every model takes every one.
        summary: How its thoughts are summarised when an effort is named. None for not at all: for some models OpenAI
            summarises only for organisations that it has verified.
        context_tokens: Size of the window; None for what is published, or `CONTEXT_TOKENS`.
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
        effort: Effort | None = None,
        context_tokens: int | None = None,
        summary: Literal["auto", "concise", "detailed"] | None = "auto",
        include: tuple[str, ...] = (ENCRYPTED,),
    ) -> None:
        super().__init__(
            "openai",
            name,
            site=site_of("openai", name, base_url=base_url, api_key=api_key),
            capabilities=capabilities_of(name, context_tokens=context_tokens, default=CONTEXT_TOKENS, web_search=True),
        )
        self._head = partial(head, model=name, effort=checked_effort(effort), summary=summary)
        self._include = include
        self._bodies = self._bodies_with(include)

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """Send one request and read its answer; see `OpenAIClient.generate` for what it raises."""
        try:
            return await super().generate(request, on_delta=on_delta)
        except ModelError as error:
            if not self._include or not _NO_THOUGHTS.search(str(error)):
                raise
        self._include = tuple(each for each in self._include if each != ENCRYPTED)
        self._bodies = self._bodies_with(self._include)
        return await super().generate(request, on_delta=on_delta)

    def _bodies_with(self, include: tuple[str, ...]) -> Bodies:
        return Bodies(make_head=partial(self._head, include=include), encode=encoded_message)

    def _reader(self, on_delta: OnDelta | None) -> ResponseReader:
        return ResponseReader(on_delta=on_delta)
