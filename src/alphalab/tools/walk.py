"""Walking folders inside what a role may read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from alphalab.commands import Access
from alphalab.tools.base import ToolContext

SKIPPED = frozenset({".git", "__pycache__", ".venv", "node_modules", ".ipynb_checkpoints", ".pytest_cache"})
"""Folders that hold nothing a researcher wrote."""


def entries(access: Access, folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds and the role may read, by name; links are followed only to see where they lead."""
    with os.scandir(folder) as found:
        listed = sorted(found, key=lambda entry: entry.name)
    hidden = {path.resolve() for path in access.hidden}
    real = folder.resolve()
    return [
        entry
        for entry in listed
        if entry.name not in SKIPPED
        and (access.may_read(Path(entry.path)) if entry.is_symlink() else real / entry.name not in hidden)
    ]


def readable_roots(context: ToolContext, path: str) -> list[Path]:
    """A folder or file if it may be read; else what may be read below it, as a workspace's root holds.

    Raises:
        ToolError: Nothing below it may be read.
    """
    asked = context.located(path)
    if not context.access.may_read(asked):
        roots = {*context.access.readable, *context.access.writable}
        below = [root for root in sorted(roots) if root.is_relative_to(asked) and context.access.may_read(root)]
        found = [root for root in below if root.exists() and not any(other in roots for other in root.parents)]
        if found:
            return found
    return [context.readable(path)]


def files_below(access: Access, folder: Path) -> Iterator[Path]:
    """All regular files below a readable folder, in order; linked folders are not entered."""
    for entry in entries(access, folder):
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(access, Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression over relative POSIX paths.

    `*` and `?` stay within one name, `**` crosses folders. A glob without a slash is about the name alone,
    wherever the file lies, because `*.py` is what people write when they mean all Python files.
    """
    anywhere = "" if "/" in glob else r"(?:.*/)?"
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./"))
    meaning = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile(anywhere + "".join(meaning.get(piece, re.escape(piece)) for piece in pieces) + r"\Z", re.DOTALL)
