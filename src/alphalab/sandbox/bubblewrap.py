"""Isolation by bubblewrap: own user, PID, mount, network, IPC and host-name namespaces."""

from __future__ import annotations

import json
import os
import platform
import re
import select
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from attrs import define, field

from alphalab.commands import Command, CommandResult
from alphalab.errors import SandboxError
from alphalab.sandbox.base import Sandbox
from alphalab.sandbox.collect import collect
from alphalab.sandbox.environment import scrubbed
from alphalab.sandbox.mounts import gpu_devices, mount_arguments
from alphalab.sandbox.procfs import Process, tree
from alphalab.sandbox.rlimits import limited
from alphalab.sandbox.running import START, Running, require_folders

_OLDEST = (0, 8)
"""`--size` and `--disable-userns`."""
_ISOLATION = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--disable-userns", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox"),
    *("--die-with-parent", "--new-session"),
)
_OWN_PROCESSES = 2
"""bwrap's monitor outside and its init inside."""


@define(kw_only=True, eq=False)
class BubblewrapSandbox(Sandbox):
    """Runs commands under `bwrap`, where only what they were given exists.

    The system's `/usr`, the running Python and this library's package are readable; `/tmp`, the home folder and
    `/dev/shm` are private and go with the command; everything else is what `Access` names. Exit codes above 128
    read as signals, because `bwrap` reports them so.
    """

    tier: ClassVar[str] = "bubblewrap"
    isolates: ClassVar[bool] = True
    program: str = "bwrap"
    """Name on PATH, or path."""

    def check(self) -> tuple[str, ...]:
        """Why it does not work on this machine; empty when it does. Really starts a command."""
        path = shutil.which(self.program)
        if path is None:
            return (f"{self.program!r} is not installed; use `apt-get install bubblewrap`",)
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        if numbers < _OLDEST:
            return (f"{version or path!r} is too old; bubblewrap 0.8 or later is needed",)
        running = self.launch(Command(argv=("true",), cwd=Path("/")), stderr=subprocess.PIPE)
        _, errors = running.process.communicate()
        if running.process.returncode == 0:
            return ()
        reason = errors.decode(errors="replace").strip() or f"exit code {running.process.returncode}"
        return (f"bubblewrap does not start a command: {reason}; it needs unprivileged user namespaces",)

    def launch(self, command: Command, *, stdin: Any = None, stdout: Any = None, stderr: Any = None) -> Running:
        """Start a command whose pipes the caller reads and writes.

        Raises:
            SandboxError: The command could not be started.
        """
        require_folders(command)
        return Running(
            start=lambda: self._start(command, stdin, stdout, stderr),
            limits=command.limits,
            writable=command.access.writable,
            time_limit_s=command.time_limit_s,
        ).begin()

    async def run(self, command: Command) -> CommandResult:
        """Run a command to its end or its limit; a limit is a result, not an exception."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        result = await collect(self.launch(command, **pipes), command.limits, exit_code=_exit_code)
        if result.limit == START:
            raise SandboxError(f"bubblewrap could not set up {command.argv[0]!r}: {result.stderr.strip()}")
        return result

    def _start(self, command: Command, stdin: Any, stdout: Any, stderr: Any) -> _Namespace:
        arguments = [*_ISOLATION, *([] if command.network else ["--unshare-net"]), *mount_arguments(command)]
        status_read, status_write = os.pipe()
        settings = _as_file([*arguments, "--json-status-fd", str(status_write)])
        try:
            process = subprocess.Popen(
                [shutil.which(self.program) or self.program, "--args", str(settings), "--", *_limited(command)],
                env=scrubbed(Path("/tmp/home"), Path("/tmp"), command.env),  # noqa: S108, the sandbox's own
                cwd="/",
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(settings, status_write),
                start_new_session=True,
            )
        except BaseException:
            os.close(status_read)
            raise
        finally:
            os.close(settings)
            os.close(status_write)
        return _Namespace(process=process, status=status_read)


def _limited(command: Command) -> list[str]:
    # Since Linux 5.14 processes are counted per user namespace, so the caller's own do not count.
    counted = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2]) >= (5, 14)
    return limited(command.argv, command.limits, address_space=not gpu_devices(), count_processes=counted)


def _as_file(arguments: list[str]) -> int:
    # Through a descriptor, because a command can read the command line of the sandbox's init.
    descriptor = os.memfd_create("arguments")
    os.write(descriptor, b"".join(argument.encode() + b"\0" for argument in arguments))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    code = process.returncode
    return 128 - code if 128 < code <= 128 + signal.NSIG else code


@define(kw_only=True, eq=False)
class _Namespace:
    """All processes of one sandbox; they die with the init of their PID namespace, in one stroke."""

    process: subprocess.Popen[bytes]
    status: int
    """Where bwrap writes the pid of its init."""
    setup_failed: bool = field(default=False, init=False)
    _init: int | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        # At once, while the pid cannot belong to anybody else.
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self.status, 1)):
            line += byte
        with suppress(ValueError, KeyError, ProcessLookupError):
            self._init = os.pidfd_open(json.loads(line)["child-pid"])

    def members(self, *, at_most: int) -> dict[int, Process]:
        found = tree([self.process.pid], at_most=at_most + _OWN_PROCESSES)
        own = [self.process.pid, *(pid for pid, process in found.items() if process.parent == self.process.pid)]
        return {pid: process for pid, process in found.items() if pid not in own}

    def end(self) -> None:
        alone = self.process.poll() is not None
        if self._init is None:
            self.process.kill()
        else:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
        self.process.wait()
        self._wait_for_init()
        # bwrap reports how the command ended only where it got as far as starting it.
        self.setup_failed = alone and b"exit-code" not in os.read(self.status, 4096)

    def close(self) -> None:
        os.close(self.status)

    def _wait_for_init(self) -> None:
        if self._init is None:
            return
        poll = select.poll()
        poll.register(self._init, select.POLLIN)
        poll.poll()
        with suppress(
            ChildProcessError
        ):  # ours to collect only where this process is the machine's, or a container's, first
            os.waitid(os.P_PIDFD, self._init, os.WEXITED | os.WNOHANG)
        os.close(self._init)
