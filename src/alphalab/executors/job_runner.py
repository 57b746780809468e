"""Runs one job, detached from the process that asked for it.

Started by path as `python -I -S job_runner.py FOLDER LEASE LOCK`: standard library only, so that it is up in some 20 ms
and needs nothing of the environment it runs in. It outlives whoever started it. In the job's folder there are

- `runner.lock`: whoever holds it may write `status.json`. The starter takes it and the runner inherits it as the
  descriptor LOCK, so it is held without a gap from before the runner exists until it ends, however that comes about,
- `status.json`: written by rename before the command starts, when it has started and when everything has ended,
- `stdout.log`, `stderr.log`: the command's output.

A starter that dies before it made a runner lets go of the lock; one that dies later does not. So the lock together with
the status tells whether the command has been started, is about to be, or never will be.
"""

# ruff: noqa: PTH105, PTH110, PTH123, PTH208
# pathlib would add 4 ms to the start of every job

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
import time

TYPE_CHECKING = False  # importing `typing` for it would add 4 ms to the start of every job
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

JOB, STATUS, LOCK = "job.json", "status.json", "runner.lock"
TOKEN = "ALPHALAB_JOB_TOKEN"  # noqa: S105 - the name of a variable that marks a job's processes
WATCHED = (signal.SIGCHLD, signal.SIGTERM)
MEMORY_PERIOD_S = 0.2
REAP_PERIOD_S = 0.01
REAP_PATIENCE_S = 30.0
"""A process that is stuck in the kernel cannot be killed; the job's end is recorded without it."""
_SET_CHILD_SUBREAPER = 36


# --- what is on disk ---------------------------------------------------------------------------------------------


