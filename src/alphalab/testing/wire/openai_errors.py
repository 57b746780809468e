"""Errors of OpenAI's two interfaces."""

from __future__ import annotations

from typing import Any

_KINDS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def key_of(headers: dict[str, str]) -> str:
    """The key that a request carries."""
    return headers.get("authorization", "").removeprefix("Bearer ")


def error(status: int, kind: str, message: str) -> dict[str, Any]:
    """The body of an error."""
    name, code = _KINDS.get(status, ("server_error", None))
    name = kind if kind == "insufficient_quota" else name
    return {"error": {"message": message, "type": name, "param": None, "code": kind or code}}


def overflow(tokens: int, limit: int) -> dict[str, Any]:
    """The body of the error for a request larger than the window."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens."
    )
    return error(400, "context_length_exceeded", message)


def error_event(kind: str, message: str) -> tuple[str, dict[str, Any]]:
    """An error inside a stream of Responses."""
    code = kind or "server_is_overloaded"
    return "error", {"type": "error", "code": code, "message": message, "param": None, "sequence_number": 99}
