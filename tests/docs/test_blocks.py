"""What the pages show is true: Python runs, TOML loads, commands parse, links lead somewhere."""

import re
import shlex
import tomllib
from urllib.parse import unquote

import pytest
from doc_pages import PAGES, ROOT, blocks_of, prose_of, runs

from alphalab.campaign import read_config
from alphalab.cli.main import make_parser

_LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.slow
@pytest.mark.bubblewrap
@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)], ids=name_of)
def test_python_blocks_run(page, folder_after):
    folder_after(page)


TOML = [(page, block) for page in PAGES for block in blocks_of(page) if block.language == "toml"]


@pytest.mark.parametrize(("page", "block"), TOML, ids=[f"{name_of(page)}:{block.line}" for page, block in TOML])
def test_toml_blocks_load(page, block, tmp_path):
    data = tomllib.loads(block.text)
    if "task" in data and "adapter" in data:
        path = tmp_path / "campaign.toml"
        path.write_text(block.text)
        assert read_config(path).check() == ()


def commands():
    for page in PAGES:
        for block in blocks_of(page):
            if block.language in ("bash", "sh"):
                for line in block.text.replace("\\\n", " ").splitlines():
                    if line.startswith("alphalab "):
                        yield pytest.param(line, id=f"{name_of(page)}: {line[:60]}")


@pytest.mark.parametrize("line", list(commands()))
def test_commands_parse(line):
    make_parser().parse_args(shlex.split(line, comments=True)[1:])


def slug(heading):
    """As GitHub makes it: lower case, punctuation dropped, spaces as hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for found in _LINK.finditer(prose_of(page)):
        target, _, anchor = unquote(found[1] or found[2]).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{name_of(page)} links to {target!r}, which is not there"
        if anchor:
            headings = {slug(heading) for heading in _HEADING.findall(path.read_text())}
            assert anchor in headings, f"{name_of(page)} links to {target}#{anchor}; headings: {sorted(headings)}"


def test_every_page_can_be_reached_from_the_index():
    index = ROOT / "docs/index.md"
    linked = {(index.parent / found[1].partition("#")[0]).resolve() for found in _LINK.finditer(prose_of(index))}
    pages = set((ROOT / "docs").rglob("*.md")) - {index}
    assert sorted(name_of(page) for page in pages - linked) == []
