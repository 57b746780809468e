"""A report as one self-contained HTML page: no script, nothing from outside, every text escaped."""

from __future__ import annotations

import base64
import html
from typing import assert_never

from alphalab._ids import EXPERIMENT_PREFIX
from alphalab.reports.blocks import Block, Code, Document, Figure, Items, Paragraph, Section, Table
from alphalab.reports.charts import escaped
from alphalab.reports.style import STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""For browsers: should any text ever slip through as markup, it may load and run nothing."""


def page(document: Document) -> str:
    """The whole report as one HTML document."""
    contents = "".join(
        f'<li><a href="#{escaped(section.anchor)}">{escaped(section.title)}</a></li>' for section in document.sections
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{escaped(document.title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            f'<header><h1>{escaped(document.title)}</h1><p class="subtitle">{escaped(document.subtitle)}</p></header>',
            *(_block(block) for block in document.opening),
            f'<nav aria-label="Contents"><ul>{contents}</ul></nav>',
            *(_section(section) for section in document.sections),
            f"<footer>{escaped(document.footer)}</footer>",
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{escaped(section.anchor)}">\n<h2>{escaped(section.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return f'<p class="{block.kind}">{escaped(block.text)}</p>'
        case Items():
            return f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in block.lines)}</ul>"
        case Table():
            return _table(block)
        case Figure():
            return _figure(block)
        case Code():
            printable = "".join(
                character if character.isprintable() or character == "\n" else " " for character in block.text
            )
            return f"<pre><code>{html.escape(printable)}</code></pre>"
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    caption = f"<caption>{escaped(table.caption)}</caption>" if table.caption else ""
    head = f"<thead>{_row(table, table.head, 'th', '')}</thead>" if any(table.head) else ""
    rows = "".join(
        _row(table, cells, "td", "strong" if index in table.strong else "faint" if index in table.faint else "")
        for index, cells in enumerate(table.rows)
    )
    whole = f'<div class="wide"><table>{caption}{head}<tbody>{rows}</tbody></table></div>'
    return f"<details><summary>{escaped(table.folded)}</summary>{whole}</details>" if table.folded else whole


def _row(table: Table, cells: tuple[str, ...], tag: str, kind: str) -> str:
    marked = "".join(
        f"<{tag}{_class(table, column, cell)}>{escaped(cell)}</{tag}>" for column, cell in enumerate(cells)
    )
    return f'<tr class="{kind}">{marked}</tr>' if kind else f"<tr>{marked}</tr>"


def _class(table: Table, column: int, cell: str) -> str:
    """Numbers are set flush right, and neither they nor ids are broken over lines."""
    kind = "number" if column in table.numbers else "id" if cell.startswith(EXPERIMENT_PREFIX) else ""
    return f' class="{kind}"' if kind else ""


def _figure(figure: Figure) -> str:
    picture = figure.svg
    if figure.png:
        data = base64.b64encode(figure.png).decode()
        size = f'width="{figure.width}" height="{figure.height}"'
        picture = f'<img alt="{escaped(figure.title)}" {size} loading="lazy" src="data:image/png;base64,{data}">'
    return f"<figure>{picture}<figcaption>{escaped(figure.caption)}</figcaption></figure>"
