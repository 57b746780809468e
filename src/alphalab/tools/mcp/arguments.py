"""Arguments whose JSON Schema comes from a server; the one place that imports jsonschema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

from attrs import field, frozen

from alphalab.errors import ConfigError, ToolError
from alphalab.tools.parameter import Parameter
from alphalab.tools.schema import Arguments

_LONGEST_DESCRIPTION = 1000
_VALUES = frozenset({"default", "enum", "const", "examples"})
"""Keywords that hold values, in which a `description` is data."""
_MOST_PROBLEMS = 20


@frozen(kw_only=True, eq=False)
class GivenArguments(Arguments):
    """Checked against a given JSON Schema as they are; nothing is converted, no default filled in."""

    given: dict[str, Any]
    parameters: tuple[Parameter, ...] = field(default=(), init=False)
    takes_context: bool = field(default=False, init=False)

    @classmethod
    def of(cls, tool: str, schema: Mapping[str, Any]) -> GivenArguments:
        """For one tool.

        Raises:
            ConfigError: The schema is none, or not of an object.
        """
        from jsonschema import SchemaError  # noqa: PLC0415 - an optional package

        whole = cast("dict[str, Any]", _bounded({"type": "object", **schema}))
        made = cls(tool=tool, given=whole)
        try:
            made.checker.check_schema(whole)
        except SchemaError as error:
            raise ConfigError(f"tool {tool!r}: its JSON Schema is not valid: {error.message}") from error
        if whole["type"] != "object":
            raise ConfigError(f"tool {tool!r}: its JSON Schema is of {whole['type']!r}; arguments are an object")
        return made

    @property
    def schema(self) -> dict[str, Any]:
        """As the server gave it, with long descriptions cut."""
        return self.given

    @cached_property
    def checker(self) -> Any:
        """The validator of the schema's own draft; it fetches no schemas from elsewhere."""
        from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - an optional package
        from referencing import Registry  # noqa: PLC0415 - comes with it

        make: Any = validators.validator_for(self.given, default=Draft202012Validator)
        nothing: Any = cast("Any", Registry)()
        return make(self.given, registry=nothing)

    def check(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as a model wrote them, when they fit.

        Raises:
            ToolError: All problems.
        """
        from referencing.exceptions import Unresolvable  # noqa: PLC0415 - comes with jsonschema

        try:
            values: dict[str, Any] = json.loads(json.dumps(dict(raw), allow_nan=False))
            errors = sorted(self.checker.iter_errors(values), key=lambda error: list(map(str, error.absolute_path)))
        except (TypeError, ValueError) as error:
            raise ToolError(f"the arguments of {self.tool!r} are not JSON: {error}") from error
        except Unresolvable as error:
            raise ToolError(f"{self.tool!r} cannot be called: its schema refers to {error.ref!r} elsewhere") from error
        if errors:
            listed = "".join(f"\n- {_in_words(error)}" for error in errors[:_MOST_PROBLEMS])
            raise ToolError(f"the arguments of {self.tool!r} do not fit; correct them and call it again: {listed}")
        return values


def _in_words(error: Any) -> str:
    place = ".".join(str(part) for part in error.absolute_path) or "arguments"
    return f"{place}: {error.message[:300]}"


def _bounded(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bounded(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    return {key: _entry(key, value) for key, value in cast("dict[str, Any]", schema).items()}


def _entry(key: str, value: Any) -> Any:
    if key in _VALUES:
        return value
    if key == "description" and isinstance(value, str):
        return cut(value, _LONGEST_DESCRIPTION)
    return _bounded(value)


def cut(text: str, limit: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
