"""Reports of a campaign: a page, a Markdown text, and live progress."""

from alphalab.reports.facts import gather
from alphalab.reports.progress import Progress
from alphalab.reports.write import answer, write_report

__all__ = ["Progress", "answer", "gather", "write_report"]
