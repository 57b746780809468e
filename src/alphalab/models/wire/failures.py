"""From what a provider or the network says to the errors of this library; no network here."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from alphalab.errors import AuthenticationFailed, ContextOverflow, ModelError, ModelUnavailable, RateLimited, Refused

_OVERFLOW = re.compile(
    r"prompt is too long|context[ _]length|context window|maximum context|too many (input )?tokens"
    r"|exceeds? the (available )?context|input is too long|request_too_large",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(r"insufficient_quota|billing|credit balance|exceeded your current quota", re.IGNORECASE)
_LATER = frozenset({408, 409, 425, 500, 502, 503, 504, 520, 522, 524, 529})
_KINDS = {
    "authentication_error": 401,
    "permission_error": 403,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
}
"""Statuses that stand behind an error inside a stream, whose own status was 200."""
_REFUSALS = frozenset(
    {
        "invalid_prompt",
        "bio_policy",
        "misalignment_policy_violation",
        "image_content_policy_violation",
        "content_policy_violation",
        "content_filter",
    }
)
"""Codes that say no to what was asked; asking again does not help."""
_SHOWN = 500


def failure_of(
    body: Any, *, provider: str, key_variable: str, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ModelError:
    """The error that an error body stands for.

    Args:
        body: What the provider sent: a JSON object with `error`, that object itself, or text.
        provider: As messages name it.
        key_variable: Environment variable of its key.
        status: Of the response; None inside a stream, where the kind of the error decides.
        headers: Of the response, for `Retry-After`.
    """
    kind, message = _said(body)
    if kind in _REFUSALS:
        return Refused(f"{provider} refused ({kind}): {message[:_SHOWN] or 'no reason given'}", status=status)
    status = status or _KINDS.get(kind, 500)
    what = f"{provider} answered {status}{f' ({kind})' if kind else ''}: {message[:_SHOWN] or 'no reason given'}"
    if status in {401, 403}:
        return AuthenticationFailed(f"{what}; set {key_variable} to a key that may use this model", status=status)
    if status == 429 and not _NO_MONEY.search(f"{kind} {message}"):
        return RateLimited(what, status=status, retry_after=retry_after(headers or {}))
    if status == 413 or (status in {400, 422} and _OVERFLOW.search(f"{kind} {message}")):
        return ContextOverflow(what, status=status)
    if status in _LATER or status > 529:
        return ModelUnavailable(what, status=status, retry_after=retry_after(headers or {}))
    return ModelError(what, status=status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait, from `retry-after-ms` or `Retry-After` (seconds or a date)."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    said = headers.get("retry-after", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        return _until(said)


def _until(date: str) -> float | None:
    try:
        when = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _said(body: Any) -> tuple[str, str]:
    """Kind and message of an error body; providers nest them in an object called `error`, or do not."""
    if not isinstance(body, Mapping):
        return "", str(body or "").strip()
    whole = cast("Mapping[str, Any]", body)
    error: Any = whole.get("error") or whole
    if not isinstance(error, Mapping):
        return "", str(error)
    told = cast("Mapping[str, Any]", error)
    kind = next((str(told[key]) for key in ("code", "type") if isinstance(told.get(key), str) and told[key]), "")
    return kind, str(told.get("message") or "")
