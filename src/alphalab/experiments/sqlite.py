"""The database file below the store: opening it safely, transactions, and errors in plain words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from attrs import define, field

from alphalab.errors import StoreError
from alphalab.experiments.locks import WriterLock, allows_wal, file_system_type
from alphalab.experiments.migrations import APPLICATION_ID, MIGRATIONS
from alphalab.experiments.sqlite_errors import BUSY_SECONDS, damaged, explain


@define(kw_only=True, eq=False)
class Database:
    """One connection, used by the threads of one process in turn."""

    path: Path | None
    """None: in memory."""
    connection: sqlite3.Connection
    read_only: bool = False
    lock: WriterLock | None = None
    guard: RLock = field(factory=RLock)
    """Held for the length of a transaction."""
    depth: int = 0
    """Nested transactions that are open."""
    closed: bool = False

    @classmethod
    def open(cls, path: Path, *, read_only: bool, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> Database:
        """Open a file for reading, or for writing as the only process that does.

        Raises:
            StoreError: It is missing, damaged, newer than this version, not ours, locked or not writable.
        """
        if read_only:
            database = cls(path=path, connection=_connect_to_read(path), read_only=True)
        else:
            database = _open_to_write(path)
        try:
            database.prepare(migrations)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def in_memory(cls) -> Database:
        """An empty database that is gone when it is closed."""
        database = cls(path=None, connection=_configured(sqlite3.connect(":memory:", check_same_thread=False)))
        database.prepare(MIGRATIONS)
        return database

    def prepare(self, migrations: Sequence[Sequence[str]]) -> None:
        """Check the file and bring it to the newest version."""
        with self.explained():
            version = self._checked_version(newest=len(migrations))
            if self.read_only:
                return
            self._choose_journal()
        for number in range(version, len(migrations)):
            with self.transaction():
                for statement in migrations[number]:
                    self.write(statement)
                self.write(f"PRAGMA application_id = {APPLICATION_ID}")
                self.write(f"PRAGMA user_version = {number + 1}")

    def _checked_version(self, newest: int) -> int:
        if not self.read_only:  # reads every page, so once per run and not for every look at the board
            damage = str(self.connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if damage != "ok":
                raise damaged(self.path, damage)
        version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
        mark = int(self.connection.execute("PRAGMA application_id").fetchone()[0])
        tables = int(self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
        if tables and mark != APPLICATION_ID:
            raise StoreError(f"{self.path} is a database of another program; choose another workspace folder")
        if version > newest:
            raise StoreError(
                f"{self.path} has schema version {version}, and this alphalab knows {newest}; "
                "use the newer alphalab that wrote it, or another workspace folder",
                found=version,
                known=newest,
            )
        if self.read_only and version < newest:
            raise StoreError(
                f"{self.path} has schema version {version}, and this alphalab reads {newest}; "
                "open it once for writing to bring it up to date",
                found=version,
                known=newest,
            )
        return version

    def _choose_journal(self) -> None:
        # FULL in both modes: a commit precedes every paid step (a job, a model call), so losing the last seconds to a
        # power cut would mean paying twice. It costs one fsync per commit; a campaign commits a few times a second.
        wal = self.path is not None and allows_wal(file_system_type(self.path))
        self.connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}").fetchone()
        self.connection.execute("PRAGMA synchronous = FULL")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self.guard, self.explained():
            self._require_open()
            return self.connection.execute(sql, values).fetchall()

    def write(self, sql: str, *values: Any) -> int:
        """Run a statement inside a transaction; the number of rows it changed."""
        assert self.depth, "writes happen inside a transaction"
        with self.explained():
            return self.connection.execute(sql, values).rowcount

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit everything in the block, or nothing of it; an inner block can fail without the outer one."""
        if self.read_only:
            raise StoreError(f"{self.path} is open read-only; open the campaign for writing to change it")
        with self.guard:
            self._require_open()
            level = self.depth
            self.depth += 1
            try:
                with self.explained():
                    self.connection.execute(f"SAVEPOINT level{level}" if level else "BEGIN IMMEDIATE")
                yield
                with self.explained():
                    self.connection.execute(f"RELEASE level{level}" if level else "COMMIT")
            except BaseException:
                self._undo(level)
                raise
            finally:
                self.depth -= 1

    def _undo(self, level: int) -> None:
        if not self.connection.in_transaction:  # a full disk has already rolled everything back
            return
        if level:
            self.connection.execute(f"ROLLBACK TO level{level}")
            self.connection.execute(f"RELEASE level{level}")
        else:
            self.connection.execute("ROLLBACK")

    def _require_open(self) -> None:
        if self.closed:
            raise StoreError(f"{self.path or 'the store in memory'} is closed; open the campaign again")

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """Let several queries see one state, whatever another process commits meanwhile."""
        with self.guard:
            self._require_open()
            if self.connection.in_transaction:
                yield
                return
            with self.explained():
                self.connection.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file and let others write; twice is fine."""
        with self.guard:
            self.connection.close()
            self.closed = True
            if self.lock is not None:
                self.lock.release()
                self.lock = None

    @contextmanager
    def explained(self) -> Generator[None]:
        """Turn SQLite's errors into sentences."""
        try:
            yield
        except sqlite3.Error as error:
            raise explain(self.path, error) from error


def damage(path: Path) -> str | None:
    """What is wrong with a file, or None when it is sound; reads all of it."""
    try:
        database = Database.open(path, read_only=True)
    except StoreError as error:
        if getattr(error, "damaged", False):
            return str(error)
        raise
    try:
        found = str(database.rows("PRAGMA integrity_check(1)")[0][0])
    except StoreError as error:
        found = str(error)
    finally:
        database.close()
    return None if found == "ok" else found


def _open_to_write(path: Path) -> Database:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be made ({error.strerror}); choose another workspace folder") from error
    lock = WriterLock.acquire(path)
    try:
        connection = _connect(path, "rwc")
    except BaseException:
        lock.release()
        raise
    return Database(path=path, connection=connection, lock=lock)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise StoreError(f"there is no campaign at {path}; check the workspace folder, or start one there first")
    # Reading a WAL database takes a shared-memory file beside it. Where that cannot be made, and no log says that
    # somebody has the database open, the file is read as it stands.
    writable = os.access(path.parent, os.W_OK, effective_ids=True)
    still = not writable and _has_wal_format(path) and not path.with_name(f"{path.name}-wal").exists()
    return _connect(path, "ro&immutable=1" if still else "ro")


def _has_wal_format(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(20)[18:] == b"\x02\x02"  # https://sqlite.org/fileformat.html, section 1.3


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        return _configured(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False))
    except sqlite3.Error as error:
        raise explain(path, error) from error


def _configured(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.isolation_level = None
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
