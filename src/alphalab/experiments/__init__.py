"""The board of a campaign: experiments, their states and scores, and the store that keeps them."""

from alphalab.experiments.leaderboard import Leaderboard, Row, rank
from alphalab.experiments.record import (
    BASELINE_PREFIX,
    COLUMNS,
    Attempt,
    Experiment,
    ExperimentState,
    Proposal,
    ProposalKind,
    Score,
)
from alphalab.experiments.recover import Recovered, recover_experiments, write_proposal, write_result
from alphalab.experiments.rules import UsageKey
from alphalab.experiments.states import REASONS, TRANSITIONS, require_transition
from alphalab.experiments.store import Store

__all__ = [
    "BASELINE_PREFIX",
    "COLUMNS",
    "REASONS",
    "TRANSITIONS",
    "Attempt",
    "Experiment",
    "ExperimentState",
    "Leaderboard",
    "Proposal",
    "ProposalKind",
    "Recovered",
    "Row",
    "Score",
    "Store",
    "UsageKey",
    "rank",
    "recover_experiments",
    "require_transition",
    "write_proposal",
    "write_result",
]
