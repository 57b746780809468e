"""Text of an HTML page or a PDF; run as a child process, since both were written by strangers.

A page made for it can keep a parser busy for hours or let it take all memory. So this file is a program of its own: it
imports nothing of the library, sets its own limits, reads bytes from standard input and prints one JSON object with
`title`, `text` and `note`, or `problem`.

    python extract.py html|pdf ADDRESS SECONDS MEMORY_BYTES
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

NEVER_SHOWN = frozenset({"script", "style", "template", "noscript", "svg", "canvas", "iframe", "object", "head"})
NAVIGATION = frozenset({"nav", "footer", "aside", "button", "select", "dialog", "menu"})
NAVIGATION_ROLES = frozenset({"navigation", "banner", "contentinfo", "complementary", "search", "dialog"})
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
LINES = frozenset({"li", "dt", "dd", "tr"})
"""Elements on a line of their own, without an empty one between them."""
BLOCKS = LINES | frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body caption details div dl fieldset figcaption figure footer form h1 h2 h3 "
        "h4 h5 h6 header hr main nav ol p pre section summary table tbody tfoot thead ul",
    )
)
CLOSES = {  # a start tag ends an open element of these names, whose end tag HTML lets authors leave out
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "tr": {"tr", "td", "th"},
    "td": {"td", "th"},
    "th": {"td", "th"},
    "option": {"option"},
    "body": {"head"},
}
PIECE = 200_000
"""Characters between two looks at the time."""
LONGEST_LINK = 500
"""Characters of the longest target that is shown; longer ones carry data, and a base address makes all of them long."""
LONGEST = 20_000_000
"""Characters of text that are handed back."""
Attributes = dict[str, str]


class Page(HTMLParser):
    """Collects the readable text of a page: headings, lists, tables and links as Markdown has them."""

    def __init__(self, address: str, dropped: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.address = address
        self.dropped = dropped
        self.title = ""
        self.pieces: list[str] = []
        self.main: list[str] = []
        self.open: list[tuple[str, bool, bool]] = []  # name, left out, part of the main text
        self.link: tuple[str, int] | None = None  # where the open link leads, and the first piece of its text

    @property
    def left_out(self) -> bool:
        """Whether what comes now is not shown."""
        return bool(self.open) and self.open[-1][1]

    @property
    def preformatted(self) -> bool:
        """Whether spaces count."""
        return any(name == "pre" for name, *_ in self.open)

    def add(self, text: str) -> None:
        """Take a piece of text."""
        self.pieces.append(text)
        if self.open and self.open[-1][2]:
            self.main.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        given = {name: value or "" for name, value in attrs}
        self._close_implied(tag)
        if tag == "base" and given.get("href"):
            self.address = urljoin(self.address, given["href"])
        if not self.left_out and not self._drops(tag, given):
            self._begin(tag, given)
        if tag not in VOID:
            self._push(tag, given)

    def _push(self, tag: str, given: Attributes) -> None:
        formula = tag == "math" and "alttext" in given  # its TeX was shown, which says the same as what is inside
        left_out = self.left_out or self._drops(tag, given) or formula
        inside = bool(self.open) and self.open[-1][2]
        main = inside or tag in {"main", "article"} or given.get("role") == "main"
        self.open.append((tag, left_out, main))

    def _close_implied(self, tag: str) -> None:
        ended = {"p"} if tag in BLOCKS else set[str]()
        ended |= CLOSES.get(tag, set())
        while self.open and self.open[-1][0] in ended:
            self.handle_endtag(self.open[-1][0])

    def _drops(self, tag: str, given: Attributes) -> bool:
        # Text that a reader of the page cannot see is where instructions for machines hide.
        style = given.get("style", "").replace(" ", "").lower()
        hidden = "hidden" in given or "display:none" in style or "visibility:hidden" in style
        return (
            tag in self.dropped
            or hidden
            or given.get("aria-hidden") == "true"
            or (self.dropped >= NAVIGATION and given.get("role", "") in NAVIGATION_ROLES)
        )

    def _begin(self, tag: str, given: Attributes) -> None:
        if tag in BLOCKS:
            self.add("\n" if tag in LINES else "\n\n")
        if tag == "a":
            self._begin_link(given.get("href", ""))
        elif tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            self.add("#" * int(tag[1]) + " ")
        elif tag == "math":
            self.add(f" {given.get('alttext', '')} ")
        else:
            self.add({"li": "- ", "br": "\n", "td": " | ", "th": " | ", "pre": "```\n"}.get(tag, ""))
            if tag == "img" and given.get("alt", "").strip():
                self.add(f" [picture: {given['alt'].strip()}]")

    def _begin_link(self, href: str) -> None:
        if self.link is not None:
            self._end_link()
        with contextlib.suppress(ValueError):  # an unclosed bracket in the host
            target = urljoin(self.address, href.strip())
            web = urlsplit(target).scheme in {"http", "https"} and len(target) <= LONGEST_LINK
            if web and href and not href.startswith("#"):
                self.link = (target, len(self.pieces))

    def _end_link(self) -> None:
        assert self.link is not None
        target, start = self.link
        self.link = None
        if "".join(self.pieces[start:]).strip():
            self.add(f" <{target}>")

    def handle_endtag(self, tag: str) -> None:
        """End an element, and those that were left open inside it."""
        if all(name != tag for name, *_ in self.open):
            return
        if tag == "a" and self.link is not None:
            self._end_link()
        if not self.left_out and tag in BLOCKS - LINES:
            self.add("\n```\n\n" if tag == "pre" else "\n")
        while self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Take text."""
        if any(name == "title" for name, *_ in self.open[-1:]) and all(name != "svg" for name, *_ in self.open):
            self.title = self.title or " ".join(data.split())
        elif not self.left_out:
            self.add(data if self.preformatted else re.sub(r"\s+", " ", data))


