"""Server-sent events, as far as providers use them: the data of each event, in order.

The SDKs' own decoders make several objects for each line, 10 microseconds an event, and drop what ends in the middle of
an event without a word; a stream that broke off must not look like one that ended.

Source: WHATWG HTML, section 9.2.6; lines may end in CR, LF or both.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define


@define(eq=False)
class EventLines:
    """Takes bytes as they arrive and gives the data of every event that is complete."""

    _rest: bytes = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Data of the events that end in these bytes; comments and names of events are left out."""
        text = self._rest + chunk
        if b"\r" in text:
            held = b"\r" if text.endswith(b"\r") else b""  # its line feed may be in the next chunk
            text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        *events, self._rest = text.split(b"\n\n")
        for event in events:
            data = _data(event)
            if data:
                yield data

    @property
    def is_cut(self) -> bool:
        """Whether the bytes so far end inside an event."""
        return bool(_data(self._rest))


def _data(event: bytes) -> bytes:
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)
