"""From a model's name to a model."""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

from alphalab.errors import ConfigError
from alphalab.models.base import Effort, Model

PROVIDERS: dict[str, str] = {}
"""Where the class behind each prefix lives, as `module:attribute`. It is called with the model's name and the keywords
`base_url`, `api_key` and `effort`; its module is imported when a model of that kind is first asked for."""
_OFFLINE = "alphalab.models.offline:OfflineModel"


def get_model(
    source: str | Model,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    effort: Effort | None = None,
) -> Model:
    """The model that a name stands for.

    Args:
        source: `offline`, `PREFIX:NAME` with a prefix of `PROVIDERS`, or a model, which is returned as it is.
        base_url: Where to find a compatible server; None for the provider's own.
        api_key: None reads the provider's usual environment variable.
        effort: How much the model should think, where it can be told.

    Raises:
        ConfigError: The prefix is unknown, the name is missing, or an option does not belong to this kind of model.
    """
    options: dict[str, Any] = {"base_url": base_url, "api_key": api_key, "effort": effort}
    if effort is not None and effort not in get_args(Effort):
        raise ConfigError(f"effort={effort!r} is unknown; use one of {', '.join(get_args(Effort))} or leave it out")
    if isinstance(source, Model):
        _refuse_options(f"a {type(source).__name__} that is already made", options)
        return source
    if source == "offline":
        _refuse_options("'offline'", options)
        return _loaded(_OFFLINE)()
    prefix, colon, name = source.partition(":")
    if not colon or prefix not in PROVIDERS or not name:
        raise ConfigError(f"model {source!r} is unknown; write one of: {', '.join(known_models())}")
    return _loaded(PROVIDERS[prefix])(name, **options)


def known_models() -> tuple[str, ...]:
    """Forms of names that `get_model` understands."""
    return ("offline", *(f"{prefix}:NAME" for prefix in sorted(PROVIDERS)))


def _loaded(location: str) -> Any:
    module, _, attribute = location.partition(":")
    return getattr(import_module(module), attribute)


def _refuse_options(what: str, options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)} cannot be set for {what}; leave {'it' if len(given) == 1 else 'them'} out"
        )
