"""A tool's arguments: read from hints and docstring at decoration, checked by a strict pydantic model later.

The hints and the docstring are verified when the tool is made; pydantic is loaded when the schema is first needed,
so that importing tools costs nothing.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import frozen

from alphalab.errors import ConfigError, ToolError
from alphalab.tools.docstring import parse_docstring
from alphalab.tools.parameter import Parameter

if TYPE_CHECKING:
    from alphalab.tools.validation import Validator

_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@frozen(kw_only=True, eq=False)
class Arguments:
    """All arguments of a tool: their JSON Schema, and the check that agrees with it."""

    tool: str
    parameters: tuple[Parameter, ...]
    takes_context: bool
    """Whether the function wants a `ToolContext` first."""

    @cached_property
    def _validator(self) -> Validator:
        from alphalab.tools.validation import Validator  # noqa: PLC0415 - loads pydantic

        return Validator.of(self.tool, self.parameters)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of an object with all parameters; built at first use.

        Raises:
            ConfigError: A parameter's type has no JSON form.
        """
        return self._validator.schema

    def check(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as a model wrote them, as the function's own types.

        Nothing is converted by guesswork: `"3"` is not 3. An integer may stand for a float and a list for a tuple,
        because JSON has no other way to say it. Parameters that were left out are left out of the result too.

        Raises:
            ToolError: One error that lists every problem in words that a model can act upon.
        """
        try:
            text = json.dumps(dict(raw), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ToolError(f"the arguments of {self.tool!r} are not JSON: {error}") from error
        values, problems = self._validator.check(text)
        if problems:
            raise ToolError(
                f"the arguments of {self.tool!r} do not fit; correct them and call it again: {_listed(problems)}"
            )
        return values


def _listed(problems: list[str]) -> str:
    return problems[0] if len(problems) == 1 else "".join(f"\n- {problem}" for problem in problems)


def arguments_of(function: Callable[..., Any], label: str, *, context: type) -> tuple[str, Arguments]:
    """Description and arguments of a tool function.

    Args:
        function: Typed, with a Google-style docstring.
        label: The tool's name.
        context: Class of a first parameter that the agent fills in.

    Raises:
        ConfigError: All problems together: no docstring, a parameter without a type, a docstring that names a
            parameter which is not there, a name that providers do not accept.
    """
    hints = _hints(function, label)
    signature = dict(inspect.signature(function).parameters)
    said = parse_docstring(function.__doc__)
    first = next(iter(signature), "")
    takes_context = _is_context(hints.get(first), context)
    if takes_context:
        del signature[first]
        said.parameters.pop(first, None)
    problems = [*_problems(label, signature, hints, context), *_unsaid(said.description, said.parameters, signature)]
    if problems:
        raise ConfigError.of(f"tool {label!r}", problems)
    parameters = tuple(
        Parameter(name=name, hint=hints[name], description=said.parameters.get(name, ""), default=parameter.default)
        for name, parameter in signature.items()
    )
    return said.description, Arguments(tool=label, parameters=parameters, takes_context=takes_context)


def _hints(function: Callable[..., Any], label: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise ConfigError(
            f"tool {label!r}: a type hint cannot be resolved ({error}); define or import it at the top of the module"
        ) from error


def _is_context(hint: Any, context: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, context)


def _problems(
    label: str, signature: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], context: type
) -> list[str]:
    problems = [] if _NAME.match(label) else ["the name must be 1 to 64 letters, digits, '_' or '-'"]
    for name, parameter in signature.items():
        if parameter.kind not in _NAMED:
            problems.append(f"parameter {name!r} must be an ordinary named parameter, not '{parameter}'")
        elif name not in hints:
            problems.append(f"parameter {name!r} has no type; write e.g. '{name}: str'")
        elif _is_context(hints[name], context):
            problems.append(f"parameter {name!r} is a {context.__name__}; it must come first")
    return problems


def _unsaid(description: str, said: Mapping[str, str], signature: Mapping[str, inspect.Parameter]) -> list[str]:
    if not description:
        return ["it has no docstring; say in a sentence what it does, the model reads it"]
    known = ", ".join(signature) or "none"
    return [
        f"the docstring names parameter {name!r}, which the function does not have; it has: {known}"
        for name in said
        if name not in signature
    ]
