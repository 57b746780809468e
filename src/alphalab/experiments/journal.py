"""The part of the store that is not the board: transactions, events, small facts, and what models consumed."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

from attrs import define, field

from alphalab._clock import Clock, SystemClock
from alphalab._serde import dump
from alphalab.events import Event, EventBus, Recorded
from alphalab.experiments import rows
from alphalab.experiments.rules import UsageKey, check_cost, check_kinds, check_usage_key, json_text
from alphalab.experiments.sqlite import Database
from alphalab.messages import Usage


@define(kw_only=True, eq=False)
class Journal:
    """An open database with its clock and the bus that hears of its events."""

    database: Database
    clock: Clock = field(factory=SystemClock)
    bus: EventBus | None = None
    """Hears of every event once it is committed."""
    _unpublished: list[Recorded] = field(factory=list[Recorded], init=False)
    _publishing: bool = field(default=False, init=False)

    @classmethod
    def open(
        cls, path: Path, *, clock: Clock | None = None, read_only: bool = False, bus: EventBus | None = None
    ) -> Self:
        """Open a campaign's `state.db`; for writing, create it when it is missing.

        Args:
            path: The file.
            clock: Where times come from; the machine's by default.
            read_only: Look on while another process writes.
            bus: Told of events after they are committed.

        Raises:
            StoreError: Another process writes; or the file is missing (read-only), damaged, newer than this
                version, of another program, or not writable.
        """
        database = Database.open(Path(path), read_only=read_only)
        return cls(database=database, clock=clock or SystemClock(), bus=bus)

    @classmethod
    def in_memory(cls, *, clock: Clock | None = None, bus: EventBus | None = None) -> Self:
        """A store that is gone when it is closed."""
        return cls(database=Database.in_memory(), clock=clock or SystemClock(), bus=bus)

    def close(self) -> None:
        """Close the file and let others write; twice is fine."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit several calls together, or none of them. Blocks nest; do not `await` inside one.

        An inner block that raises undoes its own changes only, so the outer one may catch the error and go on.
        """
        with self.database.guard:
            mark = len(self._unpublished)
            try:
                with self.database.transaction():
                    yield
            except BaseException:
                del self._unpublished[mark:]
                raise
            if not self.database.depth:
                self._publish()

    def _publish(self) -> None:
        if self._publishing:  # a sink appended an event; the loop below takes it in its turn
            return
        self._publishing = True
        try:
            while self._unpublished:
                recorded = self._unpublished.pop(0)
                if self.bus is not None:
                    self.bus.publish(recorded)
        finally:
            self._publishing = False

    def append(self, event: Event) -> Recorded:
        """Put an event on record."""
        with self.transaction():
            data = dump(event, Event)
            kind, body = data["event"], json_text(data["event"], data)
            now = self.clock.now()
            self.database.write("INSERT INTO events (at, kind, body) VALUES (?, ?, ?)", now.isoformat(), kind, body)
            number = self.database.rows("SELECT last_insert_rowid() AS number")[0]["number"]
            recorded = Recorded(number=number, at=now, event=event)
            self._unpublished.append(recorded)
        return recorded

    def events(
        self, *, since: int = 0, kinds: tuple[str, ...] | None = None, limit: int | None = None
    ) -> tuple[Recorded, ...]:
        """Events in order.

        Args:
            since: Only those with a larger number.
            kinds: Only those with these wire tags, e.g. `experiment_moved`.
            limit: At most this many, the earliest.
        """
        check_kinds(kinds)
        wanted = json.dumps(kinds)
        sql = "SELECT * FROM events WHERE number > ?"
        sql += " AND kind IN (SELECT value FROM json_each(?))" if kinds is not None else " AND ? = 'null'"
        found = self.database.rows(f"{sql} ORDER BY number LIMIT ?", since, wanted, -1 if limit is None else limit)
        return tuple(rows.event_of(row) for row in found)

    def get(self, key: str) -> Any | None:
        """The JSON value under a key, or None."""
        found = self.database.rows("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(found[0]["value"]) if found else None

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key, in place of what was there."""
        text = json_text(key, value)
        with self.transaction():
            self.database.write(
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                key,
                text,
            )

    def add_usage(self, usage: Usage, *, role: str, model: str, experiment: str | None = None, phase: str = "") -> None:
        """Add what a model call consumed; kept as sums per role, model, experiment and phase, so it stays small."""
        check_cost(usage)
        with self.transaction():
            self.database.write(
                rows.ADD_USAGE,
                *(role, model, experiment or "", phase),
                *(getattr(usage, column) for column in rows.USAGE_COLUMNS),
            )

    @overload
    def usage(self, by: None = None) -> Usage: ...
    @overload
    def usage(self, by: UsageKey) -> dict[str, Usage]: ...
    def usage(self, by: UsageKey | None = None) -> dict[str, Usage] | Usage:
        """What models consumed: the total, or a part per role, model, experiment or phase.

        The parts add up to the total; what belongs to no experiment or phase is under the empty text. A cost is None
        when any part of it has no known price.
        """
        if by is None:
            return sum(self.usage("role").values(), Usage())
        found = self.database.rows(rows.SUM_USAGE.format(by=check_usage_key(by)))
        return {row["part"]: rows.usage_of(row) for row in found}
