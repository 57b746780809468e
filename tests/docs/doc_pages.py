"""Pages as programs: their fenced blocks, and a way to run those of one page as a script.

`python doc_pages.py PAGE.md` runs in the current folder. A block whose fence names a file (```` ```toml run.toml ````)
is written there; a Python block without a name is run; the blocks of a page share one namespace, in order.
"""

import re
import sys
from pathlib import Path
from types import ModuleType

from attrs import frozen

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"^```(\w*)[ \t]*(\S*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_USES = re.compile(r"<!-- uses: (\S+) -->")


@frozen
class Block:
    """One fenced block."""

    language: str
    file: str
    """Where its text goes; empty for one that is run or only shown."""
    text: str
    line: int
    """Of its first line in the page, from 1."""


def blocks_of(page: Path) -> tuple[Block, ...]:
    """All fenced blocks of a page."""
    source = page.read_text()
    return tuple(
        Block(found[1], found[2], found[3], source.count("\n", 0, found.start(3)) + 1)
        for found in _FENCE.finditer(source)
    )


def prose_of(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def uses(page: Path) -> Path | None:
    """The page whose folder this one goes on from."""
    named = _USES.search(page.read_text())
    return (page.parent / named[1]).resolve() if named else None


def runs(page: Path) -> bool:
    """Whether a page has anything to run."""
    return any(block.language == "python" for block in blocks_of(page))


def run(page: Path) -> None:
    """Run a page's blocks as one script in the current folder."""
    script = ModuleType("__main__")
    sys.modules["__main__"] = script
    sys.path[0] = str(Path.cwd())
    for block in blocks_of(page):
        if block.file:
            target = Path(block.file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif block.language == "python":
            lines = "\n" * (block.line - 1) + block.text  # so that a traceback shows lines of the page
            exec(compile(lines, str(page), "exec"), vars(script))


if __name__ == "__main__":
    run(Path(sys.argv[1]).resolve())
