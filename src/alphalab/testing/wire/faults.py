"""What can go wrong on demand, as values; `WireServer(faults={0: Status(429)})` breaks the first request."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen


@frozen
class Status:
    """An error status with the provider's own body."""

    status: int
    kind: str = ""
    """`code` or `type` in the body; empty for the provider's usual one, e.g. `insufficient_quota` for no money."""
    message: str = "told to fail"
    headers: dict[str, str] = field(factory=dict[str, str])
    """E.g. `{"retry-after": "2"}`, a date there, or `{"retry-after-ms": "1500"}`."""


@frozen
class Closed:
    """The connection ends before any byte of the answer."""


@frozen
class CutStream:
    """The connection ends in the stream."""

    where: Literal["inside", "between", "before_end"] = "between"
    """In the middle of an event, after a whole one, or before the final one."""


@frozen
class ErrorEvent:
    """The provider's error event after some deltas; the status was 200."""

    kind: str = ""
    """Empty for the provider's `overloaded` one."""
    message: str = "told to fail"


@frozen
class Drip:
    """The answer comes in small pieces with a pause before each."""

    pause_s: float = 0.005
    size: int = 64
    """Bytes of a piece."""


@frozen
class Silence:
    """Headers, then nothing until the client goes away."""

    after_events: int = 0
    """Events that are sent first."""


@frozen
class MalformedEvent:
    """One event of the stream holds broken JSON."""


@frozen
class Page:
    """An HTML page instead of an answer, as proxies send it."""

    status: int = 200


@frozen
class WrongType:
    """The stream's bytes under another content type."""

    content_type: str = "text/plain"


Fault = Status | Closed | CutStream | ErrorEvent | Drip | Silence | MalformedEvent | Page | WrongType
