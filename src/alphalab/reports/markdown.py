"""A report as Markdown; charts and pictures are files that it links to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from alphalab.experiments import tables
from alphalab.reports.blocks import Block, Code, Document, Figure, Items, Paragraph, Table
from alphalab.reports.charts import plain

FIGURES = "figures"
"""Folder beside the report for its charts."""


def markdown(document: Document) -> str:
    """The whole report as one Markdown text."""
    parts = [f"# {words(document.title)}", words(document.subtitle)]
    parts += [block for item in document.opening for block in _block(item)]
    for section in document.sections:
        parts.append(f"## {words(section.title)}")
        parts += [block for item in section.blocks for block in _block(item)]
    return "\n\n".join([*(part for part in parts if part), words(document.footer), ""])


def words(text: str) -> str:
    """Text of anybody as words only: no markup, no markup that a line may begin with."""
    escaped = tables.escape_markdown(plain(text))
    return re.sub(r"^([#>+=~-]|\d+(?=[.)]))", r"\\\1", escaped)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield f"> **{words(block.text)}**" if block.kind == "alert" else words(block.text)
        case Items():
            yield "\n".join(f"- {words(line)}" for line in block.lines)
        case Table():
            yield tables.markdown(block.head, block.rows, plain(block.caption)).strip()
        case Figure():
            yield f"![{words(block.title)}]({_target(block)})"
            yield words(block.caption)
        case Code():
            fence = "`" * (max((len(run) for run in re.findall("`+", block.text)), default=0) + 3)
            yield f"{fence}\n{block.text.rstrip()}\n{fence}"
        case _:
            assert_never(block)


def _target(figure: Figure) -> str:
    path = f"../{figure.file}" if figure.file else f"{FIGURES}/{figure.name}.svg"
    return "<" + path.replace("<", "%3C").replace(">", "%3E").replace("\n", " ") + ">"
