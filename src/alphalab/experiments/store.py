"""The record of a campaign: events, the board, scores and usage, in one SQLite file that one process writes.

What callers may rely on, and what `alphalab.testing.store_suite` checks of every implementation:

- A change and the event that tells of it are committed together, or neither is.
- `move` is a compare-and-set: of two callers that saw the same state, one moves the experiment.
- Events and scores are never edited. A score that is on record for its place is kept; a second one is ignored.
- The bus hears of an event after it is on disk, in order, and never of one that was rolled back.
- Nothing waits, so nothing is async; the threads of one process may share a store.
"""

# ruff: noqa: A002 - the board's word for an experiment's id is `id`

from __future__ import annotations

from attrs import define

from alphalab._ids import experiment_id
from alphalab._serde import dumps
from alphalab.events import AttemptStarted, ExperimentMoved, ExperimentProposed, ExperimentScored
from alphalab.experiments import rows
from alphalab.experiments.journal import Journal
from alphalab.experiments.record import Attempt, Experiment, ExperimentState, Proposal, Score
from alphalab.experiments.rules import (
    board_full,
    duplicate,
    experiment_number,
    is_baseline,
    is_requeue,
    job_key,
    not_found,
    stale,
)
from alphalab.experiments.states import require_transition
from alphalab.measurement import Failure


