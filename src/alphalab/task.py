"""What the user wants."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from alphalab.errors import ConfigError


def _text(_instance: object, _attribute: object, value: str) -> None:
    if not value.strip():
        raise ConfigError("the task's objective is empty; say in a sentence what should improve and in which direction")


def _location(value: str | Path | None) -> str | None:
    return None if value is None else str(value)


@frozen(kw_only=True)
class Task:
    """An objective in words and the data it is about."""

    objective: str = field(validator=_text)
    data: str | None = field(default=None, converter=_location)
    """A path or any fsspec URL."""
