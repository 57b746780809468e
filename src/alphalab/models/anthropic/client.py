"""Models behind Anthropic's Messages interface."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Literal

from alphalab.errors import ConfigError, ModelError
from alphalab.models.anthropic.decode import MessageReader
from alphalab.models.anthropic.encode import PROVIDER, Thinking, encoded_message, head, with_cache_points
from alphalab.models.anthropic.site import KEY_VARIABLE, OFFICIAL, URL_VARIABLE, AnthropicSite
from alphalab.models.base import Effort, ModelRequest, OnDelta
from alphalab.models.wire.bodies import Bodies
from alphalab.models.wire.client import WireClient, capabilities_of, option_problems

CONTEXT_TOKENS = 200_000
"""Window of a model about which nothing is published; the smallest of those that Anthropic serves."""
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_LEAST_BUDGET = 1024
_NOT_ADAPTIVE = re.compile(r"adaptive.{0,40}not (supported|available)", re.IGNORECASE)
"""How the provider says that a model, e.g. Claude Opus 4.5, knows effort and no adaptive thinking."""


class AnthropicModel(WireClient):
    """A model that is reached through `POST /v1/messages`, streamed.

    Args:
        name: As the provider names it.
        base_url: None for `ANTHROPIC_BASE_URL`, and without that Anthropic's own.
        api_key: None for `ANTHROPIC_API_KEY`, or the token in `ANTHROPIC_AUTH_TOKEN`.
        key_variable: Environment variable of the key, where it is not the usual one.
        effort: How much the model should put into its answers: `low`, `medium`, `high`, `xhigh` or `max`.
        thinking: `adaptive` (the model decides), `off`, or a budget in tokens for models that know only that. None:
            `adaptive` when an effort is named and the model knows it, else the model's own way.
        context_tokens: Size of the window; None for what is published, or `CONTEXT_TOKENS`.
        images: Whether the model can look at pictures.

    Raises:
        ConfigError: An option makes no sense; all problems together.
    """

    _path = "/v1/messages"

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        key_variable: str | None = None,
        effort: Effort | None = None,
        thinking: Literal["adaptive", "off"] | int | None = None,
        context_tokens: int | None = None,
        images: bool = True,
    ) -> None:
        url = base_url or os.environ.get(URL_VARIABLE) or OFFICIAL
        problems = option_problems(name, url, effort=effort, efforts=_EFFORTS, context_tokens=context_tokens)
        problems += _thinking_problems(thinking)
        if problems:
            raise ConfigError.of(f"{PROVIDER} model {name!r}", problems)
        super().__init__(
            PROVIDER,
            name,
            site=AnthropicSite(base_url=url, given_key=api_key, key_variable=key_variable or KEY_VARIABLE),
            capabilities=capabilities_of(
                PROVIDER,
                name,
                context_tokens=context_tokens,
                default=CONTEXT_TOKENS,
                images=images,
                web_search=True,
            ),
        )
        self._head = partial(head, model=name, effort=effort)
        self._assumed = thinking is None and effort is not None
        """Whether the model is asked to think adaptively without the caller having said so."""
        self._bodies = self._bodies_with("adaptive" if self._assumed else thinking)

    def _adapts(self, error: ModelError) -> bool:
        if not (self._assumed and _NOT_ADAPTIVE.search(str(error))):
            return False
        self._assumed, self._bodies = False, self._bodies_with(None)
        return True

    def _bodies_with(self, thinking: Thinking) -> Bodies:
        return Bodies(make_head=partial(self._head, thinking=thinking), encode=encoded_message)

    def _body(self, request: ModelRequest) -> bytes:
        return with_cache_points(self._bodies.sent(request))

    def _reader(self, on_delta: OnDelta | None) -> MessageReader:
        return MessageReader(on_delta=on_delta)


def _thinking_problems(thinking: int | str | None) -> list[str]:
    budget = isinstance(thinking, int) and not isinstance(thinking, bool) and thinking >= _LEAST_BUDGET
    if budget or thinking in {None, "adaptive", "off"}:
        return []
    return [f"thinking={thinking!r} must be 'adaptive', 'off' or a budget of at least {_LEAST_BUDGET} tokens"]
