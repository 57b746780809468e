"""Searching: bounded, within bounds, and not to be hung by a pattern."""

import time

import pytest

from alphalab.commands import Access
from alphalab.errors import ToolError
from alphalab.tools import ToolContext, grep, search
from alphalab.tools.walk import glob_pattern
from alphalab.workspace import Workspace


@pytest.fixture
def ctx(tmp_path):
    for name in ("src/a", "private", "notes"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "src/one.py").write_text("import os\nTARGET = 1\n")
    (tmp_path / "src/a/two.py").write_text("target = 2\n")
    (tmp_path / "src/a/three.txt").write_text("TARGET in text\n")
    (tmp_path / "src/binary.bin").write_bytes(b"TARGET\0")
    (tmp_path / "private/key.py").write_text("TARGET secret\n")
    (tmp_path / "src/link.py").symlink_to(tmp_path / "private/key.py")
    (tmp_path / "src/linked").symlink_to(tmp_path / "private")
    access = Access(readable=(tmp_path / "src", tmp_path / "notes"), hidden=(tmp_path / "private",))
    return ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, access=access, outputs=tmp_path / "outputs")


async def test_matches_carry_file_and_line(ctx):
    assert await grep.call(ctx, {"pattern": "TARGET", "path": "src"}) == (
        "src/a/three.txt:1: TARGET in text\nsrc/one.py:2: TARGET = 1"
    )
    assert "src/a/two.py:1: target = 2" in await grep.call(
        ctx, {"pattern": "(?i)target", "path": "src", "glob": "*.py"}
    )
    assert await grep.call(ctx, {"pattern": "import", "path": "src/one.py"}) == "src/one.py:1: import os"


async def test_default_path_searches_all_that_is_readable(ctx):
    text = await grep.call(ctx, {"pattern": "TARGET"})
    assert "src/one.py:2" in text
    assert "secret" not in text
    assert await grep.call(ctx, {"pattern": "nowhere"}) == "no line matches 'nowhere' in 4 files"


async def test_outputs_are_bounded(ctx, tmp_path):
    (tmp_path / "src/many.txt").write_text("".join(f"hit {number} {'x' * 500}\n" for number in range(300)))
    text = await grep.call(ctx, {"pattern": "hit"})
    assert "(only the first 100 matches" in text
    assert "characters left out; all of it is in outputs/agent-grep-0001.txt" in text
    assert len(text) < 13_000
    assert len((tmp_path / "outputs/agent-grep-0001.txt").read_text().splitlines()) == 101


async def test_mistakes_come_back_with_a_remedy(ctx):
    with pytest.raises(ToolError, match="not a regular expression"):
        await grep.call(ctx, {"pattern": "(open"})
    with pytest.raises(ToolError, match="does not exist"):
        await grep.call(ctx, {"pattern": "x", "path": "src/none"})
    with pytest.raises(ToolError, match="may read"):
        await grep.call(ctx, {"pattern": "x", "path": "private"})


async def test_a_pattern_that_never_ends_is_ended(ctx, tmp_path, monkeypatch):
    (tmp_path / "src/trap.txt").write_text("a" * 60 + "b\n")
    monkeypatch.setattr(search, "_PATIENCE_S", 0.5)
    started = time.monotonic()
    with pytest.raises(ToolError, match="simpler pattern"):
        await grep.call(ctx, {"pattern": "(a+)+$"})
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("**/*", "a.py", True),
        ("**/*", "a/b/c.py", True),
        ("*.py", "a/b/c.py", True),
        ("*.py", "a/b/c.pyc", False),
        ("a/*.py", "a/c.py", True),
        ("a/*.py", "a/b/c.py", False),
        ("./a/**/c.py", "a/b/d/c.py", True),
        ("a/**", "a/b/d/c.py", True),
        ("?.py", "ab.py", False),
        ("a+b.py", "a+b.py", True),
    ],
)
def test_globs(glob, path, matches):
    assert bool(glob_pattern(glob).match(path)) is matches
