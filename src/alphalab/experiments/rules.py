"""What every implementation of the store decides alike, and the errors it speaks with."""

# ruff: noqa: A002 - the board's word for an experiment's id is `id`

from __future__ import annotations

import json
import math
from typing import Any, Literal, get_args

from alphalab._ids import EXPERIMENT_PREFIX, experiment_id
from alphalab.errors import BoardFull, ConfigError, DuplicateProposal, NotFound, StaleState
from alphalab.events import EVENT_TAGS
from alphalab.experiments.record import BASELINE_PREFIX, ExperimentState, Proposal
from alphalab.messages import Usage

UsageKey = Literal["role", "model", "experiment", "phase"]


def is_baseline(subject: str) -> bool:
    """Whether a score's subject is a baseline, `baseline:NAME`."""
    return subject.startswith(BASELINE_PREFIX) and len(subject) > len(BASELINE_PREFIX)


def experiment_number(id: str) -> int:
    """Which experiment of the campaign an id names.

    Raises:
        ConfigError: It is not an experiment's id.
    """
    number = id.removeprefix(EXPERIMENT_PREFIX)
    if not (number.isascii() and number.isdigit()) or id != experiment_id(int(number)):
        raise ConfigError(f"{id!r} is not an experiment's id; they read {experiment_id(1)}, {experiment_id(2)}, ...")
    return int(number)


def job_key(id: str, number: int) -> str:
    """Key of an attempt's job at the executor, e.g. `exp-0007-2`."""
    return f"{id}-{number}"


def is_requeue(source: ExperimentState, target: ExperimentState) -> bool:
    """Whether the step means that a job was lost through no fault of the submission."""
    return target is ExperimentState.READY and source in (ExperimentState.QUEUED, ExperimentState.RUNNING)


def check_kinds(kinds: tuple[str, ...] | None) -> None:
    """Refuse event tags that do not exist."""
    unknown = sorted(set(kinds or ()) - set(EVENT_TAGS))
    if unknown:
        raise ConfigError(f"unknown event kinds {', '.join(unknown)}; known: {', '.join(EVENT_TAGS)}")


def check_usage_key(by: str) -> UsageKey:
    """Refuse what usage is not kept by."""
    for key in get_args(UsageKey):
        if by == key:
            return key
    raise ConfigError(f"usage is not kept by {by!r}; use one of {', '.join(get_args(UsageKey))}, or None for the total")


def check_cost(usage: Usage) -> None:
    """Refuse a cost that is not finite; SQLite would turn it into an unknown price."""
    if usage.cost_usd is not None and not math.isfinite(usage.cost_usd):
        raise ConfigError(f"cost_usd={usage.cost_usd!r} is not a price; use None when the price is not known")


def json_text(key: str, value: Any) -> str:
    """A value to be kept under a key, as JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the value for {key!r} is not JSON: {error}; dump it first") from error


def duplicate(proposal: Proposal, id: str) -> DuplicateProposal:
    """The board has it already."""
    return DuplicateProposal(
        f"{proposal.name!r} would run the same as {id}; change recipe, parameters or spec, or read what came of {id}",
        experiment_id=id,
    )


def board_full(held: int, limit: int) -> BoardFull:
    """No room for a proposal."""
    return BoardFull(
        f"the board holds {held} experiments and the campaign may run {limit}; raise the budget or cancel one",
        limit=limit,
    )


def not_found(id: str, known: tuple[str, ...]) -> NotFound:
    """No such experiment."""
    if id.startswith(BASELINE_PREFIX):
        return NotFound(f"{id!r} names no baseline; write `{BASELINE_PREFIX}NAME`")
    shown = (
        f"{', '.join(known[:20])}{f' and {len(known) - 20} more' if len(known) > 20 else ''}" if known else "none yet"
    )
    return NotFound(f"no experiment {id!r}; known: {shown}", experiment_id=id)


def stale(id: str, expected: ExperimentState, actual: ExperimentState) -> StaleState:
    """Somebody else moved it first."""
    return StaleState(
        f"{id} is {actual.value!r} and not {expected.value!r} any more; read it again and decide anew",
        experiment_id=id,
        expected=expected.value,
        actual=actual.value,
    )
