"""Searching file contents."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

from alphalab.errors import ToolError
from alphalab.tools import matcher
from alphalab.tools.base import ToolContext, tool
from alphalab.tools.files import plain_errors
from alphalab.tools.output import show
from alphalab.tools.walk import files_below, glob_pattern, readable_roots

_PATIENCE_S = 15.0
_MOST_MATCHES = 1000


@tool(parallel=True)
async def grep(ctx: ToolContext, pattern: str, path: str = ".", glob: str = "**/*", max_matches: int = 100) -> str:
    """Search text files for a regular expression, line by line.

    Args:
        pattern: Python regular expression; `(?i)` in front ignores case.
        path: File or folder to search.
        glob: Which files below the folder, e.g. `*.py` or `src/**/*.toml`.
        max_matches: Lines to show at most.
    """
    _require_pattern(pattern)
    wanted = min(max(max_matches, 1), _MOST_MATCHES)
    with plain_errors(path):
        paths = await asyncio.to_thread(_candidates, ctx, path, glob)
    found = await asyncio.to_thread(_search, pattern, paths, wanted)
    if not found:
        return f"no line matches {pattern!r} in {len(paths)} file{'' if len(paths) == 1 else 's'}"
    lines = [f"{ctx.shown(Path(name))}:{number}: {text}" for name, number, text in found[:wanted]]
    if len(found) > wanted:
        lines.append(f"(only the first {wanted} matches; narrow the pattern, the path or the glob)")
    return show(ctx, "grep", "\n".join(lines))


def _require_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ToolError(
            f"{pattern!r} is not a regular expression: {error}; put a backslash before characters meant literally"
        ) from error


def _candidates(ctx: ToolContext, path: str, glob: str) -> list[str]:
    asked, wanted, found = ctx.located(path), glob_pattern(glob), list[str]()
    for root in readable_roots(ctx, path):
        if not root.exists():
            raise ToolError(f"{path!r} does not exist; use list_files to see what is there")
        if root.is_file():
            found.append(str(root))
        elif root.is_dir():
            below = files_below(ctx.access, root)
            found += [str(file) for file in below if wanted.match(file.relative_to(asked).as_posix())]
    return found


def _search(pattern: str, paths: list[str], max_matches: int) -> list[tuple[str, int, str]]:
    request = json.dumps({"pattern": pattern, "paths": paths, "max_matches": max_matches})
    argv = [sys.executable, "-I", "-S", str(matcher.__file__)]
    try:
        done = subprocess.run(
            argv, input=request.encode(), capture_output=True, timeout=_PATIENCE_S, check=True, env={}
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"the search took longer than {_PATIENCE_S:.0f} s and was ended; use a simpler pattern or fewer files"
        ) from error
    return cast("list[tuple[str, int, str]]", json.loads(done.stdout))
