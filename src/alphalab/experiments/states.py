"""The life of an experiment: legal steps as data, and a sentence for every state."""

from __future__ import annotations

from collections.abc import Mapping

from alphalab.errors import StoreError
from alphalab.experiments.record import ExperimentState as State

REASONS: Mapping[State, str] = {
    State.PROPOSED: "An idea was accepted onto the board; nothing has been built.",
    State.IMPLEMENTING: "A Worker is writing the submission, which costs model calls and may not end well.",
    State.READY: "A complete submission waits until the executor has room for it.",
    State.QUEUED: "An attempt was begun and its job handed over; from here on a restart must look for the job.",
    State.RUNNING: "The executor has started the job, so it uses resources.",
    State.SCORING: "The job ended and the harness takes its outcome; the submission cannot change any more.",
    State.SCORED: "The trusted result is on record, and losing the analysis could not lose it.",
    State.ANALYZING: "A Worker is writing the debrief and lessons from the result.",
    State.DONE: "Final: there are a score and a debrief.",
    State.FIXING: "The submission failed and a Worker is mending it; counted, so that mending ends.",
    State.FAILED: "Final: no usable submission came of it, and the failure is the result.",
    State.CANCELLED: "Final: a person or the campaign ended it before its time.",
}
"""Why each state exists."""

TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    State.PROPOSED: (State.IMPLEMENTING, State.CANCELLED),
    # Back to proposed: the process died while the Worker wrote, and a half-written submission is not trusted.
    State.IMPLEMENTING: (State.READY, State.FAILED, State.PROPOSED, State.CANCELLED),
    State.READY: (State.QUEUED, State.CANCELLED),
    # Back to ready from here, running and scoring: preempted, lost, or the harness itself broke off.
    State.QUEUED: (State.RUNNING, State.READY, State.CANCELLED),
    State.RUNNING: (State.SCORING, State.FIXING, State.READY, State.CANCELLED),
    # Straight to failed: the attempts are used up, and a fix that is not tried must not be counted.
    State.SCORING: (State.SCORED, State.FIXING, State.FAILED, State.READY, State.CANCELLED),
    State.SCORED: (State.ANALYZING, State.CANCELLED),
    # Back to scored: the process died while the Worker analysed.
    State.ANALYZING: (State.DONE, State.SCORED, State.CANCELLED),
    State.DONE: (),
    State.FIXING: (State.READY, State.FAILED, State.CANCELLED),
    State.FAILED: (),
    State.CANCELLED: (),
}
"""Legal next states of each state."""


def require_transition(source: State, target: State) -> None:
    """Refuse a step that is not in `TRANSITIONS`.

    Raises:
        StoreError: Names the step and what would be legal.
    """
    legal = TRANSITIONS[source]
    if target not in legal:
        known = ", ".join(legal) if legal else "nothing, it is final"
        raise StoreError(
            f"an experiment cannot go from {source.value!r} to {target.value!r}; from there it can go to: {known}",
            source=source.value,
            target=target.value,
        )
