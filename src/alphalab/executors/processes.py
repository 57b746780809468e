"""Starting, watching and ending the processes of local jobs from the outside."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from alphalab import _serde
from alphalab.executors import job_runner
from alphalab.executors.base import Job, JobState
from alphalab.executors.job_folder import JobFolder, Process, Record
from alphalab.executors.leases import Lease

_RUNNER = str(Path(job_runner.__file__).resolve())
_SECRET = re.compile(r"(API_?KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)$", re.IGNORECASE)
_SWEEPS = 5


def job_environment(job: Job, lease: Lease, own: Mapping[str, str]) -> dict[str, str]:
    """Environment of a job: our own without secrets, what the job sets, and the devices it was lent.

    A job that needs a key gets it through `Job.env`.
    """
    kept = {name: value for name, value in own.items() if not _SECRET.search(name)}
    threads = {"OMP_NUM_THREADS": str(job.resources.cpus)}
    return {**kept, **threads, **job.env, "CUDA_VISIBLE_DEVICES": ",".join(lease.gpus)}


def spawn_runner(folder: JobFolder, lease: Lease, environment: Mapping[str, str], lock: int) -> int:
    """Start a runner in a session of its own, beyond the reach of Ctrl-C; returns its process id.

    The runner goes on holding the lock. It is passed under another number, since only that makes it inheritable in
    this child and in no other that a thread may be starting.
    """
    log, passed = str(folder.path / "runner.log"), 4 if lock == 3 else 3
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", _RUNNER, str(folder.path), json.dumps(_serde.dump(lease)), str(passed)],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, lock, passed),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    )


def open_process(process: Process) -> int | None:
    """Descriptor that becomes readable when the process ends; None when it has."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if job_runner.alive(_serde.dump(process)):  # asked after opening: from here on the number cannot change its owner
        return pidfd
    os.close(pidfd)
    return None


def request_cancel(process: Process) -> None:
    """Ask a runner to end its job."""
    pidfd = open_process(process)
    if pidfd is None:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    except ProcessLookupError:
        return  # it ended by itself
    finally:
        os.close(pidfd)


def last_word(folder: JobFolder, record: Record) -> Record:
    """Record of a job whose runner is gone: what it wrote before its end, else that the job is lost."""
    reason = "its runner was killed, so nobody saw how the command ended"
    if folder.read() == record:
        sweep(record)
        folder.settle(JobState.LOST, reason, over=record)
    last = folder.read()
    return last if last and last.state.is_final else Record(state=JobState.LOST, reason=reason)


def sweep(record: Record) -> None:
    """Kill what a killed runner left running: every process whose environment carries the job's token."""
    mark = f"{job_runner.TOKEN}={record.token}".encode()
    for _round in range(_SWEEPS):  # again, because a process may have forked while the others were looked at
        marked = [pid for pid, environment in _environments() if mark in environment]
        if record.command and job_runner.alive(_serde.dump(record.command)):
            marked.append(record.command.pid)
        if not marked:
            return
        for pid in marked:
            _kill(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # gone, or not ours to end


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    """Environment of every process that lets us read it."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            yield int(entry.name), (entry / "environ").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
