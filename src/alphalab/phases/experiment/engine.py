"""What a decision rests on and what it asks for: rules, cards, events, commands, and the state they make up."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from alphalab.experiments import ExperimentState
from alphalab.measurement import Metric


@frozen(kw_only=True)
class Rules:
    """What does not change during a run."""

    metric: Metric
    limit: int | None
    """Experiments in the budget."""
    slots: int
    """Jobs that may run at once."""
    workers: int
    """Agents that may work at once, the Strategist and the Reporter not counted."""
    max_fixes: int = 2
    strategist_after: int = 5
    """Analysed experiments after which the Strategist is asked even when slots are busy."""
    report_every: int = 10
    """Scored experiments between milestone reports."""
    patience: int = 20
    """Experiments without improvement after which a campaign has converged."""
    noise_floor: float = 0.0


@frozen(kw_only=True)
class Card:
    """One experiment as the decision sees it."""

    id: str
    state: ExperimentState
    priority: int = 0
    fixes: int = 0
    value: float | None = None
    """Search score, once there is one."""


# -- events ----------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class BoardChanged:
    """Cards that are new or different."""

    cards: tuple[Card, ...] = field(converter=tuple)


@frozen(kw_only=True)
class Finished:
    """A command has been performed."""

    command: Command
    fruitful: bool = True
    """For `Propose`: whether anything came onto the board."""


@frozen(kw_only=True)
class StopAsked:
    """Somebody or a limit ends the campaign; what runs is still scored."""

    reason: str


@frozen(kw_only=True)
class PauseChanged:
    """New work is held back, or let go again."""

    paused: bool


@frozen(kw_only=True)
class CancelAsked:
    """Somebody wants one experiment off the board."""

    id: str
    reason: str = "asked for"


EngineEvent = BoardChanged | Finished | StopAsked | PauseChanged | CancelAsked

# -- commands --------------------------------------------------------------------------------------------------------


@frozen
class Propose:
    """Ask the Strategist for this many experiments."""

    wanted: int


@frozen
class Implement:
    """Have a Worker write the submission."""

    id: str


@frozen
class Fix:
    """Have a Worker repair the submission."""

    id: str


@frozen
class Analyse:
    """Have a Worker explain the score."""

    id: str


@frozen
class Submit:
    """Hand the submission to the executor."""

    id: str


@frozen
class Score:
    """Let the harness take the outcome."""

    id: str


@frozen
class Cancel:
    """Take an experiment off the board."""

    id: str
    reason: str


@frozen
class Report:
    """Have the Reporter write a milestone."""

    number: int


@frozen
class Finish:
    """The experiments are over."""

    reason: str


Command = Propose | Implement | Fix | Analyse | Submit | Score | Cancel | Report | Finish


@frozen(kw_only=True)
class EngineState:
    """Everything a decision rests on."""

    rules: Rules
    cards: Mapping[str, Card] = field(factory=dict[str, Card])
    working: frozenset[Command] = frozenset()
    history: tuple[float, ...] = ()
    """Search scores in the order they came in."""
    patient_since: int = 0
    """Scores before an extension of the budget; patience starts anew after them."""
    analysed: int = 0
    """Experiments analysed since the Strategist was last asked."""
    reports: int = 0
    """Milestones written."""
    barren: int = 0
    """Strategist turns in a row that put nothing on the board."""
    stop: str | None = None
    paused: bool = False
    unwanted: Mapping[str, str] = field(factory=dict[str, str])
    """Experiments that somebody wants off the board, with the reason."""

    @property
    def used(self) -> int:
        """Experiments that count against the budget."""
        return sum(card.state is not ExperimentState.CANCELLED for card in self.cards.values())

    @property
    def remaining(self) -> int | None:
        """Experiments left in the budget, or None without a limit."""
        return None if self.rules.limit is None else max(0, self.rules.limit - self.used)

    def count(self, *states: ExperimentState) -> int:
        """Cards in any of these states."""
        return sum(card.state in states for card in self.cards.values())
