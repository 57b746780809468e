"""Keeping keys out of what is written down."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from attrs import field, frozen

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_SHORTEST = 8
_PIECE = 1_000_000
_KNOWN_FORMS = {
    "earer ": r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{20,}=*",
    "sk-": r"sk-(?<!\wsk-)[A-Za-z0-9_-]{20,}",  # Anthropic, OpenAI and servers that imitate them
    "gh": r"gh(?<!\wgh)[pousr]_[A-Za-z0-9]{30,}",
    "github_pat_": r"github_pat_(?<!\wgithub_pat_)[A-Za-z0-9_]{30,}",
    "hf_": r"hf_(?<!\whf_)[A-Za-z0-9]{30,}",
    "AKIA": r"AKIA(?<!\wAKIA)[0-9A-Z]{16}\b",
}
"""By a mark that stands in each. `re` looks for a literal beginning ten times as fast as for one after `\\b` or among
others, which matters for outputs of many megabytes; so what may stand before it is asked after it."""
_COMPILED = tuple((mark, re.compile(form)) for mark, form in _KNOWN_FORMS.items())


def _longest_first(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values), key=len, reverse=True))


def encodable(text: str) -> str:
    """A text that every provider takes: as `utf8` makes it, and NUL is U+FFFD.

    PostgreSQL, and what is built on it, refuses NUL even where it is an escape in JSON.
    """
    return utf8(text.replace("\0", "\ufffd"))


def utf8(text: str) -> str:
    """A text in which halves of surrogate pairs, which JSON can carry and UTF-8 cannot, are question marks."""
    if text.isascii():
        return text
    # In pieces, because a tool may return hundreds of megabytes.
    pieces = range(0, len(text), _PIECE)
    try:
        for start in pieces:
            text[start : start + _PIECE].encode()
    except UnicodeEncodeError:
        return "".join(text[start : start + _PIECE].encode(errors="replace").decode() for start in pieces)
    return text


@frozen
class Redaction:
    """Replaces secrets by `[redacted]`."""

    secrets: tuple[str, ...] = field(converter=_longest_first)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Redaction:
        """Secrets are the values of variables whose names end like `_API_KEY`, `_TOKEN` or `_PASSWORD`."""
        variables = os.environ if environment is None else environment
        return cls(
            value
            for name, value in variables.items()
            if _SECRET_NAME.search(name) and len(value) >= _SHORTEST and not value.startswith("/")
        )

    def text(self, text: str) -> str:
        """A text without secrets, in characters that every encoding of Unicode can hold."""
        for mark, form in _COMPILED:
            if mark in text:
                text = form.sub(REDACTED, text)
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return utf8(text)

    def json(self, value: Any) -> Any:
        """JSON data without secrets; the bytes of images stay as they are, numbers that are not finite become words."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if isinstance(value, list):
            return [self.json(each) for each in cast("list[Any]", value)]
        if isinstance(value, dict):
            pairs = cast("dict[str, Any]", value)
            picture = pairs.get("type") == "image"
            return {key: each if picture and key == "data" else self.json(each) for key, each in pairs.items()}
        return value
