"""One cattrs converter for everything that is read or written.

Stock cattrs reads `"false"` as True and `"3"` as 3, which hides mistakes; scalars here are exact. Unions carry an
explicit tag, never a class name. `load` collects every problem before it raises.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import cattrs
from attrs import has
from cattrs.gen import make_dict_structure_fn

from alphalab.errors import ConfigError
from alphalab.events.types import EVENT_TAGS, Event
from alphalab.measurement import OUTCOME_TAGS, Outcome
from alphalab.messages import BLOCK_TAGS, Block, ImageBlock, TextBlock

T = TypeVar("T")


class _Problem(ValueError):
    """A value that is not what its type says; the message is for people."""


def _exact(kind: type[Any], *accepted: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _type: Any) -> Any:
        if type(value) not in (kind, *accepted):
            raise _Problem(f"expected {kind.__name__}, got {value!r}")
        converted: Any = kind(value)
        return converted

    return structure


def _scalar(value: Any, _type: Any) -> bool | int | float | str:
    if type(value) not in (bool, int, float, str):
        raise _Problem(f"expected a number, text, true or false, got {value!r}")
    return value


def _enum(value: Any, kind: Any) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise _Problem(f"{value!r} is none of {', '.join(repr(member.value) for member in kind)}") from None


def _datetime(value: Any, _type: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(_exact(str)(value, str))
    if moment.tzinfo is None:
        raise _Problem(f"time {value!r} has no zone; write it as UTC, e.g. 2026-01-31T12:00:00+00:00")
    return moment.astimezone(UTC)


def _timedelta(value: Any, _type: Any) -> timedelta:
    return timedelta(seconds=_exact(float, int)(value, float))


def register_union(converter: cattrs.Converter, union: Any, tags: Mapping[str, type], key: str) -> None:
    """Teach a converter a union of classes that is told apart by an explicit tag."""
    names = {cls: tag for tag, cls in tags.items()}

    def unstructure(value: Any) -> dict[str, Any]:
        return {key: names[type(value)], **converter.unstructure(value, type(value))}

    def structure(value: Any, _type: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _Problem(f"expected an object with a {key!r}, got {value!r}")
        fields = dict(cast("Mapping[str, Any]", value))
        tag = fields.pop(key, None)
        if not isinstance(tag, str) or tag not in tags:
            raise _Problem(f"unknown {key} {tag!r}; known: {', '.join(sorted(tags))}")
        kind: Any = tags[tag]
        return converter.structure(fields, kind)

    converter.register_unstructure_hook(union, unstructure)
    converter.register_structure_hook(union, structure)


def make_converter(*, strict: bool) -> cattrs.Converter:
    """A converter; a strict one refuses unknown keys (configs, manifests), a lenient one ignores them (logs)."""
    converter = cattrs.Converter(forbid_extra_keys=strict, detailed_validation=True)
    for scalar in (bool, int, str):
        converter.register_structure_hook(scalar, _exact(scalar))
    converter.register_structure_hook(float, _exact(float, int))
    converter.register_structure_hook(bool | int | float | str, _scalar)
    converter.register_structure_hook(StrEnum, _enum)  # else its members, being strings, would be read as plain ones
    converter.register_structure_hook(datetime, _datetime)
    converter.register_unstructure_hook(datetime, lambda value: value.astimezone(UTC).isoformat())
    converter.register_structure_hook(timedelta, _timedelta)
    converter.register_unstructure_hook(timedelta, lambda value: value.total_seconds())
    converter.register_structure_hook(bytes, lambda value, _type: base64.b64decode(value, validate=True))
    converter.register_unstructure_hook(bytes, lambda value: base64.b64encode(value).decode())
    converter.register_structure_hook(Path, lambda value, _type: Path(_exact(str)(value, str)))
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook_factory(has, partial(_structure_attrs, converter))
    register_union(converter, Block, BLOCK_TAGS, "type")
    register_union(converter, TextBlock | ImageBlock, {"text": TextBlock, "image": ImageBlock}, "type")
    register_union(converter, Outcome, OUTCOME_TAGS, "status")
    register_union(converter, Event, EVENT_TAGS, "event")
    return converter


def _structure_attrs(converter: cattrs.Converter, cls: Any) -> Any:
    read: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter)

    def structure(value: Any, kind: Any) -> Any:
        if not isinstance(value, Mapping):  # cattrs would read a list or a text as an object without keys
            raise _Problem(f"expected an object, got {value!r}")
        return read(cast("Any", value), kind)

    return structure


@cache
def converter(*, strict: bool = False) -> cattrs.Converter:
    """The shared converter; hooks are registered in this module only."""
    return make_converter(strict=strict)


def dump(value: Any, kind: Any = None) -> Any:
    """A value as JSON data. Pass the union as `kind` when its tag must be written."""
    return converter().unstructure(value, kind) if kind is not None else converter().unstructure(value)


def dumps(value: Any, kind: Any = None, *, indent: int | None = None) -> str:
    """A value as JSON text; a number that is not finite is an error."""
    return json.dumps(dump(value, kind), indent=indent, ensure_ascii=False, allow_nan=False)


def load(data: Any, kind: type[T] | Any, *, subject: str = "data", strict: bool = False) -> T:
    """JSON data as a value.

    Args:
        data: Parsed JSON or TOML.
        kind: Class or union.
        subject: What the data are, for the error.
        strict: Whether unknown keys are problems.

    Raises:
        ConfigError: One error that lists every problem with its place.
    """
    try:
        return cast("T", converter(strict=strict).structure(data, kind))
    except Exception as error:
        problems = [_readable(line) for line in cattrs.transform_error(error, format_exception=_describe)]
        raise ConfigError.of(subject, problems) from error


def loads(text: str, kind: type[T] | Any, *, subject: str = "data", strict: bool = False) -> T:
    """JSON text as a value; see `load`."""
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{subject}: not JSON: {error}") from error
    return load(data, kind, subject=subject, strict=strict)


def _no_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _describe(error: BaseException, _type: Any) -> str:
    if isinstance(error, KeyError):
        return f"required key {error.args[0]!r} is missing"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown key(s) {', '.join(sorted(error.extra_fields))}"
    return str(error)


def _readable(line: str) -> str:
    return line.removesuffix(" @ $")
