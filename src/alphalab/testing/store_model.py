"""The store as plain dictionaries: what a store means, without files, locks or SQL."""

# ruff: noqa: A002 - the board's word for an experiment's id is `id`

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, overload

from attrs import define, evolve, field

from alphalab._clock import Clock, SystemClock
from alphalab._ids import experiment_id
from alphalab.events import (
    EVENT_TAGS,
    AttemptStarted,
    Event,
    EventBus,
    ExperimentMoved,
    ExperimentProposed,
    ExperimentScored,
    Recorded,
)
from alphalab.experiments.record import Attempt, Experiment, ExperimentState, Proposal, Score
from alphalab.experiments.rules import (
    UsageKey,
    board_full,
    check_cost,
    check_kinds,
    check_usage_key,
    duplicate,
    is_baseline,
    is_requeue,
    job_key,
    json_text,
    not_found,
    stale,
)
from alphalab.experiments.states import require_transition
from alphalab.measurement import Failure
from alphalab.messages import Usage

_TAGS = {cls: tag for tag, cls in EVENT_TAGS.items()}
_USAGE_KEYS = ("role", "model", "experiment", "phase")


@define(kw_only=True, eq=False)
class _Contents:
    events: list[Recorded] = field(factory=list[Recorded])
    meta: dict[str, str] = field(factory=dict[str, str])
    experiments: dict[str, Experiment] = field(factory=dict[str, Experiment])
    attempts: dict[str, Attempt] = field(factory=dict[str, Attempt])
    scores: dict[tuple[str, str, int, int], Score] = field(factory=dict[tuple[str, str, int, int], Score])
    usage: dict[tuple[str, str, str, str], Usage] = field(factory=dict[tuple[str, str, str, str], Usage])

    def copy(self) -> _Contents:
        return _Contents(
            events=[*self.events],
            meta={**self.meta},
            experiments={**self.experiments},
            attempts={**self.attempts},
            scores={**self.scores},
            usage={**self.usage},
        )


