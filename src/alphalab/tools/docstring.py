"""Google-style docstrings: the description and what is said of each parameter."""

from __future__ import annotations

import inspect
import re
import textwrap

from attrs import field, frozen

_SECTION = re.compile(r"^(Args|Arguments|Attributes|Returns|Raises|Yields|Examples?|Notes?|Source):\s*$")
_ENTRY = re.compile(r"^(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_PARAMETERS = ("Args", "Arguments", "Attributes")


@frozen(kw_only=True)
class Docstring:
    """What a docstring says, taken apart."""

    description: str
    """Everything outside sections."""
    parameters: dict[str, str] = field(factory=dict[str, str])
    """Texts of `Args:` or `Attributes:` by name, each on one line."""


def parse_docstring(text: str | None) -> Docstring:
    """Take a Google-style docstring apart; None and unknown layouts give what can be had."""
    section = ""
    bodies: dict[str, list[str]] = {"": []}
    for line in inspect.cleandoc(text or "").splitlines():
        heading = _SECTION.match(line)
        if heading:
            section = heading.group(1)
        elif section and line and not line[0].isspace():
            section = ""
        bodies.setdefault(section, []).extend(() if heading else (line,))
    entries = [line for name in _PARAMETERS for line in bodies.get(name, ())]
    return Docstring(description="\n".join(bodies[""]).strip(), parameters=_entries(entries))


def _entries(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        entry = _ENTRY.match(line)
        if entry:
            name = entry.group(1)
            found[name] = entry.group(2).strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
