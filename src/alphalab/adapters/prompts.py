"""Prompt files: Markdown with `$placeholders`, rendered strictly."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from alphalab.errors import AdapterError

PROMPT_NAMES = (
    "explorer",
    "builder",
    "critic",
    "tester",
    "strategist",
    "implementer",
    "analyst",
    "fixer",
    "reporter",
)
PLACEHOLDERS = (
    "objective",
    "metric",
    "goal",
    "unit",
    "contract",
    "required_files",
    "time_limit",
    "memory_gib",
    "experiment",
)
"""Everything a prompt may refer to; `experiment` is empty for roles that are not about one."""


def check_prompt(name: str, text: str) -> tuple[str, ...]:
    """Problems of one prompt file."""
    if not text.strip():
        return (f"prompts/{name}.md is empty",)
    template = Template(text)
    if not template.is_valid():
        return (f"prompts/{name}.md holds a '$' that is not a placeholder; write '$$' for a dollar sign",)
    unknown = sorted(set(template.get_identifiers()) - set(PLACEHOLDERS))
    if unknown:
        return (
            f"prompts/{name}.md uses unknown placeholder(s) {', '.join(unknown)}; known: {', '.join(PLACEHOLDERS)}",
        )
    return ()


def render_prompt(text: str, values: Mapping[str, str]) -> str:
    """Fill a prompt.

    Raises:
        AdapterError: A placeholder has no value.
    """
    try:
        return Template(text).substitute(values)
    except (KeyError, ValueError) as error:
        raise AdapterError(
            f"a prompt cannot be rendered: {error}; known placeholders: {', '.join(PLACEHOLDERS)}"
        ) from error
