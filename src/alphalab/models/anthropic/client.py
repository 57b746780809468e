"""Models behind Anthropic's Messages interface."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Literal

from alphalab.errors import ConfigError, ModelError
from alphalab.models.anthropic.decode import MessageReader
from alphalab.models.anthropic.encode import PROVIDER, Thinking, encoded_message, head, proofs, with_cache_points
from alphalab.models.anthropic.site import KEY_VARIABLE, OFFICIAL, URL_VARIABLE, AnthropicSite
from alphalab.models.base import Effort, ModelRequest, ModelResponse, OnDelta
from alphalab.models.wire.bodies import Bodies
from alphalab.models.wire.client import WireClient, capabilities_of, option_problems

CONTEXT_TOKENS = 200_000
"""Window of a model about which nothing is published; the smallest of those that Anthropic serves."""
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_LEAST_BUDGET = 1024
_NOT_ADAPTIVE = re.compile(r"adaptive.{0,40}not (supported|available)", re.IGNORECASE)
"""How the provider says that a model, e.g. Claude Opus 4.5, knows effort and no adaptive thinking."""
_STALE = re.compile(r"signature.{0,20}thinking.{0,3}block|thinking.{0,60}cannot be modified", re.IGNORECASE)
"""How the provider says that it does not take back a thought.

Models since Claude Fable 5.1 bind each to all that came before it, and a long conversation is cleared or summarised.

Source: Anthropic, "Fix a thinking block bound to a different conversation".
"""


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
        self._thinking: Thinking = "adaptive" if self._assumed else thinking
        self._stale = set[int]()
        """Marks of thoughts that are not sent any more."""
        self._bodies = self._new_bodies()

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """Send one request and read its answer; once more without its thoughts when the provider takes them no more.

        Raises:
            ModelError: As every client's.
        """
        try:
            return await super().generate(request, on_delta=on_delta)
        except ModelError as error:
            if not (_STALE.search(str(error)) and self._leaves_out_thoughts(request)):
                raise
        return await super().generate(request, on_delta=on_delta)

    def _leaves_out_thoughts(self, request: ModelRequest) -> bool:
        """Whether it has any: all are left out from now on, because those after one that is missing fail, too."""
        found = proofs(request.messages)
        if not found <= self._stale:  # else another call has seen to it while this one was under way
            self._stale |= found
            self._bodies = self._new_bodies()
        return bool(found)

    def _adapts(self, error: ModelError) -> bool:
        if not (self._assumed and _NOT_ADAPTIVE.search(str(error))):
            return False
        if self._thinking is not None:  # else another call has seen to it while this one was under way
            self._thinking = None
            self._bodies = self._new_bodies()
        return True

    def _new_bodies(self) -> Bodies:
        return Bodies(
            make_head=partial(self._head, thinking=self._thinking), encode=partial(encoded_message, stale=self._stale)
        )

    def _body(self, request: ModelRequest) -> bytes:
        return with_cache_points(self._bodies.sent(request))

    def _reader(self, on_delta: OnDelta | None) -> MessageReader:
        return MessageReader(on_delta=on_delta)


def _thinking_problems(thinking: int | str | None) -> list[str]:
    budget = isinstance(thinking, int) and not isinstance(thinking, bool) and thinking >= _LEAST_BUDGET
    if budget or thinking in {None, "adaptive", "off"}:
        return []
    return [f"thinking={thinking!r} must be 'adaptive', 'off' or a budget of at least {_LEAST_BUDGET} tokens"]
