"""Limits without isolation, for machines where namespaces are not to be had."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from attrs import define, field

from alphalab.commands import Command, CommandResult
from alphalab.errors import SandboxError
from alphalab.sandbox.base import Sandbox
from alphalab.sandbox.collect import collect
from alphalab.sandbox.environment import scrubbed
from alphalab.sandbox.procfs import Process, all_processes, has_marker, read_process, tree
from alphalab.sandbox.rlimits import limited
from alphalab.sandbox.running import Running, require_folders
from alphalab.workspace import remove_folder

_SWEEP_EVERY = 10
"""Every tenth look at a command searches the whole machine for what left its tree."""
_CLEAN_SWEEPS = 2
_MARKER = "ALPHALAB_COMMAND"


@define(kw_only=True, eq=False)
class ProcessSandbox(Sandbox):
    """Runs commands with a scrubbed environment and limits, but with the caller's rights and files.

    A command is its session, its descendants and every process that carries the command's mark in its environment,
    so a process that detaches itself is found too. One that also clears its environment within half a second of
    its start is not: use bubblewrap for code that is hostile.
    """

    tier: ClassVar[str] = "process"
    isolates: ClassVar[bool] = False

    def check(self) -> tuple[str, ...]:
        """Why it does not work on this machine; empty when it does. Really starts a command."""
        if not Path("/proc/self/stat").exists():
            return ("/proc is missing; limits are watched there, so Linux is needed",)
        try:
            running = self.launch(Command(argv=("true",), cwd=Path("/")))
        except SandboxError as error:
            return (str(error),)
        running.finished()
        return () if running.process.returncode == 0 else (f"`true` ended with {running.process.returncode}",)

    def launch(self, command: Command, *, stdin: Any = None, stdout: Any = None, stderr: Any = None) -> Running:
        """Start a command whose pipes the caller reads and writes.

        Raises:
            SandboxError: The command could not be started.
        """
        require_folders(command)
        return Running(
            start=lambda: _start(command, stdin, stdout, stderr),
            limits=command.limits,
            writable=command.access.writable,
            time_limit_s=command.time_limit_s,
        ).begin()

    async def run(self, command: Command) -> CommandResult:
        """Run a command to its end or its limit; a limit is a result, not an exception."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return await collect(
            self.launch(command, **pipes), command.limits, exit_code=lambda process: process.returncode
        )


def _start(command: Command, stdin: Any, stdout: Any, stderr: Any) -> _Marked:
    temporary = Path(tempfile.mkdtemp(prefix="alphalab-"))
    mark = f"{os.getpid()}-{secrets.token_hex(8)}"
    try:
        process = subprocess.Popen(
            limited(command.argv, command.limits),
            env={**scrubbed(temporary / "home", temporary, command.env), _MARKER: mark},
            cwd=command.cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except BaseException:
        remove_folder(temporary)
        raise
    return _Marked(process=process, marker=f"{_MARKER}={mark}".encode(), temporary=temporary)


@define(kw_only=True, eq=False)
class _Marked:
    """The processes of one command: its session, its descendants, and who carries its mark."""

    process: subprocess.Popen[bytes]
    marker: bytes
    temporary: Path
    setup_failed: bool = field(default=False, init=False)
    _known: dict[int, int] = field(factory=dict[int, int], init=False)
    """Start time by pid: processes that left the tree stay known."""
    _looks: int = field(default=0, init=False)

    def members(self, *, at_most: int) -> dict[int, Process]:
        self._looks += 1
        if self._looks % _SWEEP_EVERY == 0:
            self._sweep()
        found = tree([self.process.pid, *self._alive()], at_most=at_most)
        self._known.update({pid: process.start for pid, process in found.items()})
        return found

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # Twice nothing: a process that forks and ends while the list is read is missing in it, and so is its child.
        clean = 0
        while clean < _CLEAN_SWEEPS:
            strays = self._sweep()
            clean = 0 if strays else clean + 1
            for pid in strays:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        remove_folder(self.temporary)

    def _alive(self) -> list[int]:
        self._known = {pid: start for pid, start in self._known.items() if _is(pid, start)}
        return list(self._known)

    def _sweep(self) -> list[int]:
        """Every process of the command that is alive anywhere on this machine."""
        alive = set(self._alive())
        found = [process for process in all_processes() if not process.gone and self._owns(process, alive)]
        self._known.update({process.pid: process.start for process in found})
        return [process.pid for process in found]

    def _owns(self, process: Process, alive: set[int]) -> bool:
        related = process.pid in alive or process.parent in alive or process.session == self.process.pid
        return related or has_marker(process.pid, self.marker)


def _is(pid: int, start: int) -> bool:
    process = read_process(pid)
    return process is not None and process.start == start
