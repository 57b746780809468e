"""Whether a run has used up one of its limits."""

from __future__ import annotations

from alphalab.agents.result import AgentStop
from alphalab.budget import Limits
from alphalab.messages import Usage


def limit_reached(limits: Limits, *, turns: int, usage: Usage, seconds: float) -> AgentStop | None:
    """The first limit that leaves no room for another turn.

    A cost that is unknown (a model without a price) cannot reach a limit in dollars.
    """
    if limits.turns is not None and turns >= limits.turns:
        return "turns"
    if limits.tokens is not None and usage.input_tokens + usage.output_tokens >= limits.tokens:
        return "tokens"
    if limits.cost_usd is not None and usage.cost_usd is not None and usage.cost_usd >= limits.cost_usd:
        return "cost"
    if limits.time is not None and seconds >= limits.time.total_seconds():
        return "time"
    return None
