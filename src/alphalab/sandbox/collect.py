"""The output of a command that runs to its end."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable

from attrs import define, field

from alphalab.commands import CommandResult
from alphalab.resources import ProcessLimits
from alphalab.sandbox.running import Running

_CHUNK = 65536
_FLOOD_FACTOR = 100
"""A command that writes this many times what is kept is ended; a talkative one is not."""
_LOOK_EVERY_S = 0.1

ExitCode = Callable[["subprocess.Popen[bytes]"], int]


async def collect(running: Running, limits: ProcessLimits, *, exit_code: ExitCode) -> CommandResult:
    """Read what a command writes until it has ended.

    Reading happens in a thread, so that a flood slows nothing else down. When the awaiting task is cancelled the
    command is killed, and the cancellation goes on once everything it started is gone.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    outputs = _Outputs(running=running, limit=limits.output_bytes)

    def read() -> None:
        outputs.drain()
        loop.call_soon_threadsafe(lambda: done.cancelled() or done.set_result(None))

    threading.Thread(target=read, name="alphalab-output", daemon=True).start()
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        running.end_for("cancelled")
        await _gone(done)
        raise
    return _result(running, outputs, exit_code(running.process))


async def _gone(done: asyncio.Future[None]) -> None:
    while not done.done():
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:  # a second request to cancel does not leave processes behind either
            continue


def _result(running: Running, outputs: _Outputs, code: int) -> CommandResult:
    limit = running.limit_hit()
    if limit is None and code == -signal.SIGXFSZ:
        limit = "disk"
    return CommandResult(
        exit_code=code,
        stdout=outputs.stdout.text(),
        stderr=outputs.stderr.text(),
        seconds=running.seconds,
        timed_out=limit == "time",
        limit=limit,
        truncated=outputs.stdout.dropped or outputs.stderr.dropped,
    )


@define(kw_only=True, eq=False)
class _Kept:
    """The beginning of one stream."""

    limit: int
    data: bytearray = field(factory=bytearray)
    total: int = 0

    def add(self, chunk: bytes) -> None:
        self.total += len(chunk)
        self.data += chunk[: self.limit - len(self.data)]

    @property
    def dropped(self) -> bool:
        return self.total > self.limit

    def text(self) -> str:
        return self.data.decode(errors="replace")


@define(kw_only=True, eq=False)
class _Outputs:
    """Both streams of one command, read side by side."""

    running: Running
    limit: int
    stdout: _Kept = field(init=False)
    stderr: _Kept = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.stdout, self.stderr = _Kept(limit=self.limit), _Kept(limit=self.limit)

    def drain(self) -> None:
        """Read until both streams end; returns when the command and everything it started are gone."""
        process = self.running.process
        assert process.stdout is not None
        assert process.stderr is not None
        pipes = (process.stdout, process.stderr)
        kept = dict(zip((pipe.fileno() for pipe in pipes), (self.stdout, self.stderr), strict=True))
        poll = select.poll()
        for descriptor in kept:
            poll.register(descriptor, select.POLLIN)
        while kept:
            last = self.running.finished(0)
            ready = [descriptor for descriptor, _ in poll.poll(_LOOK_EVERY_S * 1000)]
            for descriptor in ready:
                chunk = os.read(descriptor, _CHUNK)
                kept[descriptor].add(chunk)
                if not chunk:
                    poll.unregister(descriptor)
                    del kept[descriptor]
            if self.stdout.total + self.stderr.total > _FLOOD_FACTOR * self.limit:
                self.running.end_for("output")
            if last and not ready:  # somebody outside holds the pipe
                break
        self.running.finished()
        for pipe in pipes:
            pipe.close()
