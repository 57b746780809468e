"""How the board's values become rows of the database, and back."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from alphalab._serde import dumps, loads
from alphalab.events.types import Event, Recorded
from alphalab.experiments.record import Attempt, Experiment, ExperimentState, Proposal, Score
from alphalab.measurement import Failure, Outcome
from alphalab.messages import Usage

USAGE_COLUMNS = (
    "calls",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
)
ADD_USAGE = """
INSERT INTO usage (
    role, model, experiment, phase,
    calls, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_usd
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    calls = calls + excluded.calls,
    input_tokens = input_tokens + excluded.input_tokens,
    cached_tokens = cached_tokens + excluded.cached_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
    cost_usd = cost_usd + excluded.cost_usd
"""
# A sum skips NULLs, and an unknown price is not zero.
SUM_USAGE = """
SELECT {by} AS part, sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(cached_tokens) AS cached_tokens,
    sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
    sum(reasoning_tokens) AS reasoning_tokens,
    CASE WHEN count(cost_usd) = count(*) THEN total(cost_usd) END AS cost_usd
FROM usage GROUP BY part ORDER BY part
"""
INSERT_EXPERIMENT = """
INSERT INTO experiments (
    number, id, family, signature, proposal, state, priority, fixes, attempts, requeues, author, failure,
    created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
MOVE_EXPERIMENT = """
UPDATE experiments SET
    state = ?, updated_at = ?, fixes = fixes + ?, requeues = requeues + ?, priority = coalesce(?, priority),
    failure = CASE WHEN ? THEN NULL ELSE coalesce(?, failure) END
WHERE id = ? AND state = ?
"""
INSERT_SCORE = """
INSERT INTO scores (subject, experiment, split, seed, attempt, outcome, evaluation, submission, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subject, split, seed, attempt) DO NOTHING
"""
SELECT_EXPERIMENTS = """
SELECT * FROM experiments WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR family = ?2) ORDER BY number
"""
SELECT_THEIR_SCORES = """
SELECT * FROM scores WHERE subject IN (
    SELECT id FROM experiments WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR family = ?2)
) ORDER BY rowid
"""


def failure_json(failure: Failure | None) -> str | None:
    """A failure as a column; NULL for none."""
    return None if failure is None else dumps(failure)


def score_values(score: Score) -> tuple[object, ...]:
    """Columns of `scores`, in order."""
    experiment = None if score.is_baseline else score.subject
    outcome = dumps(score.outcome, Outcome)
    place = (score.subject, experiment, score.split, score.seed, score.attempt)
    return (*place, outcome, score.evaluation, score.submission, score.at.isoformat())


def score_of(row: sqlite3.Row) -> Score:
    """A row of `scores`."""
    return Score(
        subject=row["subject"],
        split=row["split"],
        seed=row["seed"],
        attempt=row["attempt"],
        outcome=loads(row["outcome"], Outcome, subject=f"score of {row['subject']}"),
        evaluation=row["evaluation"],
        submission=row["submission"],
        at=datetime.fromisoformat(row["at"]),
    )


def attempt_of(row: sqlite3.Row) -> Attempt:
    """A row of `attempts`."""
    started = datetime.fromisoformat(row["started_at"])
    return Attempt(experiment=row["experiment"], number=row["number"], job=row["job"], started_at=started)


def event_of(row: sqlite3.Row) -> Recorded:
    """A row of `events`."""
    event: Event = loads(row["body"], Event, subject=f"event {row['number']}")
    return Recorded(number=row["number"], at=datetime.fromisoformat(row["at"]), event=event)


def usage_of(row: sqlite3.Row) -> Usage:
    """The usage columns of a row."""
    return Usage(**{column: row[column] for column in USAGE_COLUMNS})


def experiments_of(rows: Iterable[sqlite3.Row], scores: Iterable[sqlite3.Row]) -> tuple[Experiment, ...]:
    """Rows of `experiments` with those of their `scores`."""
    found: defaultdict[str, list[Score]] = defaultdict(list)
    for row in scores:
        found[row["subject"]].append(score_of(row))
    return tuple(_experiment_of(row, tuple(found.get(row["id"], ()))) for row in rows)


def _experiment_of(row: sqlite3.Row, scores: tuple[Score, ...]) -> Experiment:
    return Experiment(
        id=row["id"],
        proposal=loads(row["proposal"], Proposal, subject=f"proposal of {row['id']}"),
        state=ExperimentState(row["state"]),
        priority=row["priority"],
        fixes=row["fixes"],
        attempts=row["attempts"],
        requeues=row["requeues"],
        author=row["author"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        failure=None if row["failure"] is None else loads(row["failure"], Failure, subject=f"failure of {row['id']}"),
        scores=scores,
    )
