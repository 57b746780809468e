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
_KNOWN_FORMS = re.compile(
    r"\bsk-[A-Za-z0-9_-]{20,}"  # Anthropic, OpenAI and servers that imitate them
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"
    r"|\bhf_[A-Za-z0-9]{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{20,}=*"
)
_MARKS = ("sk-", "gh", "hf_", "AKIA", "earer ")
"""One of these is in every known form; looking for them takes a tenth of the time that the expression takes."""


def _longest_first(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values), key=len, reverse=True))


def encodable(text: str) -> str:
    """A text in which halves of surrogate pairs, which JSON can carry and UTF-8 cannot, are question marks."""
    return text if text.isascii() else text.encode(errors="replace").decode()


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
        if any(mark in text for mark in _MARKS):
            text = _KNOWN_FORMS.sub(REDACTED, text)
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return encodable(text)

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
