"""The schema of `state.db`, as numbered steps that are never edited once released.

`PRAGMA user_version` counts the steps a file has been through; `PRAGMA application_id` says it is one of ours.
"""

from __future__ import annotations

APPLICATION_ID = 0x416C4C62
"""The bytes of `AlLb`."""

_BOARD = (
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY CHECK (number > 0),
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT""",
    "CREATE INDEX events_by_kind ON events (kind, number)",
    """CREATE TRIGGER events_are_not_edited BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events are never edited'); END""",
    """CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END""",
    """CREATE TABLE experiments (
        number INTEGER PRIMARY KEY CHECK (number > 0),
        id TEXT NOT NULL UNIQUE,
        family TEXT NOT NULL,
        signature TEXT NOT NULL,
        proposal TEXT NOT NULL CHECK (json_valid(proposal)),
        state TEXT NOT NULL CHECK (state IN (
            'proposed', 'implementing', 'ready', 'queued', 'running', 'scoring', 'scored', 'analyzing', 'done',
            'fixing', 'failed', 'cancelled')),
        priority INTEGER NOT NULL DEFAULT 0,
        fixes INTEGER NOT NULL DEFAULT 0 CHECK (fixes >= 0),
        attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        requeues INTEGER NOT NULL DEFAULT 0 CHECK (requeues >= 0),
        author TEXT NOT NULL,
        failure TEXT CHECK (failure IS NULL OR json_valid(failure)),
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT""",
    "CREATE UNIQUE INDEX one_experiment_per_signature ON experiments (signature) WHERE state <> 'cancelled'",
    "CREATE INDEX experiments_by_state ON experiments (state)",
    """CREATE TABLE attempts (
        experiment TEXT NOT NULL REFERENCES experiments (id),
        number INTEGER NOT NULL CHECK (number > 0),
        job TEXT NOT NULL UNIQUE,
        started_at TEXT NOT NULL,
        PRIMARY KEY (experiment, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE scores (
        subject TEXT NOT NULL,
        experiment TEXT REFERENCES experiments (id),
        split TEXT NOT NULL CHECK (split <> ''),
        seed INTEGER NOT NULL,
        attempt INTEGER NOT NULL CHECK (attempt >= 0),
        outcome TEXT NOT NULL CHECK (json_valid(outcome)),
        evaluation TEXT NOT NULL,
        submission TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (subject, split, seed, attempt),
        CHECK (CASE WHEN experiment IS NULL THEN subject GLOB 'baseline:?*' ELSE experiment = subject END)
    ) STRICT""",
    """CREATE TRIGGER scores_are_not_edited BEFORE UPDATE ON scores
        BEGIN SELECT RAISE(ABORT, 'scores are never edited'); END""",
    """CREATE TRIGGER scores_are_not_deleted BEFORE DELETE ON scores
        BEGIN SELECT RAISE(ABORT, 'scores are never deleted'); END""",
    """CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL CHECK (json_valid(value))
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE usage (
        role TEXT NOT NULL,
        model TEXT NOT NULL,
        experiment TEXT NOT NULL,
        phase TEXT NOT NULL,
        calls INTEGER NOT NULL CHECK (calls >= 0),
        input_tokens INTEGER NOT NULL CHECK (input_tokens >= 0),
        cached_tokens INTEGER NOT NULL CHECK (cached_tokens >= 0),
        output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
        reasoning_tokens INTEGER NOT NULL CHECK (reasoning_tokens >= 0),
        cost_usd REAL,
        PRIMARY KEY (role, model, experiment, phase)
    ) STRICT, WITHOUT ROWID""",
)

_CACHE_WRITES = (
    "ALTER TABLE usage ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0 CHECK (cache_write_tokens >= 0)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_BOARD, _CACHE_WRITES)
"""Statements that lead from version n to version n + 1."""
