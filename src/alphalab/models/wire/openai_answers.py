"""What answers of OpenAI's two interfaces have in common: arguments as strings, and errors inside a stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from alphalab.errors import ModelError
from alphalab.models.wire.body import encode_json, finite_number
from alphalab.models.wire.failures import failure_of
from alphalab.models.wire.openai_sdk import KEY_VARIABLE

_STATUSES = {
    "context_length_exceeded": 400,
    "string_above_max_length": 400,
    "invalid_encrypted_content": 400,
    "data_residency_mismatch": 400,
    "model_not_found": 404,
    "invalid_api_key": 401,
    "BadRequestError": 400,
    "NotFoundError": 404,
    "vector_store_timeout": 504,
    "server_is_overloaded": 503,
    "slow_down": 503,
}
"""Statuses behind codes that arrive inside a stream, beside those that all providers share; `...Error` are vLLM's."""


def parsed_arguments(raw: Any) -> tuple[dict[str, Any], str | None]:
    """A call's arguments, and what the model wrote when that is no JSON object.

    Nothing at all stands for no arguments: that is how several servers write a call of a tool that takes none.
    """
    if isinstance(raw, Mapping):  # some servers send the object itself
        return dict(cast("Mapping[str, Any]", raw)), None
    text = str(raw or "")
    try:
        found: Any = json.loads(text, parse_constant=finite_number, parse_float=finite_number) if text.strip() else {}
    except (ValueError, RecursionError):
        return {}, text
    return (cast("dict[str, Any]", found), None) if isinstance(found, dict) else ({}, text)


def written_arguments(arguments: dict[str, Any], raw: Any) -> str:
    """A call's arguments as they are sent back: as the model wrote them, unless they were changed since."""
    if isinstance(raw, str) and raw.strip() and parsed_arguments(raw) == (arguments, None):
        return raw
    return encode_json(arguments).decode()


def failure_in(body: Mapping[str, Any], provider: str) -> ModelError:
    """The error that an error object inside an answer stands for.

    Args:
        body: The object that holds it under `error`, or the error itself.
        provider: As messages name it.
    """
    held: Any = body.get("error")
    error = cast("Mapping[str, Any]", held) if isinstance(held, Mapping) else body
    code, kind = error.get("code"), error.get("type")
    return failure_of(body, provider=provider, key_variable=KEY_VARIABLE, status=_status(code, kind))


def _status(code: Any, kind: Any) -> int | None:
    if isinstance(code, int) and 400 <= code < 600:  # vLLM and OpenRouter put the status there
        return code
    if isinstance(code, str) and ("image" in code or code.startswith("invalid_")):
        return _STATUSES.get(code, 400)
    return next((_STATUSES[name] for name in (code, kind) if name in _STATUSES), None)


def count(usage: Mapping[str, Any], *path: str) -> int:
    """A number of tokens out of a usage object; 0 where a server does not say."""
    found: Any = usage
    for name in path:
        found = cast("Mapping[str, Any]", found).get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int) else 0