@define(kw_only=True, eq=False)
class InMemoryStore:
    """The methods of `Store` on dictionaries; the model that the SQLite store is tested against."""

    clock: Clock = field(factory=SystemClock)
    bus: EventBus | None = None
    _contents: _Contents = field(factory=_Contents, init=False)
    _depth: int = field(default=0, init=False)
    _published: int = field(default=0, init=False)
    _publishing: bool = field(default=False, init=False)

    def close(self) -> None:
        """Nothing to close."""

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All of the block or nothing of it."""
        before = self._contents.copy()
        self._depth += 1
        try:
            yield
        except BaseException:
            self._contents = before
            raise
        finally:
            self._depth -= 1
        if not self._depth:
            self._publish()

    def _publish(self) -> None:
        if self._publishing:
            return
        self._publishing = True
        try:
            while self._published < len(self._contents.events):
                self._published += 1
                if self.bus is not None:
                    self.bus.publish(self._contents.events[self._published - 1])
        finally:
            self._publishing = False

    def append(self, event: Event) -> Recorded:
        """See `Store`."""
        with self.transaction():
            recorded = Recorded(number=len(self._contents.events) + 1, at=self.clock.now(), event=event)
            self._contents.events.append(recorded)
        return recorded

    def events(
        self, *, since: int = 0, kinds: tuple[str, ...] | None = None, limit: int | None = None
    ) -> tuple[Recorded, ...]:
        """See `Store`."""
        check_kinds(kinds)
        found = [recorded for recorded in self._contents.events if recorded.number > since]
        found = [recorded for recorded in found if kinds is None or _TAGS[type(recorded.event)] in kinds]
        return tuple(found[:limit])

    def get(self, key: str) -> Any | None:
        """See `Store`."""
        text = self._contents.meta.get(key)
        return None if text is None else json.loads(text)

    def put(self, key: str, value: Any) -> None:
        """See `Store`."""
        self._contents.meta[key] = json_text(key, value)

    def propose(self, proposal: Proposal, *, author: str = "", limit: int | None = None) -> Experiment:
        """See `Store`."""
        held = [other for other in self._contents.experiments.values() if other.state is not ExperimentState.CANCELLED]
        for other in held:
            if other.proposal.signature == proposal.signature:
                raise duplicate(proposal, other.id)
        if limit is not None and len(held) >= limit:
            raise board_full(len(held), limit)
        now = self.clock.now()
        id = experiment_id(len(self._contents.experiments) + 1)  # noqa: A001
        experiment = Experiment(
            id=id, proposal=proposal, state=ExperimentState.PROPOSED, author=author, created_at=now, updated_at=now
        )
        self._contents.experiments[id] = experiment
        words = {"name": proposal.name, "family": proposal.family, "hypothesis": proposal.hypothesis}
        self.append(ExperimentProposed(experiment=id, **words))
        return experiment

    def move(
        self,
        id: str,
        source: ExperimentState,
        target: ExperimentState,
        *,
        reason: str = "",
        failure: Failure | None = None,
        priority: int | None = None,
    ) -> Experiment:
        """See `Store`."""
        require_transition(source, target)
        old = self.experiment(id)
        if old.state is not source:
            raise stale(id, source, old.state)
        moved = evolve(
            old,
            state=target,
            updated_at=self.clock.now(),
            fixes=old.fixes + (target is ExperimentState.FIXING),
            requeues=old.requeues + is_requeue(source, target),
            priority=old.priority if priority is None else priority,
            failure=None if target is ExperimentState.SCORED else failure or old.failure,
            scores=(),
        )
        with self.transaction():
            self._contents.experiments[id] = moved
            self.append(ExperimentMoved(experiment=id, source=source.value, target=target.value, reason=reason))
            if target is ExperimentState.QUEUED:
                self._begin_attempt(moved)
        return self.experiment(id)

    def _begin_attempt(self, experiment: Experiment) -> None:
        number = experiment.attempts + 1
        job = job_key(experiment.id, number)
        self._contents.experiments[experiment.id] = evolve(experiment, attempts=number)
        attempt = Attempt(experiment=experiment.id, number=number, job=job, started_at=experiment.updated_at)
        self._contents.attempts[experiment.id] = attempt
        self.append(AttemptStarted(experiment=experiment.id, attempt=number, job=job))

    def begin_attempt(self, id: str) -> Attempt:
        """See `Store`."""
        self.move(id, ExperimentState.READY, ExperimentState.QUEUED)
        return self._contents.attempts[id]

    def attempt(self, id: str) -> Attempt | None:
        """See `Store`."""
        return self._contents.attempts.get(id)

    def experiment(self, id: str) -> Experiment:
        """See `Store`."""
        if id not in self._contents.experiments:
            raise not_found(id, tuple(self._contents.experiments))
        return evolve(self._contents.experiments[id], scores=self.scores(id))

    def experiments(self, *, state: ExperimentState | None = None, family: str | None = None) -> tuple[Experiment, ...]:
        """See `Store`."""
        return tuple(
            self.experiment(experiment.id)
            for experiment in self._contents.experiments.values()
            if (state is None or experiment.state is state) and (family is None or experiment.family == family)
        )

    def counts(self) -> dict[str, int]:
        """See `Store`."""
        states = [experiment.state for experiment in self._contents.experiments.values()]
        return {state.value: states.count(state) for state in ExperimentState}

    def record_score(self, score: Score) -> bool:
        """See `Store`."""
        place = (score.subject, score.split, score.seed, score.attempt)
        if not is_baseline(score.subject) and score.subject not in self._contents.experiments:
            raise not_found(score.subject, tuple(self._contents.experiments))
        if place in self._contents.scores:
            return False
        with self.transaction():
            self._contents.scores[place] = score
            where = {"experiment": score.subject, "split": score.split}
            self.append(ExperimentScored(**where, seed=score.seed, outcome=score.outcome))
        return True

    def scores(self, subject: str | None = None, split: str | None = None) -> tuple[Score, ...]:
        """See `Store`."""
        return tuple(
            score
            for score in self._contents.scores.values()
            if (subject is None or score.subject == subject) and (split is None or score.split == split)
        )

    def add_usage(self, usage: Usage, *, role: str, model: str, experiment: str | None = None, phase: str = "") -> None:
        """See `Store`."""
        check_cost(usage)
        key = (role, model, experiment or "", phase)
        self._contents.usage[key] = self._contents.usage.get(key, Usage()) + usage

    @overload
    def usage(self, by: None = None) -> Usage: ...
    @overload
    def usage(self, by: UsageKey) -> dict[str, Usage]: ...
    def usage(self, by: UsageKey | None = None) -> dict[str, Usage] | Usage:
        """See `Store`."""
        if by is None:
            return sum(self._contents.usage.values(), Usage())
        part = _USAGE_KEYS.index(check_usage_key(by))
        parts: dict[str, Usage] = {}
        for key, usage in sorted(self._contents.usage.items()):
            parts[key[part]] = parts.get(key[part], Usage()) + usage
        return dict(sorted(parts.items()))
