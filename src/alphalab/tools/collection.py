"""Tools in groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from alphalab.errors import ConfigError
from alphalab.tools.base import Tool
from alphalab.tools.files import edit_file, list_files, read_file, write_file
from alphalab.tools.search import grep


def file_tools() -> list[Tool]:
    """Everything that reads, searches and changes text files; the role's access decides what they reach."""
    return [read_file, write_file, edit_file, list_files, grep]


def check_tools(tools: Sequence[Tool]) -> None:
    """See that a model can tell these tools apart.

    Raises:
        ConfigError: Two tools have one name.
    """
    twice = [name for name, count in Counter(each.name for each in tools).items() if count > 1]
    if twice:
        problems = [f"{name!r} is given more than once; rename one with @tool(name=...)" for name in twice]
        raise ConfigError.of("tools", problems)
