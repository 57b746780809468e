"""SQLite's errors in plain words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alphalab.errors import StoreError

BUSY_SECONDS = 30.0
"""How long to wait for a reader to let go; on a rollback journal readers and the writer exclude each other."""


def damaged(path: Path | None, detail: str) -> StoreError:
    """The error for a file that cannot be trusted, with the way out."""
    return StoreError(
        f"{path} is damaged or not a database ({detail}); finished experiments can be recovered from "
        "experiments/*/result.json with alphalab.experiments.recover_experiments(Workspace(...))",
        damaged=True,
    )


def explain(path: Path | None, error: sqlite3.Error) -> StoreError:
    """What happened and what to do, for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    place = path if path is not None else "the store in memory"
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return damaged(path, str(error))
    reason = {
        sqlite3.SQLITE_BUSY: f"it was busy for {BUSY_SECONDS:.0f} s; close readers that hang and try again",
        sqlite3.SQLITE_FULL: "the disk is full; free some space and run the campaign again, it resumes",
        sqlite3.SQLITE_IOERR: "the disk reports an error; check it, then run the campaign again, it resumes",
        sqlite3.SQLITE_READONLY: "it cannot be written; make file and folder writable, and open it once for writing",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the folder exists and is writable",
        sqlite3.SQLITE_CONSTRAINT: "the change contradicts what is on record",
    }.get(code)
    return StoreError(f"{place}: {reason or 'the database refused'} ({error})")
