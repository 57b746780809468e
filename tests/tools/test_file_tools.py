"""File tools: what they show, what they refuse, and that links do not lead outside."""

import os

import pytest

from alphalab.commands import Access
from alphalab.errors import ToolError
from alphalab.tools import ToolContext, edit_file, list_files, read_file, view_image, write_file
from alphalab.workspace import Workspace


@pytest.fixture
def space(tmp_path):
    for name in ("in", "out", "private", "out/hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "private/key.txt").write_text("secret")
    (tmp_path / "in/notes.md").write_text("alpha\nbeta\ngamma\n")
    return tmp_path


@pytest.fixture
def ctx(space):
    access = Access(readable=(space / "in",), writable=(space / "out",), hidden=(space / "out/hidden",))
    return ToolContext(workspace=Workspace(space), cwd=space, access=access)


async def refused(tool, ctx, **arguments):
    with pytest.raises(ToolError) as caught:
        await tool.call(ctx, arguments)
    return str(caught.value)


async def test_read_numbers_lines_and_says_how_to_go_on(ctx):
    assert await read_file.call(ctx, {"path": "in/notes.md"}) == "     1  alpha\n     2  beta\n     3  gamma"
    text = await read_file.call(ctx, {"path": "in/notes.md", "start": 2, "lines": 1})
    assert text == "     2  beta\n(the file goes on; continue with start=3)"


async def test_read_bounds_size_and_long_lines(ctx, space):
    (space / "in/wide.txt").write_text("x" * 5000 + "\n" + "y" * 1000 + "\n" + "line\n" * 100_000)
    text = await read_file.call(ctx, {"path": "in/wide.txt", "lines": 100_000})
    assert len(text) < 40_000
    assert "[... 3000 more characters]" in text
    assert "continue with start=" in text


async def test_read_refuses_with_the_remedy(ctx, space):
    (space / "in/array.npz").write_bytes(b"PK\0\0")
    (space / "in/plot.png").write_bytes(b"\x89PNG\0")
    os.mkfifo(space / "in/pipe")
    assert "did you mean notes.md" in await refused(read_file, ctx, path="in/note.md")
    assert "in holds" in await refused(read_file, ctx, path="in/zzz")
    assert "use list_files" in await refused(read_file, ctx, path="in")
    assert "open it with Python" in await refused(read_file, ctx, path="in/array.npz")
    assert "use view_image" in await refused(read_file, ctx, path="in/plot.png")
    assert "not an ordinary file" in await refused(read_file, ctx, path="in/pipe")
    assert "has 3 lines; start=9" in await refused(read_file, ctx, path="in/notes.md", start=9)
    assert "at least 1" in await refused(read_file, ctx, path="in/notes.md", start=0)
    assert "not a usable path" in await refused(read_file, ctx, path="in/\0")
    assert "File name too long" in await refused(read_file, ctx, path="in/" + "x" * 300)


async def test_empty_file_and_odd_bytes_are_readable(ctx, space):
    (space / "in/empty").touch()
    (space / "in/latin").write_bytes(b"caf\xe9\n")
    assert await read_file.call(ctx, {"path": "in/empty"}) == "(the file is empty)"
    assert "caf\ufffd" in await read_file.call(ctx, {"path": "in/latin"})


@pytest.mark.parametrize(
    "path", ["private/key.txt", "in/../private/key.txt", "/etc/passwd", "in/link", "in/folder/key.txt", "~/x"]
)
async def test_outside_is_out_of_reach_also_through_links(ctx, space, path):
    (space / "in/link").symlink_to(space / "private/key.txt")
    (space / "in/folder").symlink_to(space / "private")
    text = await refused(read_file, ctx, path=path)
    assert "outside what you may read; readable: in, out" in text
    assert "secret" not in text


async def test_loops_of_links_are_refused(ctx, space):
    (space / "in/a").symlink_to(space / "in/b")
    (space / "in/b").symlink_to(space / "in/a")
    await refused(read_file, ctx, path="in/a")


async def test_writing_stays_inside_too(ctx, space):
    (space / "out/link").symlink_to(space / "private/key.txt")
    (space / "out/dangling").symlink_to(space / "private/new.txt")
    for path in ("in/notes.md", "private/new", "out/link", "out/dangling", "out/hidden/x", "out/../in/x"):
        assert "outside what you may write; writable: out" in await refused(write_file, ctx, path=path, content="x")
    assert (space / "private/key.txt").read_text() == "secret"
    assert not (space / "private/new.txt").exists()


async def test_write_creates_folders_replaces_and_keeps_the_mode(ctx, space):
    assert await write_file.call(ctx, {"path": "out/a/b.sh", "content": "1\n2\n"}) == "wrote out/a/b.sh (2 lines)"
    (space / "out/a/b.sh").chmod(0o755)
    assert (await write_file.call(ctx, {"path": "out/a/b.sh", "content": "3"})).startswith("replaced")
    assert (space / "out/a/b.sh").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (space / "out/a").iterdir()] == ["b.sh"]
    assert "is a folder" in await refused(write_file, ctx, path="out/a", content="")
    assert "is a file, not a folder" in await refused(write_file, ctx, path="out/a/b.sh/c", content="")