def read_json(path: str) -> Any:
    """A JSON file's content; None when there is no such file."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return None


def write_json(path: str, data: Any) -> None:
    """Write a JSON file by rename, so that nobody reads half of it."""
    draft = f"{path}.{os.getpid()}.tmp"
    with open(draft, "w", encoding="utf-8") as stream:
        json.dump(data, stream)
    os.replace(draft, path)


def open_lock(folder: str) -> int:
    """Descriptor of the lock on a job's status, not yet taken."""
    return os.open(f"{folder}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def try_lock(lock: int) -> bool:
    """Take the lock unless somebody holds it; it goes with the descriptor."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def now() -> str:
    """Current time, ISO 8601, UTC."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}+00:00"


# --- what is known of processes ----------------------------------------------------------------------------------


def _stat(pid: int) -> list[str] | None:
    """Fields of `/proc/PID/stat` from the state on; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip()


def identity(pid: int) -> dict[str, Any] | None:
    """What tells a process from a later one with the same number; None when it is gone."""
    fields = _stat(pid)
    return None if fields is None else {"pid": pid, "start": int(fields[19]), "boot": _boot()}


def alive(process: dict[str, Any]) -> bool:
    """Whether this very process still runs; a zombie does not."""
    fields = _stat(process["pid"])
    return (
        fields is not None
        and fields[0] not in "ZX"
        and int(fields[19]) == process["start"]
        and _boot() == process["boot"]
    )


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as stream:
            found += map(int, stream.read().split())
    return found


def _children_by_scan() -> dict[int, list[int]]:
    """Children of every process, for kernels without `/proc/PID/task/TID/children`; ten times slower."""
    tree: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat(int(name))
        if fields is not None:
            tree.setdefault(int(fields[1]), []).append(int(name))
    return tree


def descendants(root: int) -> list[int]:
    """Processes below one, zombies included."""
    tree = None if os.path.exists(f"/proc/self/task/{os.getpid()}/children") else _children_by_scan()
    found: list[int] = []
    frontier = [root]
    while frontier:
        pid = frontier.pop()
        try:
            children = _children(pid) if tree is None else tree.get(pid, [])
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while it was looked at
        found += children
        frontier += children
    return found


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def _proportional(pid: int) -> int:
    """Resident bytes with shared pages split among their users."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as stream:
            return next((int(line.split()[1]) * 1024 for line in stream if line.startswith("Pss:")), 0)
    except PermissionError:
        return _resident(pid)


def _total(count: Callable[[int], int], pids: list[int]) -> int:
    total = 0
    for pid in pids:
        try:
            total += count(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while it was looked at
    return total


def memory_above(limit: float) -> bool:
    """Whether everything below this process holds more than so many bytes.

    The exact count walks page tables, so it is made only when the cheap one, which counts a page shared by forked
    workers once per worker, is above the limit.
    """
    pids = descendants(os.getpid())
    return _total(_resident, pids) > limit and _total(_proportional, pids) > limit


# --- running -----------------------------------------------------------------------------------------------------


def spawn(folder: str, job: dict[str, Any], record: dict[str, Any]) -> int:
    """Start the command in a session of its own; returns its process id."""
    os.chdir(job["cwd"])
    if record["lease"]["cpus"]:
        os.sched_setaffinity(0, record["lease"]["cpus"])
    output = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return os.posix_spawnp(
        job["command"][0],
        job["command"],
        {**os.environ, TOKEN: record["token"]},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, f"{folder}/stdout.log", output, 0o644),
            (os.POSIX_SPAWN_OPEN, 2, f"{folder}/stderr.log", output, 0o644),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(*WATCHED, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ),
    )


def reap(command: int) -> tuple[bool, int | None]:
    """Collect ended children; returns whether any are left, and the command's exit code once it has ended."""
    code = None
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True, code
            if pid == command:
                code = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return False, code


def watch(command: int, job: dict[str, Any]) -> tuple[str | None, int | None]:
    """Wait for the command to end, or end it; returns why it was ended and its exit code."""
    limit_s, memory = job["time_limit_s"], job["memory_bytes"]
    deadline = time.monotonic() + limit_s if limit_s is not None else float("inf")
    cause: str | None = None
    while True:
        pause = max(0.0, min(deadline - time.monotonic(), MEMORY_PERIOD_S if memory and not cause else float("inf")))
        # No timeout means no wake-ups at all; 10 days are below what the kernel's time type holds.
        received = signal.sigtimedwait(WATCHED, min(pause, 864_000.0))
        code = reap(command)[1]
        if code is not None:
            return cause, code
        late = time.monotonic() >= deadline
        if cause is not None:
            if late:  # the grace is over; what remains of the job is killed with it
                return cause, None
            continue
        if received is not None and received.si_signo == signal.SIGTERM:
            cause = "cancelled"
        elif late:
            cause = "timed_out"
        elif memory and memory_above(memory):
            return "memory", None
        if cause is not None:
            deadline = time.monotonic() + job["grace_s"]
            os.killpg(command, signal.SIGTERM)


def clear() -> int:
    """Kill whatever is left below this process; returns how many would not go.

    As the subreaper of its job this process becomes the parent of every orphan, so no child left means nothing left.
    """
    until = time.monotonic() + REAP_PATIENCE_S
    while reap(0)[0]:
        remaining = descendants(os.getpid())
        if time.monotonic() > until:
            return len(remaining)
        for pid in remaining:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # gone already, or another user's: waited for like the rest
        signal.sigtimedwait((signal.SIGCHLD,), REAP_PERIOD_S)
    return 0


def verdict(job: dict[str, Any], cause: str | None, code: int | None) -> dict[str, Any]:
    """State, exit code and reason of a job whose command ended or was ended."""
    if cause == "cancelled":
        return {"state": "cancelled", "reason": "cancelled on request"}
    if cause == "timed_out":
        return {"state": "timed_out", "reason": f"time limit: ran longer than {job['time_limit_s']:g} s"}
    if cause == "memory":
        return {"state": "failed", "reason": f"memory limit: used more than {job['memory_bytes'] / 2**30:g} GiB"}
    if code == 0:
        return {"state": "succeeded", "exit_code": 0}
    assert code is not None
    name = f"signal {signal.Signals(-code).name}" if code < 0 and -code in set(signal.Signals) else f"signal {-code}"
    return {"state": "failed", "exit_code": code, "reason": f"ended by {name}" if code < 0 else f"exit code {code}"}


def execute(folder: str, job: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Run the command to its end; returns what to record."""
    try:
        command = spawn(folder, job, record)
    except OSError as error:
        return {"state": "failed", "reason": f"cannot start {job['command'][0]!r} in {job['cwd']!r}: {error.strerror}"}
    left = 0
    try:
        record["command"] = identity(command)
        write_json(f"{folder}/{STATUS}", record)
        end = verdict(job, *watch(command, job))
    finally:
        left = clear()
    return {**end, "reason": f"{end.get('reason', '')}; {left} process(es) could not be killed"} if left else end


def main(folder: str, lease: str, lock: str) -> None:
    """Run the job of a folder; the starter has seen, under the lock, that it has no status yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    os.set_inheritable(int(lock), False)  # the command must not keep it
    job = read_json(f"{folder}/{JOB}")
    record: dict[str, Any] = {
        "state": "running",
        "started_at": now(),
        "runner": identity(os.getpid()),
        "lease": json.loads(lease),
        "token": os.urandom(16).hex(),
    }
    write_json(f"{folder}/{STATUS}", record)
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    end = execute(folder, job, record)
    write_json(f"{folder}/{STATUS}", {**record, **end, "ended_at": now()})


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # the interpreter's own clean-up would only delay the news of the end
