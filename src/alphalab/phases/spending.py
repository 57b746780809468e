"""What a campaign has used of its budget, from the record."""

from __future__ import annotations

from datetime import datetime, timedelta

from alphalab.budget import Budget
from alphalab.events import Recorded, Steered
from alphalab.experiments import Store
from alphalab.messages import Usage


def overspent(store: Store, budget: Budget, *, gpus: float) -> str | None:
    """The unit in which the budget is used up, or None. Experiments are counted by the board itself."""
    if budget.cost_usd is None and budget.tokens is None and budget.gpu_hours is None:
        return None
    usage = store.usage()
    assert isinstance(usage, Usage)
    if budget.cost_usd is not None and (usage.cost_usd is None or usage.cost_usd >= budget.cost_usd):
        return "cost_usd"
    if budget.tokens is not None and usage.input_tokens + usage.output_tokens >= budget.tokens:
        return "tokens"
    if budget.gpu_hours is not None and gpu_hours(store, gpus) >= budget.gpu_hours:
        return "gpu_hours"
    return None


def gpu_hours(store: Store, gpus: float) -> float:
    """Hours of candidates on the GPUs that each job was given."""
    return sum(score.outcome.seconds for score in store.scores()) * gpus / 3600


def _last_before(store: Store, number: int) -> Recorded:
    """The last event before another that a running process left; notes can be left while nothing runs."""
    (last,) = store.events(since=number - 2, limit=1)
    return _last_before(store, last.number) if isinstance(last.event, Steered) else last


def active_time(store: Store, now: datetime) -> timedelta:
    """Time during which some process ran the campaign, up to now; pauses between runs are left out."""
    starts = store.events(kinds=("campaign_started",))
    total = timedelta(0)
    for index, start in enumerate(starts):
        if index + 1 < len(starts):
            total += _last_before(store, starts[index + 1].number).at - start.at
        else:
            total += now - start.at
    return total