@define(kw_only=True, eq=False)
class Store(Journal):
    """The record of one campaign; `open` or `in_memory` makes one."""

    def propose(self, proposal: Proposal, *, author: str = "", limit: int | None = None) -> Experiment:
        """Put a proposal on the board under the next id.

        Args:
            proposal: The idea.
            author: Model that had it.
            limit: Most experiments the board may hold, cancelled ones not counted.

        Raises:
            DuplicateProposal: An experiment that is not cancelled would run the same thing.
            BoardFull: The board holds `limit` experiments.
        """
        with self.transaction():
            self._require_new(proposal, limit)
            number = self.database.rows("SELECT coalesce(max(number), 0) + 1 AS number FROM experiments")[0]["number"]
            now = self.clock.now()
            experiment = Experiment(
                id=experiment_id(number),
                proposal=proposal,
                state=ExperimentState.PROPOSED,
                author=author,
                created_at=now,
                updated_at=now,
            )
            self._insert(experiment)
        return experiment

    def _require_new(self, proposal: Proposal, limit: int | None) -> None:
        same = self.database.rows(
            "SELECT id FROM experiments WHERE signature = ? AND state <> 'cancelled'", proposal.signature
        )
        if same:
            raise duplicate(proposal, same[0]["id"])
        held = self.database.rows("SELECT count(*) AS n FROM experiments WHERE state <> 'cancelled'")[0]["n"]
        if limit is not None and held >= limit:
            raise board_full(held, limit)

    def _insert(self, experiment: Experiment) -> None:
        proposal = experiment.proposal
        number = experiment_number(experiment.id)
        self.database.write(
            rows.INSERT_EXPERIMENT,
            *(number, experiment.id, proposal.family, proposal.signature, dumps(proposal), experiment.state.value),
            *(experiment.priority, experiment.fixes, experiment.attempts, experiment.requeues, experiment.author),
            rows.failure_json(experiment.failure),
            *(experiment.created_at.isoformat(), experiment.updated_at.isoformat()),
        )
        words = {"name": proposal.name, "family": proposal.family, "hypothesis": proposal.hypothesis}
        self.append(ExperimentProposed(experiment=experiment.id, **words))

    def restore(self, experiment: Experiment, *, reason: str) -> None:
        """Put an experiment back on the board as it was, with its scores, after the record of it was lost.

        Args:
            experiment: What is known of it.
            reason: For the event that says in which state it came back.
        """
        with self.transaction():
            self._insert(experiment)
            source, target = ExperimentState.PROPOSED.value, experiment.state.value
            self.append(ExperimentMoved(experiment=experiment.id, source=source, target=target, reason=reason))
            if experiment.attempts:
                self._insert_attempt(experiment.id, experiment.attempts, experiment.updated_at.isoformat())
            for score in experiment.scores:
                self.record_score(score)

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
        """Move an experiment from one state to the next.

        Entering `fixing` counts a fix; going back to `ready` from `queued` or `running` counts a requeue; entering
        `queued` begins an attempt; entering `scored` clears the failure.

        Args:
            id: Which experiment.
            source: The state it must be in.
            target: The state to go to.
            reason: For the event.
            failure: Why it failed, when it did.
            priority: A new priority, when it changes.

        Raises:
            StaleState: It is not in `source` any more.
            NotFound: There is no such experiment.
            StoreError: The step is not legal.
        """
        require_transition(source, target)
        with self.transaction():
            now = self.clock.now().isoformat()
            changed = self.database.write(
                rows.MOVE_EXPERIMENT,
                *(target.value, now, target is ExperimentState.FIXING, is_requeue(source, target), priority),
                *(target is ExperimentState.SCORED, rows.failure_json(failure), id, source.value),
            )
            if not changed:
                raise stale(id, source, self.experiment(id).state)
            self.append(ExperimentMoved(experiment=id, source=source.value, target=target.value, reason=reason))
            if target is ExperimentState.QUEUED:
                self._begin_attempt(id, now)
            return self.experiment(id)

    def begin_attempt(self, id: str) -> Attempt:
        """Move an experiment from `ready` to `queued` under a new job key, `exp-0001-1` for its first attempt.

        Raises:
            StaleState: It is not `ready`.
            NotFound: There is no such experiment.
        """
        with self.transaction():
            self.move(id, ExperimentState.READY, ExperimentState.QUEUED)
            attempt = self.attempt(id)
            assert attempt is not None, "entering queued has just begun it"
            return attempt

    def _begin_attempt(self, id: str, now: str) -> None:
        self.database.write("UPDATE experiments SET attempts = attempts + 1 WHERE id = ?", id)
        number = self.database.rows("SELECT attempts FROM experiments WHERE id = ?", id)[0]["attempts"]
        self._insert_attempt(id, number, now)
        self.append(AttemptStarted(experiment=id, attempt=number, job=job_key(id, number)))

    def _insert_attempt(self, id: str, number: int, started_at: str) -> None:
        self.database.write(
            "INSERT INTO attempts (experiment, number, job, started_at) VALUES (?, ?, ?, ?)",
            *(id, number, job_key(id, number), started_at),
        )

    def attempt(self, id: str) -> Attempt | None:
        """The latest attempt of an experiment, or None before the first."""
        sql = "SELECT * FROM attempts WHERE experiment = ? ORDER BY number DESC LIMIT 1"
        found = self.database.rows(sql, id)
        return rows.attempt_of(found[0]) if found else None

    def experiment(self, id: str) -> Experiment:
        """One experiment with its scores.

        Raises:
            NotFound: Names the ids there are.
        """
        with self.database.snapshot():
            found = self.database.rows("SELECT * FROM experiments WHERE id = ?", id)
            if not found:
                self._require_known(id)
            scores = self.database.rows("SELECT * FROM scores WHERE subject = ? ORDER BY rowid", id)
        return rows.experiments_of(found, scores)[0]

    def _require_known(self, id: str) -> None:
        if not self.database.rows("SELECT 1 FROM experiments WHERE id = ?", id):
            known = self.database.rows("SELECT id FROM experiments ORDER BY number")
            raise not_found(id, tuple(row["id"] for row in known))

    def experiments(self, *, state: ExperimentState | None = None, family: str | None = None) -> tuple[Experiment, ...]:
        """Experiments in the order of their ids, with their scores; two queries, however many there are."""
        with self.database.snapshot():
            found = self.database.rows(rows.SELECT_EXPERIMENTS, state, family)
            scores = self.database.rows(rows.SELECT_THEIR_SCORES, state, family)
        return rows.experiments_of(found, scores)

    def counts(self) -> dict[str, int]:
        """Number of experiments in every state, zeros included."""
        found = self.database.rows("SELECT state, count(*) AS n FROM experiments GROUP BY state")
        return {**{state.value: 0 for state in ExperimentState}, **{row["state"]: row["n"] for row in found}}

    def record_score(self, score: Score) -> bool:
        """Put an outcome on record, unless there is one for its subject, split, seed and attempt.

        Returns:
            Whether it was new; the one that was there first is kept.

        Raises:
            NotFound: The subject is neither on the board nor `baseline:NAME`.
        """
        with self.transaction():
            if not is_baseline(score.subject):
                self._require_known(score.subject)
            changed = self.database.write(rows.INSERT_SCORE, *rows.score_values(score))
            if changed:
                self.append(
                    ExperimentScored(
                        experiment=score.subject, split=score.split, seed=score.seed, outcome=score.outcome
                    )
                )
            return bool(changed)

    def scores(self, subject: str | None = None, split: str | None = None) -> tuple[Score, ...]:
        """Scores in the order in which they were recorded, of everything or of one subject or split."""
        sql = "SELECT * FROM scores WHERE (? IS NULL OR subject = ?) AND (? IS NULL OR split = ?) ORDER BY rowid"
        return tuple(rows.score_of(row) for row in self.database.rows(sql, subject, subject, split, split))
