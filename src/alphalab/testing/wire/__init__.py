"""Servers that speak the three providers' wire formats, with faults on demand."""

from alphalab.testing.wire.answers import Answer, Call, Received, Say, Think, Unknown
from alphalab.testing.wire.faults import (
    Closed,
    CutStream,
    Drip,
    ErrorEvent,
    Fault,
    MalformedEvent,
    Page,
    Silence,
    Status,
    WrongType,
)
from alphalab.testing.wire.server import WireServer

__all__ = [
    "Answer",
    "Call",
    "Closed",
    "CutStream",
    "Drip",
    "ErrorEvent",
    "Fault",
    "MalformedEvent",
    "Page",
    "Received",
    "Say",
    "Silence",
    "Status",
    "Think",
    "Unknown",
    "WireServer",
    "WrongType",
]
