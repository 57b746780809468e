"""What all formats refuse alike."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from attrs import define, field

NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
MEDIA = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class Invalid(Exception):
    """A request that the provider would not take."""

    def __init__(self, message: str, *, status: int = 400, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@define(eq=False)
class Given:
    """What a server handed out and expects back unchanged."""

    thoughts: dict[str, str] = field(factory=dict[str, str])
    """Text by signature or encrypted content."""
    with_calls: dict[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    """By the id of a call: proofs of the thoughts that came in the same answer."""
    count: int = 0

    def fresh(self, prefix: str) -> str:
        """An id that was not given before."""
        self.count += 1
        return f"{prefix}{self.count:06d}"


def require(holds: object, message: str, *, status: int = 400, kind: str = "") -> None:
    """Refuse a request unless a condition holds.

    Raises:
        Invalid: It does not.
    """
    if not holds:
        raise Invalid(message, status=status, kind=kind)


def require_keys(body: dict[str, Any], known: frozenset[str], needed: tuple[str, ...]) -> None:
    """Top-level keys are known, and the needed ones there."""
    for key in body:
        require(key in known, f"{key}: Extra inputs are not permitted; unknown parameter")
    for key in needed:
        require(key in body, f"{key}: Field required; missing required parameter")


def require_tool(name: Any, schema: dict[str, Any] | None, where: str) -> None:
    """A tool has a name that providers take, and an object schema."""
    require(isinstance(name, str) and NAME.match(name), f"{where}.name: {name!r} should match {NAME.pattern}")
    ok = isinstance(schema, dict) and schema.get("type") == "object"
    require(ok, f"{where}: schema must be a JSON Schema of 'type: \"object\"', got {schema!r}")


def require_image(media: Any, data: Any, where: str) -> None:
    """A picture has a known media type and valid base64."""
    require(media in MEDIA, f"{where}.media_type: {media!r} should be one of {sorted(MEDIA)}")
    try:
        require(isinstance(data, str) and base64.b64decode(data, validate=True), f"{where}.data: image is empty")
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"{where}.data: invalid base64 data") from error


def require_data_url(url: Any, where: str) -> None:
    """A picture in a `data:` URL; other URLs cannot be fetched here."""
    match = re.match(r"^data:([^;,]*);base64,(.*)$", url, re.DOTALL) if isinstance(url, str) else None
    if match is None:
        raise Invalid(f"{where}: expected a base64 data URL with an image")
    require_image(match[1], match[2], where)
