"""When to stop, and what to do about a failure: pure rules."""

from __future__ import annotations

from collections.abc import Sequence

from alphalab.measurement import Failure, Metric

MAX_REQUEUES = 3
"""Times a job is run again because the machine failed it; counted apart from fixes."""


def converged(history: Sequence[float], metric: Metric, patience: int, noise_floor: float) -> bool:
    """Whether the last `patience` scores brought no improvement beyond the noise.

    Args:
        history: Scores in the order they came in.
        metric: Says which direction is better.
        patience: Scores without improvement.
        noise_floor: Improvements up to this do not count, in the metric's unit.
    """
    if len(history) <= patience:
        return False
    leader, since = history[0], 0
    for value in history[1:]:
        if metric.better(value, leader) and abs(value - leader) > noise_floor:
            leader, since = value, 0
        else:
            since += 1
    return since >= patience


def after_failure(failure: Failure, *, fixes: int, requeues: int, max_fixes: int) -> str:
    """State that a failed attempt leads to: `ready` again, `fixing`, or `failed`."""
    if failure.kind in ("infrastructure", "cancelled"):
        return "ready" if requeues < MAX_REQUEUES else "failed"
    return "fixing" if fixes < max_fixes else "failed"
