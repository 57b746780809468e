"""What a report is made of, before it is Markdown or HTML. All text is plain and escaped by whoever renders it."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class Paragraph:
    """A few sentences."""

    text: str
    kind: Literal["plain", "lead", "alert", "faint"] = "plain"
    """`alert`: must not be overlooked. `lead`: the answer. `faint`: small print."""


@frozen(kw_only=True)
class Items:
    """A list."""

    lines: tuple[str, ...] = field(converter=tuple)


@frozen(kw_only=True)
class Table:
    """A small table."""

    head: tuple[str, ...] = field(converter=tuple)
    rows: tuple[tuple[str, ...], ...] = field(converter=tuple)
    numbers: tuple[int, ...] = field(default=(), converter=tuple)
    """Columns that hold numbers; they are set flush right."""
    strong: tuple[int, ...] = field(default=(), converter=tuple)
    """Rows to stress."""
    faint: tuple[int, ...] = field(default=(), converter=tuple)
    """Rows to set back, e.g. baselines."""
    caption: str = ""
    folded: str = ""
    """On a page, a long table opens below this line when it is asked for."""


@frozen(kw_only=True)
class Figure:
    """A chart or a picture with its message."""

    name: str
    """A plain file name without its ending."""
    title: str
    """In a few words, for those who do not see it."""
    caption: str
    svg: str = ""
    png: bytes = b""
    width: int = 0
    """Of the picture, pixels."""
    height: int = 0
    file: str = ""
    """Where the picture is on disk, relative to the workspace."""


@frozen(kw_only=True)
class Code:
    """Text to be kept as it is."""

    text: str


Block = Paragraph | Items | Table | Figure | Code


@frozen(kw_only=True)
class Section:
    """A heading and what is below it."""

    title: str
    anchor: str
    blocks: tuple[Block, ...] = field(converter=tuple)


@frozen(kw_only=True)
class Document:
    """A whole report."""

    title: str
    subtitle: str
    opening: tuple[Block, ...] = field(converter=tuple)
    """Above the table of contents."""
    sections: tuple[Section, ...] = field(converter=tuple)
    """Those without blocks are left out."""
    footer: str = ""


def amount(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, e.g. `1 seed`, `3 seeds`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
