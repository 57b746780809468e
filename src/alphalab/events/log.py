"""Where events go: one append-only record first, then every sink.

The record is whatever `append` writes to (the store commits an event in the same transaction as the change it
tells of). Sinks are plain callables; one that fails is reported once and does not stop the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from attrs import define, field

from alphalab.events.live import LiveSink, ModelStreamed
from alphalab.events.types import Event, Noticed, Recorded

Sink = Callable[[Recorded], None]


class Emit(Protocol):
    """How the rest of the library reports that something happened."""

    def __call__(self, event: Event) -> None:
        """Append one event."""
        ...


@define(kw_only=True, eq=False)
class EventBus:
    """Fans recorded events out to sinks and followers."""

    sinks: list[Sink] = field(factory=list[Sink])
    live: list[LiveSink] = field(factory=list[LiveSink])
    """Told what models are writing, which is not recorded."""
    _failed: set[int] = field(factory=set[int], init=False)
    _followers: list[asyncio.Queue[Recorded]] = field(factory=list["asyncio.Queue[Recorded]"], init=False)

    def publish(self, recorded: Recorded) -> None:
        """Hand an event that is already on record to everyone who listens."""
        for sink in tuple(self.sinks):
            error = self._deliver(sink, recorded)
            if error is not None:
                notice = Noticed(level="warning", message=_switched_off(sink, error))
                self.publish(Recorded(number=recorded.number, at=recorded.at, event=notice))
        for queue in tuple(self._followers):
            queue.put_nowait(recorded)

    def stream(self, piece: ModelStreamed) -> str | None:
        """Hand on what a model is writing; what to tell people when a listener has failed and is switched off."""
        failures = [(sink, self._deliver(sink, piece)) for sink in tuple(self.live)]
        told = [_switched_off(sink, error) for sink, error in failures if error is not None]
        return "; ".join(told) or None

    def _deliver(self, sink: Callable[[Any], None], item: Any) -> Exception | None:
        """What went wrong with a listener, the first time; one that has failed hears no more."""
        if id(sink) in self._failed:
            return None
        try:
            sink(item)
        except Exception as error:  # noqa: BLE001 - a listener must not be able to stop a campaign
            self._failed.add(id(sink))
            return error
        return None

    async def follow(self) -> AsyncIterator[Recorded]:
        """Events from now on, until the iterator is closed."""
        queue: asyncio.Queue[Recorded] = asyncio.Queue()
        self._followers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._followers.remove(queue)


def _switched_off(sink: Any, error: Exception) -> str:
    return f"event sink {sink!r} failed and is switched off: {error!r}"
