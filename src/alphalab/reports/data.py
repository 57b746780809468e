"""Everything a report says, as one value."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import field, frozen

from alphalab.evaluation import Certificate, Seal
from alphalab.experiments import Experiment, Leaderboard, Row
from alphalab.measurement import Finding, Metric
from alphalab.messages import Usage
from alphalab.playbook import Playbook
from alphalab.reports.evidence import Comparison, Panel
from alphalab.reports.plots import Plot

OFFLINE = "offline"
"""Name of the one model that is no language model."""


@frozen(kw_only=True)
class Step:
    """One experiment's first complete score, in the order in which they came."""

    experiment: str
    name: str
    value: float
    low: float | None
    high: float | None


@frozen(kw_only=True)
class Trouble:
    """An experiment that failed at least once."""

    experiment: str
    name: str
    failures: tuple[str, ...] = field(converter=tuple)
    """Kind and message of every failed attempt."""
    outcome: str
    """What became of it."""


@frozen(kw_only=True)
class ReportData:
    """What is known of one campaign at one moment."""

    workspace: Path
    objective: str
    data: str | None
    adapter: str
    summary: str
    options: dict[str, Any]
    config: str
    """`campaign.toml` as it is on disk."""
    metric: Metric
    models: tuple[str, ...] = field(converter=tuple)
    """Models that agents really ran with, by name."""
    status: dict[str, Any]
    began: datetime | None
    ended: datetime | None
    """Time of the last event."""
    search: Leaderboard
    final: Leaderboard
    floor: str
    """Id of the trivial baseline; empty when the adapter names none."""
    reference: str
    best: Experiment | None
    runner_up: Row | None
    finalists: tuple[str, ...] = field(converter=tuple)
    comparisons: tuple[Comparison, ...] = field(converter=tuple)
    """Of the best experiment with others."""
    steps: tuple[Step, ...] = field(converter=tuple)
    counts: dict[str, int]
    protocol: dict[str, Any]
    """What `evaluation/evaluation.json` says of the scorer."""
    facts: dict[str, Any]
    """What `data/facts.json` says of the data."""
    certificate: Certificate | None
    seal: Seal | None
    review: tuple[Finding, ...] = field(converter=tuple)
    panels: tuple[Panel, ...] = field(converter=tuple)
    panels_split: str
    plots: tuple[Plot, ...] = field(converter=tuple)
    playbook: Playbook
    troubles: tuple[Trouble, ...] = field(converter=tuple)
    usage: Usage
    usage_by_role: dict[str, Usage]
    usage_by_phase: dict[str, Usage]
    sandboxes: tuple[str, ...] = field(converter=tuple)
    """Tiers that scores on record were taken under."""
    warnings: tuple[str, ...] = field(converter=tuple)
    environment: dict[str, Any]
    machine: dict[str, Any]

    @property
    def language_model(self) -> bool:
        """Whether a language model has taken part so far."""
        return any(name != OFFLINE for name in self.models)

    @property
    def synthetic(self) -> bool:
        """Whether the data say of themselves that they are made up."""
        return self.facts.get("synthetic") is True

    def row(self, subject: str, split: str) -> Row | None:
        """A subject's line on one split's leaderboard."""
        board = self.search if split == "search" else self.final
        return next((row for row in board.rows if row.id == subject), None)

    def compared(self, other: str, split: str) -> Comparison | None:
        """The best experiment against another subject, if that was measured."""
        return next((one for one in self.comparisons if (one.other, one.split) == (other, split)), None)
