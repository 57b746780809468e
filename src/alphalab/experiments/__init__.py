"""The board of a campaign: experiments, their states and scores, and the store that keeps them."""

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
    "Proposal",
    "ProposalKind",
    "Score",
    "Store",
    "require_transition",
]
