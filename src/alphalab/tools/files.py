"""Reading and writing text files inside what a role may touch."""

from __future__ import annotations

import difflib
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from alphalab.errors import ToolError
from alphalab.tools.base import ToolContext, tool
from alphalab.tools.output import SHOWN
from alphalab.tools.walk import entries, readable_roots
from alphalab.workspace import write_atomic

MAX_BYTES = 50_000_000
"""Files above this are for the shell; reading one line by line would hold up everybody else."""
_MAX_LINE = 2000
_MAX_ENTRIES = 400
_COMPARED = 1000
"""Names or lines compared for a hint; each comparison takes some 50 microseconds."""
_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})


@contextmanager
def plain_errors(path: str) -> Generator[None]:
    """Turn what the operating system says about a path into a `ToolError`."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise ToolError(f"{path!r}: a part of this path is a file, not a folder") from error
    except OSError as error:
        raise ToolError(f"{path!r}: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise ToolError(f"{path!r}: the text holds a character that UTF-8 cannot hold: {error.reason}") from error


def regular_file(context: ToolContext, path: str) -> Path:
    """An existing ordinary file that the role may read.

    Raises:
        ToolError: It is missing (names that look alike are listed), a folder, a device, or out of bounds.
    """
    found = context.readable(path)
    with plain_errors(path):
        if found.is_dir():
            raise ToolError(f"{path!r} is a folder; use list_files")
        if not found.exists():
            raise ToolError(f"{path!r} does not exist{_alike(context, found)}")
        if not found.is_file():
            raise ToolError(f"{path!r} is not an ordinary file")
    return found


def _alike(context: ToolContext, path: Path) -> str:
    if not path.parent.is_dir() or not context.access.may_read(path.parent):
        return "; use list_files to see what is there"
    names = [entry.name for entry in entries(context.access, path.parent)[:_COMPARED]]
    close = difflib.get_close_matches(path.name, names, n=3)
    return f"; did you mean {', '.join(close)}?" if close else f"; {context.shown(path.parent)} holds {_few(names)}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more if names else "nothing"


def is_binary(path: Path) -> bool:
    """Whether the first 8 kB hold a zero byte."""
    with path.open("rb") as stream:
        return b"\0" in stream.read(8192)


@tool(parallel=True)
async def read_file(ctx: ToolContext, path: str, start: int = 1, lines: int = 400) -> str:
    """Read a text file, with line numbers.

    Args:
        path: Relative to the working folder, or absolute.
        start: First line, counted from 1.
        lines: How many lines at most.
    """
    if start < 1 or lines < 1:
        raise ToolError(f"start={start} and lines={lines} must both be at least 1")
    found = regular_file(ctx, path)
    with plain_errors(path):
        _require_text(found, path)
        return _numbered(found, path, start, lines)


def _require_text(found: Path, path: str) -> None:
    size = found.stat().st_size
    if is_binary(found):
        hint = "use view_image" if found.suffix.lower() in _IMAGES else "open it with Python in the shell"
        raise ToolError(f"{path!r} is binary ({size} bytes); {hint}")
    if size > MAX_BYTES:
        raise ToolError(f"{path!r} has {size} bytes; look at a part of it in the shell, e.g. sed -n '1,200p'")


def _numbered(found: Path, path: str, start: int, lines: int) -> str:
    with found.open(encoding="utf-8", errors="replace") as stream:
        skipped = sum(1 for _ in islice(stream, start - 1))
        if skipped < start - 1:
            raise ToolError(f"{path!r} has {skipped} lines; start={start} is behind its end")
        shown, size = list[str](), 0
        for line in islice(stream, lines):
            text = f"{start + len(shown):>6}  {_cut(line.rstrip(chr(10)))}"
            size += len(text) + 1
            if shown and size > 3 * SHOWN:
                break
            shown.append(text)
        else:
            return _ending(shown, start, more=bool(next(stream, "")))
    return _ending(shown, start, more=True)


def _ending(shown: list[str], start: int, *, more: bool) -> str:
    if not shown:
        return "(the file is empty)" if start == 1 else "(nothing after this line)"
    return "\n".join(shown) + (f"\n(the file goes on; continue with start={start + len(shown)})" if more else "")


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} [... {len(line) - _MAX_LINE} more characters]"


@tool
async def write_file(ctx: ToolContext, path: str, content: str) -> str:
    """Write a text file, whole; folders are created and an older file is replaced.

    Args:
        path: Relative to the working folder, or absolute.
        content: Everything the file shall hold.
    """
    target = ctx.writable(path)
    with plain_errors(path):
        if target.is_dir():
            raise ToolError(f"{path!r} is a folder; name a file in it")
        existed = target.exists()
        _replace(target, content)
    return f"{'replaced' if existed else 'wrote'} {path} ({len(content.splitlines())} lines)"


def _replace(target: Path, content: str) -> None:
    real = target.resolve()  # a link keeps pointing where it did
    mode = real.stat().st_mode & 0o777 if real.exists() else None
    write_atomic(real, content)
    if mode is not None:
        real.chmod(mode)


@tool
async def edit_file(ctx: ToolContext, path: str, old: str, new: str, count: int = 1) -> str:
    """Replace an exact piece of text in a file.

    Args:
        path: Relative to the working folder, or absolute.
        old: Text to replace, with its line breaks and indentation, without line numbers; must occur `count` times.
        new: Text to put there.
        count: How often `old` occurs; all of them are replaced.
    """
    target = ctx.writable(path)
    found = regular_file(ctx, path)
    with plain_errors(path):
        text = _decoded(found, path)
        _require_occurrences(text, path, old, count)
        _replace(target, text.replace(old, new))
    return f"replaced {count} occurrence{'s' if count > 1 else ''} in {path}"


def _decoded(found: Path, path: str) -> str:
    _require_text(found, path)
    try:
        return found.read_bytes().decode()  # not read_text: line ends must come back as they were
    except UnicodeDecodeError as error:
        raise ToolError(
            f"{path!r} is not UTF-8 ({error.reason} at byte {error.start}); change it in the shell"
        ) from error


def _require_occurrences(text: str, path: str, old: str, count: int) -> None:
    occurrences = text.count(old) if old else 0
    if not old:
        raise ToolError("old is empty; use write_file to write a whole file")
    if not occurrences:
        raise ToolError(f"old does not occur in {path!r}{_why_absent(text, old)}")
    if occurrences != count:
        raise ToolError(
            f"old occurs {occurrences} times in {path!r}, not {count}; "
            f"add surrounding lines until it is unique, or pass count={occurrences}"
        )


def _why_absent(text: str, old: str) -> str:
    if old in text.replace("\r\n", "\n"):
        return "; its lines end in CRLF, write \\r\\n"
    if " ".join(old.split()) in " ".join(text.split()):
        return "; it differs only in white space: read the lines again and copy them exactly"
    first = old.strip().splitlines()[0].strip()[:_MAX_LINE] if old.strip() else ""
    close = difflib.get_close_matches(first, [line.strip()[:_MAX_LINE] for line in text.splitlines()[:_COMPARED]], n=1)
    return f"; the nearest line is {close[0]!r}" if close else "; read the file again"


@tool(parallel=True)
async def list_files(ctx: ToolContext, path: str = ".", depth: int = 2) -> str:
    """List a folder as a tree with sizes; caches and version control are left out.

    Args:
        path: Folder, relative to the working folder or absolute.
        depth: Levels to show.
    """
    roots = readable_roots(ctx, path)
    with plain_errors(path):
        lines = list(islice(_listing(ctx, roots, path, depth), _MAX_ENTRIES + 1))
    if len(lines) > _MAX_ENTRIES:
        lines[-1] = f"(more than {_MAX_ENTRIES} entries; list a folder further down)"
    return "\n".join(lines) or "(empty)"


def _listing(ctx: ToolContext, roots: list[Path], path: str, depth: int) -> Iterator[str]:
    if len(roots) == 1 and roots[0] == ctx.located(path):
        if not roots[0].is_dir():
            raise ToolError(f"{path!r} is not a folder" if roots[0].exists() else f"{path!r} does not exist")
        yield from _tree(ctx, roots[0], depth, "")
        return
    for root in roots:
        yield ctx.shown(root) + ("/" if root.is_dir() else "")
        if root.is_dir() and depth > 1:
            yield from _tree(ctx, root, depth - 1, "  ")


def _tree(ctx: ToolContext, folder: Path, depth: int, indent: str) -> Iterator[str]:
    for entry in entries(ctx.access, folder):
        yield indent + _entry(entry)
        if entry.is_dir(follow_symlinks=False) and depth > 1:
            yield from _tree(ctx, Path(entry.path), depth - 1, indent + "  ")


def _entry(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return f"{entry.name} -> {Path(entry.path).readlink()}"
    if entry.is_dir(follow_symlinks=False):
        return f"{entry.name}/"
    return f"{entry.name}  {entry.stat(follow_symlinks=False).st_size} bytes"
