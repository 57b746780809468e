"""A running command under watch, and how it ends with everything it started."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from attrs import define, field

from alphalab.commands import Command
from alphalab.errors import SandboxError
from alphalab.resources import ProcessLimits
from alphalab.sandbox.procfs import Process, entry_bytes, private_bytes, unlinked_bytes
from alphalab.sandbox.rlimits import GIB

_TICK_S = 0.05
_DISK_EVERY_S = 0.2
_DISK_STEP_S = 0.005


START = "start"
"""In the place of a limit: the sandbox could not be set up, and the command never ran."""


class Group(Protocol):
    """A started command and everything it started."""

    process: subprocess.Popen[bytes]
    setup_failed: bool
    """After the end: the sandbox, not the command, failed."""

    def members(self, *, at_most: int) -> dict[int, Process]:
        """Processes alive now, without the sandbox's own; the walk ends once it has seen more than `at_most`."""
        ...

    def end(self) -> None:
        """Kill all of them; returns when they are gone."""
        ...

    def close(self) -> None:
        """Give back descriptors and folders."""
        ...


@define(kw_only=True, eq=False)
class Running:
    """One command, watched by a thread of its own until it and everything it started are gone.

    The thread also starts the command: Linux sends the parent-death signal when the *thread* that forked ends, and
    the caller's thread may be short-lived.
    """

    start: Callable[[], Group]
    """Starts the command."""
    limits: ProcessLimits
    writable: tuple[Path, ...]
    """Folders whose disk use is watched."""
    time_limit_s: float | None
    process: subprocess.Popen[bytes] = field(init=False)
    seconds: float = field(default=0.0, init=False)
    """From the start to the end of the command itself."""
    _limit: str | None = field(default=None, init=False)
    _error: Exception | None = field(default=None, init=False)
    _wake: int = field(factory=lambda: os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), init=False)
    _kill: threading.Event = field(factory=threading.Event, init=False)
    _started: threading.Event = field(factory=threading.Event, init=False)
    _finished: threading.Event = field(factory=threading.Event, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def begin(self) -> Running:
        """Start the command and its watch.

        Raises:
            SandboxError: It could not be started.
        """
        threading.Thread(target=self._live, name="alphalab-sandbox", daemon=True).start()
        self._started.wait()
        if self._error is not None:
            raise SandboxError(f"the command could not be started: {self._error}") from self._error
        return self

    def limit_hit(self) -> str | None:
        """Which limit ended it, or None."""
        return self._limit

    def kill(self) -> None:
        """End it and everything it started; returns when all are gone."""
        self._request_end()
        self._finished.wait()

    def end_for(self, limit: str) -> None:
        """End it because it went over a limit; returns at once."""
        if not self._finished.is_set():
            self._limit = self._limit or limit
            self._request_end()

    def finished(self, timeout: float | None = None) -> bool:
        """Wait until it and everything it started are gone."""
        return self._finished.wait(timeout)

    def _request_end(self) -> None:
        with self._lock:
            if not self._finished.is_set():
                self._kill.set()
                os.eventfd_write(self._wake, 1)

    def _live(self) -> None:
        disk = _Disk(folders=self.writable, limit_bytes=self.limits.file_gib * GIB)
        try:
            group = self.start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._error = error
            self._close()
            self._started.set()
            return
        self.process = group.process
        began = time.monotonic()
        self._started.set()
        try:
            self._watch(group, disk, began)
        finally:
            self.seconds = time.monotonic() - began
            group.end()
            self._limit = START if group.setup_failed and self._limit is None else self._limit
            group.close()
            self._close()

    def _watch(self, group: Group, disk: _Disk, began: float) -> None:
        with _Bell(group.process, self._wake) as bell:
            while not self._kill.is_set() and not bell.ended(_TICK_S):
                limit = self._excess(group, disk, time.monotonic() - began)
                if limit is not None:
                    self._limit = self._limit or limit
                    return
        if self._limit is None and disk.exceeded():
            self._limit = "disk"

    def _excess(self, group: Group, disk: _Disk, elapsed: float) -> str | None:
        if self.time_limit_s is not None and elapsed > self.time_limit_s:
            return "time"
        members = group.members(at_most=self.limits.processes)
        if sum(process.threads for process in members.values()) > self.limits.processes:
            return "processes"
        if self.limits.memory_gib is not None and _too_much_memory(members, self.limits.memory_gib * GIB):
            return "memory"
        return "disk" if disk.step(members) else None

    def _close(self) -> None:
        with self._lock:
            os.close(self._wake)
            self._finished.set()


def require_folders(command: Command) -> None:
    """Refuse a command whose working folder or writable folders are missing.

    Raises:
        SandboxError: Names them.
    """
    missing = [str(path) for path in (command.cwd, *command.access.writable) if not path.exists()]
    if missing:
        raise SandboxError(f"{', '.join(missing)}: no such folder; create it before the command runs")


def _too_much_memory(members: dict[int, Process], limit_bytes: float) -> bool:
    # The exact amount takes a millisecond per gigabyte and process to read, so it is asked for only when the
    # quick one, which counts shared pages once per process and mapped files too, is above the limit.
    if sum(process.resident_bytes for process in members.values()) <= limit_bytes:
        return False
    return sum(private_bytes(pid) for pid in members) > limit_bytes


@define(kw_only=True, eq=False)
class _Disk:
    """Measures the writable folders in small steps, so that a million files do not keep the watcher from its watch."""

    folders: tuple[Path, ...]
    limit_bytes: float
    _used: float = field(default=0.0, init=False)
    _walk: Iterator[float] | None = field(default=None, init=False)
    _next: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        # A folder that holds more than the limit before the command starts may keep it: the command may tidy up.
        self.limit_bytes = max(self.limit_bytes, sum(entry_bytes(self.folders)))

    def step(self, pids: Iterable[int]) -> bool:
        """Go on measuring for a few milliseconds; whether the limit is exceeded."""
        if self._walk is None and time.monotonic() < self._next:
            return False
        if self._walk is None:
            self._walk, self._used = entry_bytes(self.folders), unlinked_bytes(pids)
        until = time.monotonic() + _DISK_STEP_S
        for amount in self._walk:
            self._used += amount
            if self._used > self.limit_bytes:
                return True
            if time.monotonic() > until:
                return False
        self._walk, self._next = None, time.monotonic() + _DISK_EVERY_S
        return self._used > self.limit_bytes

    def exceeded(self) -> bool:
        """Measure at once what is left behind."""
        return sum(entry_bytes(self.folders)) > self.limit_bytes


class _Bell:
    """Waits for the end of a process or a wake-up call, whichever comes first."""

    def __init__(self, process: subprocess.Popen[bytes], wake: int) -> None:
        self._process = process
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        self._pidfd: int | None = None
        with suppress(OSError, AttributeError):  # kernels before 5.3: the end is noticed a tick later
            self._pidfd = os.pidfd_open(process.pid)
            self._poll.register(self._pidfd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)

    def ended(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; whether the process has ended."""
        self._poll.poll(timeout * 1000)
        return self._process.poll() is not None
