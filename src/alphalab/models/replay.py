"""Playing a cassette: the recorded answers to the recorded requests, without a provider, a key or a network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from attrs import define, evolve, field

from alphalab._redaction import Redaction
from alphalab._serde import dump
from alphalab.errors import ConfigError, ReplayMismatch
from alphalab.messages import Message
from alphalab.models.base import Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.cassette import Call, Cassette, Folders, over_texts, read_cassette
from alphalab.models.comparing import IGNORED, Asked, Compared, Comparison, asked, closest, difference
from alphalab.models.wire.body import Conversations

_UNSHOWN_LABELS = frozenset({"agent"})
"""Labels that two runs may give differently: agents are numbered in the order in which they start."""


class ReplayModel(Model):
    """Answers from a cassette that `RecordingModel` wrote, and fails on a request that is not on it.

    A conversation is matched by its labels (all but `agent`) and by what it asks first; from then on it is answered
    call by call. Conversations may overlap otherwise than they did: answers come in the recorded order as far as the
    run allows it. Name, capabilities, usage and cost are the recorded ones, so that budgets end where they ended and
    records say the same; nothing is paid.

    Args:
        path: The cassette.
        folders: Where the folders that were named when recording lie now.
        ignore: Regular expressions of what may differ, in place of `IGNORED`, which names durations, times and random
            ids; add to it with `[*IGNORED, "seed [0-9]+"]`.
        compare: How much of a request must be as recorded. Say "prompts" for a campaign whose agents work at the same
            time: what a tool shows of the others' work depends on the moment. Say "course" when prompts do too, which
            is so when it is played with another number of workers.
        order_patience: How long an answer waits for calls that came earlier in the recording while nothing else
            happens; zero answers at once.

    Raises:
        ConfigError: There is no such file, it is no cassette, or `compare` is unknown.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        folders: Mapping[str, Path | str] | None = None,
        ignore: Sequence[str] = IGNORED,
        compare: Compared = "everything",
        order_patience: timedelta = timedelta(seconds=1),
    ) -> None:
        if compare not in get_args(Compared):
            raise ConfigError(f"compare={compare!r} is unknown; use one of {', '.join(get_args(Compared))}")
        self.path = Path(path)
        cassette = read_cassette(self.path)
        self.name = cassette.model
        self.capabilities = cassette.capabilities
        self._folders = Folders({name: Path(folder) for name, folder in (folders or {}).items()})
        self._redaction = Redaction.of_environment()
        self._comparison = Comparison(ignore=ignore, compared=compare)
        self._messages = Conversations(self._message)
        self._shelf = _Shelf(cassette=cassette, comparison=self._comparison)
        self._claimed: dict[str, _Thread] = {}
        self._order = _Order(calls=cassette.calls, patience_s=order_patience.total_seconds())

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """The recorded answer.

        Raises:
            ReplayMismatch: The request is not on the cassette, or not any more; the message shows a diff.
            ModelError: The recorded call failed with that error.
        """
        call = self._next(request)
        await self._order.turn(call)
        if on_delta is not None:
            for delta in call.deltas():
                on_delta(evolve(delta, text=self._folders.show(delta.text)))
        return call.response(self._folders.show)

    def assert_done(self) -> None:
        """See that every recorded call was asked for.

        Raises:
            ReplayMismatch: Calls are left over.
        """
        unused = [call for thread in self._shelf.threads for call in thread.left]
        if unused:
            first = min(unused, key=lambda call: call.began)
            raise ReplayMismatch(
                f"{len(unused)} of {len(self._shelf.cassette.calls)} recorded calls of {str(self.path)!r} were not "
                f"asked for; first: {_who(first.labels)}"
            )

    def _next(self, request: ModelRequest) -> Call:
        request = evolve(request, labels=self._clean(request.labels))
        now = self._asked(request)
        thread = self._claimed.get(request.conversation)
        if thread is not None and thread.left and thread.asked() == now:
            return thread.take()
        found = self._shelf.find(now, request.labels)
        if found is None:
            raise ReplayMismatch(self._mismatch(request, now, thread))
        thread, ahead = found
        self._order.skip(thread.take() for _ in range(ahead))
        if request.conversation:
            self._claimed[request.conversation] = thread
        return thread.take()

    def _mismatch(self, request: ModelRequest, now: Asked, thread: _Thread | None) -> str:
        where = f"{_who(request.labels)} asks what is not on cassette {str(self.path)!r}"
        if thread is not None and not thread.left:
            return f"{where}: the recorded conversation ended before this call. It says:\n{now.parts[-1][:2000]}"
        rest = [thread] if thread is not None else self._shelf.unread(request.labels)
        candidates = [each.asked() for each in rest]
        best = closest(now, candidates)
        if best is None:
            return f"{where}: no recorded conversation of that kind is left. It says:\n{now.parts[-1][:2000]}"
        return (
            f"{where}; beside the closest one, at call {rest[best].position + 1} of its conversation:\n"
            + difference(candidates[best], now)
        )

    def _asked(self, request: ModelRequest) -> Asked:
        form = self._clean({"tools": [dump(tool) for tool in request.tools], "output_schema": request.output_schema})
        encoded = self._messages.encoded(request.conversation, request.messages)
        roles = (message.role for message in request.messages)
        texts = [(role, text.decode()) for role, text in zip(roles, encoded, strict=True)]
        return asked(self._comparison.text(self._clean(request.system)), self._comparison.tools(form), texts)

    def _message(self, message: Message) -> bytes:
        return self._comparison.message(self._clean(dump(message))).encode()

    def _clean(self, value: Any) -> Any:
        return over_texts(self._redaction.json(value), self._folders.hide)


