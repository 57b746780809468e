"""Models behind OpenAI's Responses interface."""

from __future__ import annotations

from functools import partial
from typing import Literal

from alphalab.models.base import Effort, OnDelta
from alphalab.models.openai.decode import ResponseReader
from alphalab.models.openai.encode import ENCRYPTED, encoded_message, head
from alphalab.models.wire.openai_body import Bodies
from alphalab.models.wire.openai_client import OpenAIClient, capabilities_of, checked_effort
from alphalab.models.wire.openai_sdk import site_of

CONTEXT_TOKENS = 200_000
"""Window of a model about which nothing is published; the smallest of those that OpenAI serves for agents today."""


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
        include: What answers bring along beside the usual. Models that do not think refuse the encrypted thoughts;
            pass an empty tuple for those.

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
        self._bodies = Bodies(
            make_head=partial(head, model=name, effort=checked_effort(effort), summary=summary, include=include),
            encode=encoded_message,
        )

    def _reader(self, on_delta: OnDelta | None) -> ResponseReader:
        return ResponseReader(on_delta=on_delta)
