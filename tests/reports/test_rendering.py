from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab.reports.blocks import Code, Document, Figure, Items, Paragraph, Section, Table
from alphalab.reports.markdown import markdown, words
from alphalab.reports.page import page

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><svg onload=alert(1)>",
    "`code` [link](javascript:alert(1)) ![x](http://x/y.png)",
    "line\n# heading\n\x1b[31mred\x00\ud800",
)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Elements(HTMLParser):
    """Every element with its attributes; fails on one that is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def document(text: str) -> Document:
    blocks = [
        Paragraph(text=text, kind="alert"),
        Items(lines=[text]),
        Table(head=("a", text), rows=[("1", text)], numbers=(0,), strong=(0,), caption=text, folded=text),
        Figure(name="plot", title=text, caption=text, png=b"\x89PNG", width=2, height=1, file=f"exploration/{text}"),
        Code(text=text),
    ]
    return Document(
        title=text,
        subtitle=text,
        opening=blocks,
        sections=[Section(title=text, anchor="a", blocks=blocks)],
        footer=text,
    )


def check_harmless(text: str) -> None:
    elements = Elements(text).found
    assert not {"script", "iframe", "object", "base"} & {tag for tag, _ in elements}
    for tag, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert attributes.get("href", "#").startswith("#")
    text.encode()


@pytest.mark.parametrize("text", EVIL)
def test_a_page_shows_any_text_as_text(text):
    check_harmless(page(document(text)))


@given(st.text(max_size=60))
def test_any_text_at_all(text):
    check_harmless(page(document(text)))
    markdown(document(text)).encode(errors="surrogatepass")


def test_a_page_needs_nothing_but_itself():
    text = page(document("fine"))
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


@pytest.mark.parametrize("text", EVIL)
def test_markdown_shows_any_text_as_words(text):
    told = words(text)
    assert "<" not in told
    assert "\n" not in told
    assert not told.startswith("#")
    assert "](" not in told.replace("\\](", "")
    assert words("# a") == "\\# a"
    assert words("1. a") == "\\1. a"


def test_code_cannot_leave_its_fence():
    told = markdown(document("```\n# out\n```` "))
    assert "`````\n```\n# out\n````\n`````" in told


def test_links_of_pictures_cannot_leave_their_brackets():
    assert "(<../exploration/a> b>)" not in markdown(document("a> b"))


def test_a_table_marks_numbers_and_the_row_that_counts():
    text = page(document("fine"))
    assert '<tr class="strong"><td class="number">1</td><td>fine</td></tr>' in text
    assert "<details><summary>fine</summary>" in text
