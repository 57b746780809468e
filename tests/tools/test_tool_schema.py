"""Hints and docstring become a JSON Schema, and the check agrees with it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Literal, NotRequired, TypedDict

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from alphalab.errors import ConfigError, ToolError
from alphalab.tools import ToolContext, check_tools, tool


@frozen(kw_only=True)
class Finding:
    """Something found.

    Attributes:
        title: What it is.
    """

    title: str
    level: Literal["note", "blocking"] = "note"
    places: tuple[str, ...] = field(default=(), converter=tuple)


class Place(TypedDict):
    file: str
    line: NotRequired[int]


@frozen
class Loop:
    inner: Loop | None = None


@tool
async def report(
    ctx: ToolContext,
    schema: str,
    steps: int = 100,
    rate: float | None = None,
    findings: list[Finding] | None = None,
    place: Place | None = None,
    options: dict[str, Any] | None = None,
    shape: tuple[int, str] = (1, "a"),
) -> str:
    """Report what was found.

    Findings are sorted.

    Args:
        schema: Name of the
            schema.
        steps (int): How many.

    Returns:
        Nothing for the model.
    """
    return schema


def problem(raw: dict[str, Any]) -> str:
    with pytest.raises(ToolError) as caught:
        report.arguments.check(raw)
    return str(caught.value)


def test_spec_holds_descriptions_defaults_and_no_context():
    spec = report.spec
    properties = spec.parameters["properties"]
    assert spec.description == "Report what was found.\n\nFindings are sorted."
    assert list(properties) == ["schema", "steps", "rate", "findings", "place", "options", "shape"]
    assert properties["schema"] == {"type": "string", "description": "Name of the schema."}
    assert properties["steps"] == {"type": "integer", "description": "How many.", "default": 100}
    assert spec.parameters["required"] == ["schema"]
    assert spec.parameters["additionalProperties"] is False
    assert report.arguments.takes_context


def test_property_named_title_survives_the_removal_of_titles():
    nested = report.spec.parameters["$defs"]["Finding"]
    assert nested["properties"]["title"] == {"type": "string", "description": "What it is."}
    assert "title" not in nested
    assert nested["required"] == ["title"]
    assert report.spec.parameters["$defs"]["Place"]["required"] == ["file"]


def test_values_come_back_as_the_functions_types():
    values = report.arguments.check(
        {
            "schema": "s",
            "rate": 1,
            "findings": [{"title": "t", "places": ["a"]}],
            "place": {"file": "f"},
            "shape": [2, "b"],
        }
    )
    assert values == {
        "schema": "s",
        "rate": 1.0,
        "findings": [Finding(title="t", places=("a",))],
        "place": {"file": "f"},
        "shape": (2, "b"),
    }


@pytest.mark.parametrize("steps", ["3", True, 3.0, 3.5, None, [3]])
def test_nothing_is_converted_by_guesswork(steps):
    assert "steps: should be a valid integer" in problem({"schema": "s", "steps": steps})


def test_all_problems_are_reported_together():
    text = problem({"steps": "3", "findings": [{"title": 1, "level": "high", "extra": 0}], "stepps": 1})
    for words in (
        "schema: required, but missing",
        'steps: should be a valid integer, got "3"',
        "findings.0.title: should be a valid string, got 1",
        "findings.0.level: should be 'note' or 'blocking', got \"high\"",
        "findings.0.extra: there is no such parameter",
        "stepps: there is no such parameter; known: schema, steps",
    ):
        assert words in text


@pytest.mark.parametrize("raw", [{"schema": float("nan")}, {"schema": b"x"}, {"schema": "\ud800"}])
def test_what_is_not_json_is_refused(raw):
    assert "JSON" in problem(raw)


def test_long_values_are_shortened_in_problems():
    assert len(problem({"schema": "s", "steps": "x" * 10_000})) < 400


@given(
    steps=st.integers(-(2**53), 2**53),
    rate=st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    schema=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_what_the_schema_allows_is_passed_on_unchanged(steps, rate, schema):
    raw = {"schema": schema, "steps": steps, "rate": rate}
    assert report.arguments.check(raw) == raw


def test_every_mistake_in_the_declaration_is_named():
    with pytest.raises(ConfigError) as caught:

        @tool(name="bad name")
        async def broken(ctx: ToolContext, untyped, *rest: str, again: ToolContext) -> str:
            """Do.

            Args:
                stepz: Not there.
            """

    text = "\n".join(caught.value.problems)
    assert "name must be 1 to 64 letters" in text
    assert "'untyped' has no type" in text
    assert "'rest' must be an ordinary named parameter" in text
    assert "'again' is a ToolContext; it must come first" in text
    assert "names parameter 'stepz'" in text


def test_a_tool_needs_a_docstring_an_async_function_and_resolvable_hints():
    with pytest.raises(ConfigError, match="no docstring"):

        @tool
        async def silent(path: str) -> str: ...

    with pytest.raises(ConfigError, match="async function"):

        @tool
        def blocking(path: str) -> str:
            """Block."""

    with pytest.raises(ConfigError, match="'Missing' is not defined"):

        @tool
        async def lost(path: Missing) -> str:  # noqa: F821
            """Lose."""


def test_the_context_may_be_described_too():
    @tool
    async def described(ctx: ToolContext, path: str) -> str:
        """Do.

        Args:
            ctx: Where.
            path: What.
        """

    assert list(described.spec.parameters["properties"]) == ["path"]


def test_types_without_a_json_form_are_refused_by_name():
    @tool
    async def odd(thing: threading_like) -> str:
        """Do."""

    with pytest.raises(ConfigError, match=r"'odd'.*no JSON form"):
        _ = odd.spec

    @tool
    async def endless(loop: Loop) -> str:
        """Do."""

    with pytest.raises(ConfigError, match=r"'endless'.*Loop contains itself"):
        _ = endless.spec


class threading_like:  # noqa: N801
    pass


async def test_call_checks_and_fills_in_the_context():
    context = object()

    @tool
    async def plain(text: str = "default") -> str:
        """Do."""
        return text

    assert await plain.call(context, {}) == "default"
    assert await report.call(context, {"schema": "x"}) == "x"
    with pytest.raises(ToolError, match="no such parameter; known: text"):
        await plain.call(context, {"ctx": 1})


def test_two_tools_of_one_name_are_refused():
    check_tools([report])
    with pytest.raises(ConfigError, match="'report' is given more than once"):
        check_tools([report, report])


def test_importing_and_making_tools_does_not_load_pydantic():
    code = "import sys, alphalab.tools, alphalab.agents; alphalab.tools.shell(); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
