"""A small table as plain text, Markdown, LaTeX and HTML; cells are escaped, as models write some of them."""

from __future__ import annotations

import html
from collections.abc import Sequence

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)


def _line(text: str) -> str:
    return " ".join(text.split())


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return _line(text).translate(_LATEX)


def escape_markdown(text: str) -> str:
    """Text that stays in its cell and is not markup."""
    escaped = html.escape(_line(text), quote=False).replace("\\", "\\\\")
    for character in "|`*_[]":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def plain(head: Sequence[str], body: Sequence[Sequence[str]], caption: str) -> str:
    """Columns padded with spaces."""
    lines = [[_line(cell) for cell in cells] for cells in (head, *body)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(head))]
    padded = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in lines
    ]
    return "\n".join([*padded, "", caption] if body else [caption])


def markdown(head: Sequence[str], body: Sequence[Sequence[str]], caption: str) -> str:
    """A pipe table."""
    lines = [f"| {' | '.join(escape_markdown(cell) for cell in cells)} |" for cells in (head, *body)]
    lines.insert(1, f"|{' --- |' * len(head)}")
    return "\n".join([*lines, "", escape_markdown(caption), ""])


def latex(head: Sequence[str], body: Sequence[Sequence[str]], caption: str) -> str:
    """A `table` with `booktabs` rules."""
    lines = [f"{' & '.join(escape_latex(cell) for cell in cells)} \\\\" for cells in (head, *body)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{escape_latex(caption)}}}",
            f"\\begin{{tabular}}{{{'l' * len(head)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def html_table(
    head: Sequence[str], body: Sequence[Sequence[str]], caption: str, *, faint: Sequence[bool] | None = None
) -> str:
    """An HTML table that takes its colours from the page, so it reads on light and on dark.

    Args:
        head: Column titles.
        body: Rows of cells.
        caption: One line above the table.
        faint: Rows to set back, e.g. baselines.
    """
    cell_style = "padding:2px 10px;text-align:left;border-bottom:1px solid rgba(128,128,128,.35)"
    titles = "".join(f'<th style="{cell_style}">{html.escape(title)}</th>' for title in head)
    rows = [
        f'<tr style="background:rgba(128,128,128,{".14" if pale else "0"})">'
        + "".join(f'<td style="{cell_style}">{html.escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for cells, pale in zip(body, faint or [False] * len(body), strict=True)
    ]
    return (
        '<table style="border-collapse:collapse;color:inherit;background:transparent">'
        f'<caption style="caption-side:top;text-align:left;color:inherit">{html.escape(caption)}</caption>'
        f"<thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
