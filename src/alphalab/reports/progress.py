"""Events as they happen, for a terminal or for a log."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field
from rich.console import Console
from rich.status import Status
from rich.text import Text

from alphalab.errors import AlphaLabError
from alphalab.events import (
    AgentFinished,
    AgentStarted,
    CampaignStarted,
    CampaignStopped,
    EvaluationRound,
    EvaluationSealed,
    ExperimentMoved,
    ExperimentProposed,
    ExperimentScored,
    Noticed,
    PhaseFinished,
    PhaseStarted,
    Recorded,
    ReportWritten,
    SplitOpened,
)
from alphalab.experiments import BASELINE_PREFIX
from alphalab.measurement import Measurement, Metric
from alphalab.reports.blocks import amount
from alphalab.reports.charts import plain

if TYPE_CHECKING:
    from alphalab.campaign import Campaign

_TOLD_MOVES = {
    "fixing": ("!", "failed and is mended"),
    "failed": ("x", "failed for good"),
    "cancelled": ("x", "was cancelled"),
}
"""Moves worth a line beside `running`, with its mark; the rest follows from other events."""
_OVER = ("scored", "analyzing", "done")
_STYLES = {"*": "bold green", "!": "yellow", "x": "red", "=": "bold"}


@define(kw_only=True, eq=False)
class Progress:
    """A sink that tells people what a campaign does: `Campaign(..., sinks=[Progress()])`.

    On a terminal it also keeps a status line with the agents at work; use it as a context manager, so that the line
    ends. Anywhere else it writes one plain line per event that matters.
    """

    console: Console = field(factory=lambda: Console(stderr=True, highlight=False))
    metric: Metric | None = None
    """Says what a new best is; without it no score is called one."""
    best: float | None = None
    """Best score on the search split so far."""
    names: dict[str, str] = field(factory=dict[str, str])
    """Experiments' names by id."""
    states: dict[str, str] = field(factory=dict[str, str])
    """Their states by id."""
    _start: datetime | None = field(default=None, init=False)
    _agents: dict[str, str] = field(factory=dict[str, str], init=False)
    _status: Status | None = field(default=None, init=False)

    @classmethod
    def of(cls, campaign: Campaign, **changes: Any) -> Self:
        """Progress of one campaign, which knows its metric and what was scored before.

        Raises:
            AdapterError: The campaign's adapter cannot be loaded.
        """
        known: dict[str, Any] = {"metric": campaign.loaded_adapter().manifest.metric}
        try:
            best = campaign.leaderboard().best
            known["best"] = best.value if best else None
            known["names"] = {experiment.id: experiment.name for experiment in campaign.experiments()}
            known["states"] = {experiment.id: experiment.state.value for experiment in campaign.experiments()}
        except AlphaLabError:  # nothing is on record yet, or the campaign itself will say what is wrong with it
            known["best"] = None
        return cls(**{**known, **changes})

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._status = self.console.status("starting", spinner="dots")
            self._status.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, recorded: Recorded) -> None:
        """Take notice of one event."""
        self._start = self._start or recorded.at
        self._remember(recorded.event)
        line = self.line(recorded.event)
        if line is not None:
            self._print((recorded.at - self._start).total_seconds(), line)
        if self._status is not None:
            self._status.update(Text(self._at_work()))

    def _print(self, seconds: float, line: str) -> None:
        minutes, rest = divmod(int(seconds), 60)
        text = Text(f"{minutes:>3}:{rest:02d}  ", style="dim")
        text.append(line, style=_STYLES.get(line[0], ""))
        self.console.print(text, soft_wrap=True)

    def _at_work(self) -> str:
        counts: dict[str, int] = {}
        for state in self.states.values():
            counts[state] = counts.get(state, 0) + 1
        board = ", ".join(f"{count} {state}" for state, count in counts.items())
        return " | ".join(part for part in (", ".join(self._agents.values()) or "no agent at work", board) if part)

    def _remember(self, event: Any) -> None:
        match event:
            case AgentStarted():
                self._agents[event.agent] = " ".join(filter(None, (event.role, event.experiment)))
            case AgentFinished():
                self._agents.pop(event.agent, None)
            case ExperimentProposed():
                self.names[event.experiment] = event.name
                self.states[event.experiment] = "proposed"
            case ExperimentMoved():
                self.states[event.experiment] = event.target
            case _:
                pass

    def line(self, event: Any) -> str | None:
        """What to say about an event, in one line; None when it is not worth one. Unknown events are not."""
        return self._of_campaign(event) or self._of_experiment(event)

    def _of_campaign(self, event: Any) -> str | None:
        match event:
            case CampaignStarted():
                return f"= {'going on' if event.resumed else 'started'}: {_one_line(event.objective)} ({event.adapter})"
            case PhaseStarted():
                return f"= {event.phase}"
            case PhaseFinished():
                return f"  {event.phase} took {event.seconds:.1f} s: {_one_line(event.summary)}"
            case EvaluationRound():
                tests = "tests pass" if event.tests_passed else "tests fail"
                won, blocking = (
                    amount(event.attacks_succeeded, "successful attack"),
                    amount(event.blocking, "objection"),
                )
                return f"  evaluation, round {event.round}: {blocking}, {won}, {tests}"
            case EvaluationSealed():
                tried = f"{event.canaries} canaries behaved, {event.attacks} attacks failed"
                return f"* evaluation sealed: {tried}, noise floor {event.noise_floor:.3g} ({event.digest[:12]})"
            case CampaignStopped():
                return f"= stopped: {event.reason}"
            case Noticed():
                return f"{'!' if event.level == 'warning' else ' '} {_one_line(event.message)}"
            case ReportWritten():
                return f"  wrote {event.path}"
            case _:
                return None

    def _of_experiment(self, event: Any) -> str | None:
        match event:
            case ExperimentProposed():
                return f"  {event.experiment} proposed: {_one_line(event.name)} ({_one_line(event.family)})"
            case ExperimentMoved():
                return self._moved(event)
            case ExperimentScored():
                return self._scored(event)
            case SplitOpened() if not event.experiment.startswith(BASELINE_PREFIX):
                return f"  {event.experiment} is a finalist; the {event.split} split is opened for it, once"
            case _:
                return None

    def _moved(self, event: ExperimentMoved) -> str | None:
        if event.target == "running":
            return f"  {event.experiment} runs: {self._name(event.experiment)}"
        if event.target not in _TOLD_MOVES:
            return None
        mark, told = _TOLD_MOVES[event.target]
        reason = f": {_one_line(event.reason)}" if event.reason else ""
        return f"{mark} {event.experiment} {told}{reason}"

    def _scored(self, event: ExperimentScored) -> str | None:
        outcome = event.outcome
        if not isinstance(outcome, Measurement):
            return None  # the move that follows says why
        value = f"{self.metric.name if self.metric else 'score'} {outcome.value:.5g}"
        if event.experiment.startswith(BASELINE_PREFIX):
            name = _one_line(event.experiment.removeprefix(BASELINE_PREFIX))
            return f"  baseline {name}: {value} on the {event.split} split"
        told = f"{event.experiment} {{}} {value}{{}} ({self._name(event.experiment)})"
        if event.split != "search":
            return "  " + told.format(f"on the {event.split} split:", "")
        if self.states.get(event.experiment) in _OVER:
            return "  " + told.format(f"again, seed {event.seed}:", "")
        leads = self._leads(outcome.value)
        return f"{'*' if leads else ' '} {told.format('scored', ', new best' if leads else '')}"

    def _leads(self, value: float) -> bool:
        if self.metric is None or (self.best is not None and not self.metric.better(value, self.best)):
            return False
        self.best = value
        return True

    def _name(self, experiment: str) -> str:
        return _one_line(self.names.get(experiment, experiment))


def _one_line(text: str, size: int = 160) -> str:
    """Text of an agent on one line; it is never trusted to be short or printable."""
    line = plain(text)
    return line if len(line) <= size else f"{line[: size - 3]}..."
