"""What stands on the board: proposals, experiments, attempts and their scores, as frozen values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, cast

from attrs import field, frozen

from alphalab._ids import digest
from alphalab.errors import ConfigError
from alphalab.measurement import Failure, Measurement, Outcome

ProposalKind = Literal["explore", "exploit", "ablate", "combine", "replicate"]
BASELINE_PREFIX = "baseline:"


class ExperimentState(StrEnum):
    """Where an experiment is on its way; `states.TRANSITIONS` says which steps are legal."""

    PROPOSED = "proposed"
    IMPLEMENTING = "implementing"
    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    SCORING = "scoring"
    SCORED = "scored"
    ANALYZING = "analyzing"
    DONE = "done"
    FIXING = "fixing"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the experiment will not move again."""
        return self in (ExperimentState.DONE, ExperimentState.FAILED, ExperimentState.CANCELLED)

    @property
    def column(self) -> str:
        """Column of the board it is shown in."""
        return _COLUMNS[self]


_COLUMNS: Mapping[ExperimentState, str] = {
    ExperimentState.PROPOSED: "Proposed",
    ExperimentState.IMPLEMENTING: "Implement",
    ExperimentState.FIXING: "Implement",
    ExperimentState.READY: "Queue",
    ExperimentState.QUEUED: "Queue",
    ExperimentState.RUNNING: "Run",
    ExperimentState.SCORING: "Score",
    ExperimentState.SCORED: "Analyze",
    ExperimentState.ANALYZING: "Analyze",
    ExperimentState.DONE: "Done",
    ExperimentState.FAILED: "Failed",
    ExperimentState.CANCELLED: "Cancelled",
}
COLUMNS = ("Proposed", "Implement", "Queue", "Run", "Score", "Analyze", "Done", "Failed", "Cancelled")
"""Columns of the board, from left to right."""


def _filled(_instance: Any, attribute: Any, value: str) -> None:
    if not value.strip():
        raise ConfigError(f"a proposal's {attribute.name} is empty; give it a short text")


def _json(_instance: Any, attribute: Any, value: dict[str, Any]) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{attribute.name}={value!r} is not JSON: {error}; use finite numbers, texts and lists"
        ) from error


def _canonical(value: Any) -> Any:
    """1 and 1.0 are the same setting, and models write both."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in cast("Sequence[Any]", value)]
    return value


@frozen(kw_only=True)
class Proposal:
    """An idea for one experiment, before anything is built."""

    name: str = field(validator=_filled)
    family: str
    """Kind of approach, e.g. `gradient boosting`; the unit of diversity."""
    hypothesis: str
    recipe: str | None = None
    """A recipe that the adapter ships; None when a Worker writes the submission from `spec`."""
    parameters: dict[str, Any] = field(factory=dict[str, Any], validator=_json)
    """Settings of the recipe."""
    parents: tuple[str, ...] = field(default=(), converter=tuple)
    """Experiments it builds on, by id."""
    kind: ProposalKind = "explore"
    expected_effect: str = ""
    spec: str = ""
    """What to build, in words."""

    @property
    def signature(self) -> str:
        """Equal for proposals that would run the same thing.

        A digest of recipe and parameters; without a recipe, of the spec (or else the hypothesis) without regard to
        case and spacing, and the parameters. A replicate is meant to run the same thing again, so there its parents
        count too: each original is replicated once.
        """
        text = " ".join((self.spec or self.hypothesis or self.name).casefold().split())
        subject = {"recipe": self.recipe} if self.recipe is not None else {"spec": text}
        again = {"replicate": sorted(self.parents)} if self.kind == "replicate" else {}
        return digest({**subject, **again, "parameters": _canonical(self.parameters)})


@frozen(kw_only=True)
class Score:
    """One outcome from the harness, with what it rests on."""

    subject: str
    """An experiment's id, or `baseline:NAME`."""
    split: str
    seed: int
    attempt: int
    outcome: Outcome
    evaluation: str
    """Digest of the sealed evaluation."""
    submission: str
    """Digest of the submission that was scored."""
    at: datetime

    @property
    def is_baseline(self) -> bool:
        """Whether the subject is a baseline."""
        return self.subject.startswith(BASELINE_PREFIX)


@frozen(kw_only=True)
class Attempt:
    """One execution of an experiment."""

    experiment: str
    number: int
    """From 1."""
    job: str
    """Key of the job at the executor."""
    started_at: datetime


def latest_measurements(scores: Sequence[Score], split: str) -> tuple[Measurement, ...]:
    """Measurements on one split, ordered by seed.

    Only those of the latest attempt with outcomes there: earlier ones were of code that has changed since.
    """
    there = [score for score in scores if score.split == split]
    latest = max((score.attempt for score in there), default=0)
    current = sorted((score for score in there if score.attempt == latest), key=lambda score: score.seed)
    return tuple(score.outcome for score in current if isinstance(score.outcome, Measurement))


@frozen(kw_only=True)
class Experiment:
    """A proposal on the board, with all that has become of it."""

    id: str
    proposal: Proposal
    state: ExperimentState
    priority: int = 0
    """Higher is taken first."""
    fixes: int = 0
    """Times it went to a Worker to be mended."""
    attempts: int = 0
    """Executions begun."""
    requeues: int = 0
    """Executions lost to the machine rather than to the submission."""
    author: str = ""
    """Model that proposed it."""
    created_at: datetime
    updated_at: datetime
    failure: Failure | None = None
    """Why it has no score, as far as known; cleared when it is scored."""
    scores: tuple[Score, ...] = field(default=(), converter=tuple)

    @property
    def name(self) -> str:
        """The proposal's name."""
        return self.proposal.name

    @property
    def family(self) -> str:
        """The proposal's family."""
        return self.proposal.family

    @property
    def hypothesis(self) -> str:
        """The proposal's hypothesis."""
        return self.proposal.hypothesis

    def measurements(self, split: str = "search") -> tuple[Measurement, ...]:
        """Measurements of the latest attempt on one split, ordered by seed."""
        return latest_measurements(self.scores, split)

    def value(self, split: str = "search") -> float | None:
        """Mean over the seeds measured in the latest attempt, in the metric's unit; None before there is one."""
        values = [measurement.value for measurement in self.measurements(split)]
        return sum(values) / len(values) if values else None
