"""From a model's name to a model."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any, get_args

from alphalab.errors import ConfigError
from alphalab.models.base import Effort, Model
from alphalab.models.retry import PATIENCE, RetryingModel

PROVIDERS: dict[str, str] = {
    "anthropic": "alphalab.models.anthropic:AnthropicModel",
    "openai": "alphalab.models.openai:OpenAIModel",
    "openai-chat": "alphalab.models.openai_chat:OpenAIChatModel",
}
"""Where the class behind each prefix lives, as `module:attribute`. It is called with the model's name and the keywords
`base_url`, `api_key` and `effort`, and with `key_variable`, `context_tokens` and `images` when they are given; its
module is imported when a model of that kind is first asked for."""
_OFFLINE = "alphalab.models.offline:OfflineModel"


def get_model(
    source: str | Model,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    key_variable: str | None = None,
    effort: Effort | None = None,
    context_tokens: int | None = None,
    images: bool | None = None,
    patience: timedelta | None = None,
) -> Model:
    """The model that a name stands for; one that speaks to a provider waits and tries again (`RetryingModel`).

    Args:
        source: `offline`, `PREFIX:NAME` with a prefix of `PROVIDERS`, or a model, which is returned as it is.
        base_url: Where to find a compatible server; None for the provider's own.
        api_key: None reads the environment variable of the key, at the first call.
        key_variable: Which one; None for the provider's usual one.
        effort: How much the model should think, where it can be told.
        context_tokens: Size of its window; None for what is known of it.
        images: Whether it can look at pictures; None for yes. Say False for a server's text-only model.
        patience: How long one call is tried while the provider is rate-limited or down; None for half an hour.

    Raises:
        ConfigError: The prefix is unknown, the name is missing, or an option does not belong to this kind of model.
    """
    options: dict[str, Any] = {"base_url": base_url, "api_key": api_key, "effort": effort}
    options |= _given(key_variable=key_variable, context_tokens=context_tokens, images=images)
    given = {**options, "patience": patience}
    _require_sensible(effort, context_tokens, patience)
    if isinstance(source, Model):
        _refuse_options(f"a {type(source).__name__} that is already made", given)
        return source
    if source == "offline":
        _refuse_options("'offline'", given)
        return _loaded(_OFFLINE)()
    prefix, colon, name = source.partition(":")
    if not colon or prefix not in PROVIDERS or not name:
        raise ConfigError(f"model {source!r} is unknown; write one of: {', '.join(known_models())}")
    model: Model = _loaded(PROVIDERS[prefix])(name, **options)
    return RetryingModel(
        model,
        patience=PATIENCE if patience is None else patience,
        settings={
            "name": source,
            **_given(
                base_url=base_url,
                key_variable=key_variable,
                effort=effort,
                context_tokens=context_tokens,
                images=images,
            ),
            **({} if patience is None else {"patience": patience.total_seconds()}),
        },
    )


def known_models() -> tuple[str, ...]:
    """Forms of names that `get_model` understands."""
    return ("offline", *(f"{prefix}:NAME" for prefix in sorted(PROVIDERS)))


def _given(**options: Any) -> dict[str, Any]:
    """Options without those that were left out."""
    return {name: value for name, value in options.items() if value is not None}


def _require_sensible(effort: str | None, context_tokens: int | None, patience: timedelta | None) -> None:
    problems = list[str]()
    if effort is not None and effort not in get_args(Effort):
        problems.append(f"effort={effort!r} is unknown; use one of {', '.join(get_args(Effort))} or leave it out")
    if context_tokens is not None and context_tokens <= 0:
        problems.append(f"context_tokens={context_tokens!r} is no size of a window")
    if patience is not None and patience < timedelta():
        problems.append(f"patience={patience!r} is negative; zero means a single attempt")
    if problems:
        raise ConfigError.of("options of the model", problems)


def _loaded(location: str) -> Any:
    module, _, attribute = location.partition(":")
    return getattr(import_module(module), attribute)


def _refuse_options(what: str, options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)} cannot be set for {what}; leave {'it' if len(given) == 1 else 'them'} out"
        )
