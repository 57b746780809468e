"""Strict checking of JSON arguments; the one place that imports pydantic.

Parameters become a `TypedDict`, not a `BaseModel`, so that a parameter may be called `schema` or `copy`. attrs
classes inside hints become `TypedDict`s too, and are built from what was checked.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

import attrs
import typing_extensions
from attrs import frozen
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import ErrorDetails

from alphalab.errors import ConfigError
from alphalab.tools.docstring import parse_docstring
from alphalab.tools.parameter import REQUIRED, Parameter

_SHOWN = 80


@frozen(kw_only=True, eq=False)
class Validator:
    """JSON Schema of some parameters and the check that belongs to it."""

    schema: dict[str, Any]
    adapter: TypeAdapter[dict[str, Any]]
    known: tuple[str, ...]

    @classmethod
    def of(cls, name: str, parameters: Sequence[Parameter]) -> Validator:
        """Build both from one description.

        Raises:
            ConfigError: A type has no JSON form.
        """
        try:
            adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(_record(name, parameters, ()))
            schema = _without_titles(adapter.json_schema())
        except (PydanticUserError, TypeError) as error:
            raise ConfigError(
                f"tool {name!r}: a parameter's type has no JSON form ({str(error).splitlines()[0]}); "
                "use str, int, float, bool, Literal, list, dict, TypedDict or attrs classes of these"
            ) from error
        return cls(schema=schema, adapter=adapter, known=tuple(parameter.name for parameter in parameters))

    @classmethod
    def of_class(cls, record: type) -> Validator:
        """For one attrs class or TypedDict on its own; what was checked is then under the name `value`.

        Raises:
            ConfigError: It is neither, or a field's type has no JSON form.
        """
        if not (attrs.has(record) or typing_extensions.is_typeddict(record)):
            raise ConfigError(f"{record!r} must be an attrs class or a TypedDict, so that it is a JSON object")
        return cls.of(record.__name__, [Parameter(name="value", hint=record)])

    def check(self, text: str) -> tuple[dict[str, Any], list[str]]:
        """Values by name, and every problem in words."""
        try:
            return self.adapter.validate_json(text, strict=True), []
        except ValidationError as error:
            return {}, [self._in_words(detail) for detail in error.errors(include_url=False)]

    def _in_words(self, detail: ErrorDetails) -> str:
        place = ".".join(str(part) for part in detail["loc"]) or "arguments"
        if detail["type"] == "missing":
            return f"{place}: required, but missing"
        if detail["type"] == "extra_forbidden":
            known = f"; known: {', '.join(self.known) or 'none'}" if len(detail["loc"]) == 1 else ""
            return f"{place}: there is no such parameter{known}"
        if detail["type"] == "json_invalid":
            return detail["msg"]
        message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
        return f"{place}: {message}, got {_short(detail['input'])}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _record(name: str, parameters: Sequence[Parameter], inside: tuple[Any, ...], said: str = "") -> Any:
    make: Any = typing_extensions.TypedDict  # typing's own is refused by pydantic before Python 3.12
    record = make(name, {parameter.name: _entry(parameter, inside) for parameter in parameters})
    record.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    record.__doc__ = said
    return record


def _entry(parameter: Parameter, inside: tuple[Any, ...]) -> Any:
    required = parameter.default is REQUIRED
    extra = {} if required else _shown_default(parameter.default)
    described = Field(description=parameter.description or None, json_schema_extra=extra)
    hint: Any = Annotated[_plain(parameter.hint, inside), described]
    return hint if required else NotRequired[hint]


def _shown_default(default: Any) -> dict[str, Any]:
    try:
        return {} if default is None else {"default": json.loads(json.dumps(default, allow_nan=False))}
    except (TypeError, ValueError):
        return {}


def _plain(hint: Any, inside: tuple[Any, ...]) -> Any:
    """A hint in which attrs classes and typed dictionaries are records that pydantic reads strictly."""
    if hint in inside:
        raise TypeError(f"{hint.__name__} contains itself")
    if isinstance(hint, type) and attrs.has(hint):
        build: Callable[[dict[str, Any]], Any] = lambda values, cls=hint: cls(**values)  # noqa: E731
        return Annotated[_record_of(hint, _attrs_parameters(hint), inside), AfterValidator(build)]
    if typing_extensions.is_typeddict(hint):
        return _record_of(hint, _typed_dict_parameters(hint), inside)
    origin, args = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[(_plain(args[0], inside), *args[1:])]
    inner = tuple(arg if arg is ... else _plain(arg, inside) for arg in args)
    if origin in {Union, types.UnionType}:
        return Union[inner]  # noqa: UP007 - the members are known at run time only
    return origin[inner]


def _record_of(cls: type, parameters: Sequence[Parameter], inside: tuple[Any, ...]) -> Any:
    said = parse_docstring(cls.__doc__)
    described = [attrs.evolve(each, description=said.parameters.get(each.name, "")) for each in parameters]
    return _record(cls.__name__, described, (*inside, cls), said.description)


def _attrs_parameters(cls: type) -> list[Parameter]:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return [
        Parameter(name=each.alias or each.name, hint=hints[each.name], default=_default(each))
        for each in fields
        if each.init
    ]


def _default(attribute: attrs.Attribute[Any]) -> Any:
    return REQUIRED if attribute.default is attrs.NOTHING else attribute.default


def _typed_dict_parameters(cls: Any) -> list[Parameter]:
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    return [
        Parameter(name=name, hint=_unmarked(hint), default=REQUIRED if _is_required(cls, name, hint) else None)
        for name, hint in hints.items()
    ]


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    # Marks inside string annotations escape `__optional_keys__`, so the resolved hint is asked first.
    mark = get_origin(hint)
    return mark is Required if mark in {Required, NotRequired} else name not in cls.__optional_keys__


def _unmarked(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in {Required, NotRequired} else hint


def _without_titles(schema: Any, *, names: bool = False) -> Any:
    """Titles repeat the names and cost tokens; a property called `title` stays."""
    if isinstance(schema, list):
        return [_without_titles(each) for each in typing.cast("list[Any]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    pairs = typing.cast("Mapping[str, Any]", schema).items()
    return {
        key: _without_titles(value, names=not names and key in {"properties", "$defs"})
        for key, value in pairs
        if names or key != "title"
    }
