"""What has happened, in the past tense. Events are never edited; start and end are two events.

Each class has a wire tag in `EVENT_TAGS`, which stays the same when the class is renamed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import field, frozen

from alphalab.measurement import Outcome
from alphalab.messages import Usage


@frozen(kw_only=True)
class CampaignStarted:
    """A process began to run the campaign, for the first time or again."""

    objective: str
    adapter: str
    version: str
    resumed: bool


@frozen(kw_only=True)
class CampaignStopped:
    """The campaign came to an end."""

    reason: str
    """`converged`, `budget`, `experiments`, `stopped` or `unhealthy`."""


@frozen(kw_only=True)
class PhaseStarted:
    """One of adapt, explore, evaluate, experiment began."""

    phase: str


@frozen(kw_only=True)
class PhaseFinished:
    """A phase ended with its product on disk."""

    phase: str
    summary: str
    seconds: float


@frozen(kw_only=True)
class AgentStarted:
    """An agent run began."""

    agent: str
    """Unique name of the run, also of its transcript."""
    role: str
    model: str
    experiment: str | None = None


@frozen(kw_only=True)
class AgentFinished:
    """An agent run ended."""

    agent: str
    role: str
    stop_reason: str
    turns: int
    usage: Usage
    experiment: str | None = None
    text: str = ""


@frozen(kw_only=True)
class ToolCalled:
    """An agent ran a tool."""

    agent: str
    role: str
    tool: str
    arguments: str
    """JSON, shortened to 500 characters."""
    ok: bool
    summary: str
    """First 300 characters of the result."""
    seconds: float


@frozen(kw_only=True)
class ExperimentProposed:
    """A proposal was accepted onto the board."""

    experiment: str
    name: str
    family: str
    hypothesis: str


@frozen(kw_only=True)
class ExperimentMoved:
    """An experiment changed its state."""

    experiment: str
    source: str
    target: str
    reason: str = ""


@frozen(kw_only=True)
class AttemptStarted:
    """A job for an experiment was handed to the executor."""

    experiment: str
    attempt: int
    job: str


@frozen(kw_only=True)
class ExperimentScored:
    """The harness has an outcome for one submission, split and seed."""

    experiment: str
    split: str
    seed: int
    outcome: Outcome


@frozen(kw_only=True)
class SplitOpened:
    """Held-out targets of a split were read for a submission."""

    experiment: str
    split: str
    seed: int
    reason: str


@frozen(kw_only=True)
class EvaluationRound:
    """One round of build, review, test and attack ended."""

    round: int
    blocking: int
    tests_passed: bool
    attacks_succeeded: int


@frozen(kw_only=True)
class EvaluationSealed:
    """The evaluation passed and was hashed."""

    digest: str
    noise_floor: float
    attacks: int
    canaries: int


@frozen(kw_only=True)
class LessonChanged:
    """The playbook grew or changed."""

    lesson: str
    action: str
    """`added`, `revised` or `retired`."""
    text: str
    evidence: tuple[str, ...] = field(default=(), converter=tuple)
    kind: str = "finding"
    """`finding`, `do_not_attempt`, `method` or `open_question`."""
    confidence: str = "medium"
    """`low`, `medium` or `high`."""
    scope: str = ""
    """Where it holds; empty: everywhere in this campaign."""
    author: str = ""


@frozen(kw_only=True)
class KnowledgePatched:
    """The Supervisor changed the domain knowledge."""

    version: int
    reason: str


@frozen(kw_only=True)
class ReportWritten:
    """A report is on disk."""

    path: str
    """Relative to the workspace."""
    title: str


@frozen(kw_only=True)
class Steered:
    """A person left a note for the next Strategist turn."""

    note: str


@frozen(kw_only=True)
class Noticed:
    """Something a person should know that is not a failure of the campaign."""

    message: str
    level: str = "info"
    """`info` or `warning`."""
    facts: dict[str, Any] = field(factory=dict[str, Any])


Event = (
    CampaignStarted
    | CampaignStopped
    | PhaseStarted
    | PhaseFinished
    | AgentStarted
    | AgentFinished
    | ToolCalled
    | ExperimentProposed
    | ExperimentMoved
    | AttemptStarted
    | ExperimentScored
    | SplitOpened
    | EvaluationRound
    | EvaluationSealed
    | LessonChanged
    | KnowledgePatched
    | ReportWritten
    | Steered
    | Noticed
)
EVENT_TAGS: dict[str, type] = {
    "campaign_started": CampaignStarted,
    "campaign_stopped": CampaignStopped,
    "phase_started": PhaseStarted,
    "phase_finished": PhaseFinished,
    "agent_started": AgentStarted,
    "agent_finished": AgentFinished,
    "tool_called": ToolCalled,
    "experiment_proposed": ExperimentProposed,
    "experiment_moved": ExperimentMoved,
    "attempt_started": AttemptStarted,
    "experiment_scored": ExperimentScored,
    "split_opened": SplitOpened,
    "evaluation_round": EvaluationRound,
    "evaluation_sealed": EvaluationSealed,
    "lesson_changed": LessonChanged,
    "knowledge_patched": KnowledgePatched,
    "report_written": ReportWritten,
    "steered": Steered,
    "noticed": Noticed,
}


@frozen(kw_only=True)
class Recorded:
    """An event with its place in the log."""

    number: int
    """Counts up by one within a campaign."""
    at: datetime
    event: Event
