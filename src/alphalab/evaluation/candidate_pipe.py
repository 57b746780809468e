"""The scorer's end of a candidate's pipes: every read and write has a deadline."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from alphalab.evaluation.frames import Array, read_frame

_PIPE_BYTES = 2**20
"""Room for a whole request, so that it is one write; 64 kB pipes cost 0.3 ms more per 300 kB."""
_STDERR_KEPT = 20_000
_FLOOD_FACTOR = 100


class Late(Exception):
    """The deadline passed."""


class Ended(Exception):
    """The other end was closed."""


class Flooded(Exception):
    """Far more was written to standard error than anybody will read."""


class CandidatePipe:
    """Requests over standard input, answers over standard output; keeps the end of standard error."""

    def __init__(self, process: subprocess.Popen[bytes], *, output_bytes: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._streams = (process.stdin, process.stdout, process.stderr)
        self._requests, self._answers, self._errors = (stream.fileno() for stream in self._streams)
        for descriptor in (self._requests, self._answers, self._errors):
            os.set_blocking(descriptor, False)
            with suppress(OSError):  # a user's share of pipe memory may be used up; the default size works too
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._tail = bytearray()
        self._flood_left = _FLOOD_FACTOR * output_bytes
        self._errors_open = True

    def exchange(
        self, request: Sequence[memoryview], *, deadline: float, max_bytes: int
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Send one frame and read one.

        Args:
            request: Buffers to be written in order.
            deadline: On the clock of `time.monotonic`.
            max_bytes: Of the arrays that are read.

        Raises:
            Late: The deadline passed.
            Ended: The candidate closed its end.
            Flooded: It wrote too much to standard error.
            FrameError: What came is not a frame.
        """
        for buffer in request:
            self._write(buffer, deadline)
        return read_frame(lambda buffer: self._fill(buffer, deadline), max_bytes=max_bytes)

    def stderr(self) -> str:
        """The end of what the candidate printed so far."""
        with suppress(Flooded):
            while self._errors_open and self._drain():
                pass
        return self._tail.decode(errors="replace")

    def close(self) -> None:
        """Give back the descriptors."""
        for stream in self._streams:
            with suppress(BrokenPipeError):
                stream.close()

    def _write(self, buffer: memoryview, deadline: float) -> None:
        while buffer:
            _check(deadline)
            try:
                buffer = buffer[os.write(self._requests, buffer) :]
            except BlockingIOError:
                self._wait(self._requests, select.POLLOUT, deadline)
            except BrokenPipeError:
                raise Ended from None

    def _fill(self, buffer: memoryview, deadline: float) -> None:
        while buffer:
            _check(deadline)
            try:
                count = os.readv(self._answers, [buffer])
            except BlockingIOError:
                self._wait(self._answers, select.POLLIN, deadline)
                continue
            if count == 0:
                raise Ended
            buffer = buffer[count:]

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        """Until the descriptor is ready; reads standard error meanwhile, or a candidate that prints would hang."""
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            if self._errors_open:
                poll.register(self._errors, select.POLLIN)
            ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if self._errors in ready and not self._drain() and not self._errors_open:
                poll.unregister(self._errors)
            if descriptor in ready:
                return
            _check(deadline)

    def _drain(self) -> bool:
        """Read a piece of standard error, if there is one."""
        try:
            chunk = os.read(self._errors, 65536)
        except BlockingIOError:
            return False
        self._errors_open = bool(chunk)
        self._tail = (self._tail + chunk)[-_STDERR_KEPT:]
        self._flood_left -= len(chunk)
        if self._flood_left < 0:
            raise Flooded
        return bool(chunk)


def _check(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise Late
