"""From a campaign to its report on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alphalab.reports.answers import answer_of
from alphalab.reports.blocks import Figure
from alphalab.reports.facts import gather
from alphalab.reports.markdown import FIGURES, markdown
from alphalab.reports.page import page
from alphalab.reports.sections import document
from alphalab.workspace import Workspace, write_atomic

if TYPE_CHECKING:
    from alphalab.campaign import Campaign


def write_report(campaign: Campaign) -> Path:
    """Write `reports/report.md` and `reports/report.html`; a campaign that is not finished has a report too.

    Returns:
        The HTML file, which needs no other.

    Raises:
        StoreError: Nothing has been run in the campaign's workspace.
    """
    written, folder = document(gather(campaign)), Workspace(campaign.workspace).reports
    figures = [block for section in written.sections for block in section.blocks if isinstance(block, Figure)]
    for figure in figures:
        if figure.svg:
            write_atomic(folder / FIGURES / f"{figure.name}.svg", figure.svg)
    write_atomic(folder / "report.md", markdown(written))
    write_atomic(folder / "report.html", page(written))
    return folder / "report.html"


def answer(campaign: Campaign) -> tuple[str, ...]:
    """What came out of a campaign, in a few sentences with numbers, intervals and n.

    Raises:
        StoreError: Nothing has been run in the campaign's workspace.
    """
    return answer_of(gather(campaign))