def tidy(text: str) -> str:
    """Lines without spaces at their ends, and never two empty ones in a row; code keeps its shape."""
    lines: list[str] = []
    code = False
    for line in text.splitlines():
        if line.strip() == "```":
            code = not code
        shown = line.rstrip() if code else re.sub(r"[ \t\xa0]+", " ", line).strip().removeprefix("| ")
        if shown or (lines and lines[-1]):
            lines.append(shown)
    return "\n".join(lines).strip()


def read_html(text: str, address: str, seconds: float) -> dict[str, str]:
    """Title and main text of a page; all its text where the main part is hardly any of it."""
    end = time.monotonic() + seconds
    page, note = _parsed(text, address, NEVER_SHOWN | NAVIGATION, end)
    main, everything = tidy("".join(page.main)), tidy("".join(page.pieces))
    if not everything:  # a page that is navigation as far as its tags say
        again, note = _parsed(text, address, NEVER_SHOWN, end)
        everything = tidy("".join(again.pieces))
    chosen = main if len(main) >= 0.25 * len(everything) else everything
    if not chosen and not note:
        note = "there is no text in this page; it may be made by JavaScript, which is not run"
    return {"title": page.title, "text": chosen, "note": note}


def _parsed(text: str, address: str, dropped: frozenset[str], end: float) -> tuple[Page, str]:
    page = Page(address, dropped)
    for start in range(0, len(text), PIECE):  # about 0.8 s for a million characters full of tags
        if time.monotonic() > end:
            return page, f"only the first {start} of {len(text)} characters of the page could be read in time"
        page.feed(text[start : start + PIECE])
    page.close()
    return page, ""


def read_pdf(data: bytes, seconds: float) -> dict[str, str]:
    """Text of a PDF, page by page, as far as the time goes."""
    try:
        import pypdf  # noqa: PLC0415 - an extra
    except ImportError:
        return {"problem": "reading a PDF needs pypdf: pip install 'alphalab[web]'"}

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports every oddity of a file on standard error
    end = time.monotonic() + seconds
    reader = pypdf.PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"problem": "the PDF is encrypted with a password"}
    pages: list[str] = []
    count = len(reader.pages)
    while len(pages) < count and time.monotonic() < end:
        pages.append(_page_text(reader.pages[len(pages)].extract_text))
    shown = [f"[page {number} of {count}]\n{text}" for number, text in enumerate(pages, 1)]
    text = "\n\n".join(shown) if any(pages) else ""
    metadata = reader.metadata
    return {"title": (metadata.title or "") if metadata else "", "text": text, "note": _pdf_note(pages, count)}


def _page_text(read: Callable[[], str]) -> str:
    try:
        return read().strip()
    except Exception as error:  # noqa: BLE001 - a parser meets a stranger's bytes; the other pages may be fine
        return f"[this page cannot be read: {error!r:.200}]"


def _pdf_note(pages: list[str], count: int) -> str:
    if len(pages) < count:
        return f"only the first {len(pages)} of {count} pages could be read in time"
    return "" if any(pages) else f"there is no text in the {count} pages; they may be pictures of paper"


def set_limits(seconds: float, memory_bytes: int) -> None:
    """Let the system end this process when it takes too long or too much."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, where only the parent's time limit holds
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 2, int(seconds) + 3))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def bounded(found: dict[str, str]) -> dict[str, str]:
    """What was found, without what is beyond `LONGEST`: a PDF may show the same text on a million pages."""
    text = found.get("text", "")
    if len(text) <= LONGEST:
        return found
    return found | {"text": text[:LONGEST], "note": f"only the first {LONGEST} of {len(text)} characters are kept"}


def main(arguments: list[str]) -> None:
    """Read, and print what was found."""
    kind, address, seconds, memory_bytes = arguments
    set_limits(float(seconds), int(memory_bytes))
    try:
        data = sys.stdin.buffer.read()
        found = read_pdf(data, float(seconds)) if kind == "pdf" else read_html(data.decode(), address, float(seconds))
    except MemoryError:
        found = {"problem": f"reading it takes more than {int(memory_bytes) >> 20} MiB of memory"}
    except Exception as error:  # noqa: BLE001 - the end of this process; a broken file raises anything
        found = {"problem": f"it is broken: {error!r:.200}"}
    sys.stdout.write(json.dumps(bounded(found)))  # ASCII, so that lone surrogates survive


if __name__ == "__main__":
    main(sys.argv[1:])