def _kind(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name not in _UNSHOWN_LABELS and value}


def _who(labels: Mapping[str, str]) -> str:
    said = ", ".join(f"{name} {value!r}" for name, value in labels.items() if value)
    return f"a call ({said})" if said else "a call without labels"


@define(kw_only=True, eq=False)
class _Thread:
    """One recorded conversation, and how far it has been played."""

    calls: list[Call]
    comparables: Comparables
    position: int = 0

    @property
    def left(self) -> list[Call]:
        """Calls that were not asked for."""
        return self.calls[self.position :]

    def asked(self, ahead: int = 0) -> Asked:
        """What the next call asks, or one after it."""
        return self.comparables.asked(self.calls[self.position + ahead])

    def take(self) -> Call:
        """Play the next call."""
        call = self.calls[self.position]
        self.position += 1
        return call


@define(eq=False)
class Comparables:
    """Parts of a cassette in comparable form, each made once."""

    _parts: dict[str, Any]
    _comparison: Comparison
    _known: dict[str, Any] = field(factory=dict[str, Any], init=False)

    def asked(self, call: Call) -> Asked:
        """What a recorded call asked."""
        system = self._once(call.system, self._comparison.text)
        tools = self._once(call.tools, self._comparison.tools)
        return asked(system, tools, [self._once(name, self._said) for name in call.messages])

    def _said(self, message: Any) -> tuple[str, str]:
        return message["role"], self._comparison.message(message)

    def _once(self, name: str, make: Any) -> Any:
        if name not in self._known:
            self._known[name] = make(self._parts[name])
        return self._known[name]


@define(kw_only=True, eq=False)
class _Shelf:
    """The conversations of a cassette."""

    cassette: Cassette
    comparison: Comparison

    @cached_property
    def threads(self) -> tuple[_Thread, ...]:
        """In the order in which they began."""
        comparables, found = Comparables(self.cassette.parts, self.comparison), dict[int, list[Call]]()
        for call in sorted(self.cassette.calls, key=lambda call: call.began):
            found.setdefault(call.thread, []).append(call)
        return tuple(_Thread(calls=calls, comparables=comparables) for calls in found.values())

    def unread(self, labels: Mapping[str, str]) -> list[_Thread]:
        """Conversations of that kind of which nothing was played; all kinds when there is none."""
        unread = [thread for thread in self.threads if not thread.position]
        return [each for each in unread if _kind(each.calls[0].labels) == _kind(labels)] or unread

    def find(self, now: Asked, labels: Mapping[str, str]) -> tuple[_Thread, int] | None:
        """The conversation that a request begins, or goes on with after a restart, and the calls before it."""
        kind = _kind(labels)
        fitting = [thread for thread in self.threads if _kind(thread.calls[0].labels) == kind and not thread.position]
        fitting.sort(key=lambda thread: thread.calls[0].labels != dict(labels))
        for ahead, thread in _places(fitting):
            if thread.asked(ahead) == now:
                return thread, ahead
        return None


def _places(threads: Sequence[_Thread]) -> Iterator[tuple[int, _Thread]]:
    """Beginnings first, then places further on."""
    longest = max((len(thread.calls) for thread in threads), default=0)
    return ((ahead, thread) for ahead in range(longest) for thread in threads if ahead < len(thread.calls))


@define(kw_only=True, eq=False)
class _Order:
    """Lets answers come in the recorded order, as far as the calls before them are made at all."""

    calls: Iterable[Call]
    patience_s: float
    _pending: set[int] = field(init=False)
    _descending: list[int] = field(init=False)
    _waiting: set[int] = field(factory=set[int], init=False)
    _moved: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._pending = {place for call in self.calls for place in (call.began, call.ended)}
        self._descending = sorted(self._pending, reverse=True)

    def skip(self, calls: Iterable[Call]) -> None:
        """Do not wait for these."""
        for call in calls:
            self._happened(call.began)
            self._happened(call.ended)

    async def turn(self, call: Call) -> None:
        """Wait for what came earlier; after a while without any movement, the first in line goes ahead."""
        self._happened(call.began)
        self._waiting.add(call.ended)
        try:
            while self.patience_s > 0 and self._first_pending() < call.ended:
                if not await self._movement() and call.ended == min(self._waiting):
                    break
        finally:
            self._waiting.discard(call.ended)
            self._happened(call.ended)

    def _first_pending(self) -> int:
        while self._descending[-1] not in self._pending:  # never empty: the call that asks is pending itself
            self._descending.pop()
        return self._descending[-1]

    async def _movement(self) -> bool:
        try:
            async with asyncio.timeout(self.patience_s):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True

    def _happened(self, place: int) -> None:
        self._pending.discard(place)
        self._moved.set()
        self._moved = asyncio.Event()