async def test_writing_through_a_link_inside_keeps_the_link(ctx, space):
    (space / "out/real.txt").write_text("old")
    (space / "out/link.txt").symlink_to(space / "out/real.txt")
    await write_file.call(ctx, {"path": "out/link.txt", "content": "new"})
    assert (space / "out/link.txt").is_symlink()
    assert (space / "out/real.txt").read_text() == "new"


async def test_edit_replaces_exactly_what_was_named(ctx, space):
    file = space / "out/code.py"
    file.write_bytes(b"a = 1\r\nb = 1\r\nlong_name = 3\r\n")
    assert await edit_file.call(ctx, {"path": "out/code.py", "old": "= 1", "new": "= 2", "count": 2})
    assert file.read_bytes() == b"a = 2\r\nb = 2\r\nlong_name = 3\r\n"
    assert "occurs 2 times" in await refused(edit_file, ctx, path="out/code.py", old="= 2", new="")
    assert "occurs 1 times" in await refused(edit_file, ctx, path="out/code.py", old="long", new="", count=2)
    assert "lines end in CRLF" in await refused(edit_file, ctx, path="out/code.py", old="a = 2\nb", new="")
    assert "only in white space" in await refused(edit_file, ctx, path="out/code.py", old="a =  2", new="")
    assert "nearest line is 'long_name = 3'" in await refused(
        edit_file, ctx, path="out/code.py", old="long_nam = 3", new=""
    )
    assert "old is empty" in await refused(edit_file, ctx, path="out/code.py", old="", new="x")
    assert "may write" in await refused(edit_file, ctx, path="in/notes.md", old="alpha", new="x")


async def test_edit_refuses_what_it_would_damage(ctx, space):
    (space / "out/latin.txt").write_bytes(b"caf\xe9\n")
    assert "is not UTF-8" in await refused(edit_file, ctx, path="out/latin.txt", old="caf", new="x")


async def test_list_shows_a_tree_and_leaves_out_what_is_hidden(ctx, space):
    (space / "in/deep/er").mkdir(parents=True)
    (space / "in/deep/er/x.txt").write_text("12345")
    (space / "in/__pycache__").mkdir()
    (space / "in/link").symlink_to(space / "private")
    assert await list_files.call(ctx, {"path": "in"}) == "deep/\n  er/\nnotes.md  17 bytes"
    assert "    x.txt  5 bytes" in await list_files.call(ctx, {"path": "in", "depth": 3})
    assert await list_files.call(ctx, {"path": "out"}) == "(empty)"
    assert "is not a folder" in await refused(list_files, ctx, path="in/notes.md")
    assert "does not exist" in await refused(list_files, ctx, path="in/nothing")
    assert "may read" in await refused(list_files, ctx, path="private")


async def test_listing_above_what_is_readable_shows_only_that(ctx):
    assert await list_files.call(ctx, {}) == "in/\n  notes.md  17 bytes\nout/"


async def test_long_listings_are_bounded(ctx, space):
    for number in range(500):
        (space / f"in/f{number:03d}").touch()
    text = await list_files.call(ctx, {"path": "in"})
    assert len(text.splitlines()) == 401
    assert "more than 400 entries" in text


async def test_single_files_may_be_readable(space):
    ctx = ToolContext(workspace=Workspace(space), cwd=space, access=Access(readable=(space / "in/notes.md",)))
    assert "alpha" in await read_file.call(ctx, {"path": "in/notes.md"})
    assert await list_files.call(ctx, {"path": "."}) == "in/notes.md"
    assert "view" not in await refused(view_image, ctx, path="in/plot.png")
