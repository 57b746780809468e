"""PDFs, and documents made to keep or fill whoever reads them."""

import asyncio
import io
import sys
import time
import zlib
from pathlib import Path

import pytest
from web_site import answer, site

from alphalab.errors import ToolError
from alphalab.tools.web import documents, extract
from alphalab.tools.web.documents import Document, read_document
from alphalab.tools.web.extract import read_html
from alphalab.tools.web.fetch import Fetcher


def pdf(*pages: str, title: str = "") -> bytes:
    """A PDF with one line of text a page."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    fonts = "/Resources << /Font << /F1 3 0 R >> >>"
    for number, text in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R {fonts} >>",
            f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        ]
    objects.append(f"<< /Title ({title}) >>")
    return assembled([each.encode() for each in objects])


def assembled(objects: list[bytes]) -> bytes:
    written = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(written))
        written += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % each for each in offsets)
    size, start = len(objects) + 1, len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % size + table
    written += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, size - 1, start)
    return bytes(written)


async def read(data: bytes, content_type: str = "application/pdf", seconds: float = 20):
    return await read_document(data, content_type, address="http://site.example/a", seconds=seconds)


@pytest.mark.parametrize("kind", ["application/pdf", "application/octet-stream", "text/html", None])
async def test_a_pdf_is_read_page_by_page_whatever_it_is_called(kind):
    async with site() as here:
        here.pages["/a"] = answer(pdf("Loss is 2.5", "and falls", title="A paper"), kind)
        _, found = await Fetcher(allow_private=True).fetch(here.url("/a"))
    assert found.title == "A paper"
    assert found.text == "[page 1 of 2]\nLoss is 2.5\n\n[page 2 of 2]\nand falls"
    assert found.note == ""


async def test_a_pdf_of_pictures_says_so():
    found = await read(pdf("", ""))
    assert found.text == ""
    assert found.note == "there is no text in the 2 pages; they may be pictures of paper"


async def test_an_encrypted_pdf_is_told():
    import pypdf

    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("word", algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    with pytest.raises(ToolError, match="encrypted with a password"):
        await read(written.getvalue())


@pytest.mark.parametrize("data", [b"%PDF-1.4", pdf("one")[:200], b"%PDF-1.7" + bytes(range(256)) * 100])
async def test_a_broken_pdf_is_told(data):
    with pytest.raises(ToolError, match="this pdf document cannot be read: it is broken") as failed:
        await read(data)
    assert len(str(failed.value)) < 500


async def test_a_missing_reader_is_named(monkeypatch, tmp_path):
    (tmp_path / "pypdf.py").write_text("raise ImportError('not here')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ToolError, match=r"pip install 'alphalab\[web\]'"):
        await read(pdf("one"))


async def test_a_pdf_that_unpacks_to_a_gigabyte_does_not_take_it(monkeypatch):
    monkeypatch.setattr(documents, "MEMORY_BYTES", 300 << 20)
    packed = zlib.compress(bytes(1 << 30), 1)
    drawn = b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(packed) + packed + b"\nendstream"
    root, kids = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
    assert (await read(assembled([root, kids, page, drawn, b"<< >>"]))).note.startswith(
        "there is no text in the 1 pages"
    )


async def test_a_page_that_takes_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(documents, "MEMORY_BYTES", 100 << 20)
    with pytest.raises(ToolError, match="reading it takes more than 100 MiB of memory"):
        await read(b"x" * 60_000_000, "text/html")


async def test_a_page_that_takes_too_long_is_read_in_part():
    found = read_html("<p>x" * 100_000, "http://s.example/", seconds=0)
    assert found["note"] == "only the first 0 of 400000 characters of the page could be read in time"


@pytest.fixture
def endless_reader(monkeypatch, tmp_path):
    """Whatever holds up a parser: bugs of that kind are found in all of them, and mended."""
    (tmp_path / "pypdf.py").write_text("while True: pass")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


async def test_a_document_that_keeps_its_reader_busy_ends_at_the_limit_and_others_go_on(endless_reader):
    before = time.monotonic()
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    task = asyncio.create_task(others())
    async with site() as here:
        here.pages["/a"] = answer(pdf())
        with pytest.raises(ToolError, match="took longer than 1 s"):
            await Fetcher(allow_private=True, time_limit_s=1).fetch(here.url("/a"))
    task.cancel()
    assert time.monotonic() - before < 10
    assert turns > 20


async def test_the_reader_ends_itself_where_nobody_ends_it(endless_reader):
    with pytest.raises(ToolError, match="too long"):
        await read(pdf(), seconds=1)


async def test_no_secret_reaches_the_process_that_reads(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    (tmp_path / "pypdf.py").write_text("import os\nraise ValueError(sorted(os.environ))")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ToolError, match="PYTHONPATH") as failed:
        await read(pdf("one"))
    assert "OPENAI_API_KEY" not in str(failed.value)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>a<p>b", "a\n\nb"),
        ("a<br>b", "a\nb"),
        ("<p>a &lt;b&gt; &amp;amp; &eacute;", "a <b> &amp; é"),
        ("<a href='/x'>x</a> <a href='#y'>y</a> <a href='mailto:z'>z</a>", "x <http://s.example/x> y z"),
        ("<base href='http://o.example/d/'><a href=x>x</a>", "x <http://o.example/d/x>"),
        ("<a href='http://[x'>x</a><a href=/e></a>", "x"),
        ("<a href=/1>one<a href=/2>two</a>", "one <http://s.example/1>two <http://s.example/2>"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n\n- b\n\n- c"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\nb\nc\nd"),
        ("<script>if (a </b) x()</script>b", "b"),
        ("<div hidden><p>no<div>no</div></div>yes", "yes"),
        ("<span aria-hidden=true>no</span>yes", "yes"),
        ("</div></p>stray", "stray"),
        ("<svg><title>no</title></svg>yes", "yes"),
        ("a" + "<div>" * 3000 + "b", "a\n\nb"),
        ("<!doctype html><!-- no --><![CDATA[no]]>yes", "yes"),
        ("", ""),
    ],
)
def test_html_as_people_write_it(page, text):
    assert read_html(page, "http://s.example/", 10)["text"] == text


def test_long_targets_of_links_do_not_make_a_page_longer():
    page = f"<base href='http://a.example/{'x' * 5000}/'>" + "<a href=y>z</a> " * 1000
    assert read_html(page, "http://s.example/", 10)["text"] == "z " * 999 + "z"


def test_text_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(extract, "LONGEST", 10)
    found = extract.bounded({"title": "", "text": "x" * 11, "note": ""})
    assert found["text"] == "x" * 10
    assert found["note"] == "only the first 10 of 11 characters are kept"


def test_half_a_surrogate_pair_does_not_reach_a_model():
    assert Document(text="a\ud800").text == "a?"


def test_the_reader_stands_alone():
    source = Path(documents.__file__).with_name("extract.py").read_text()
    assert "alphalab." not in source
