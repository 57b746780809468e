"""Jobs on this machine: a queue in this process, one detached runner per job, ends reported by the kernel."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, field

from alphalab.errors import ConfigError, ExecutorError, SubmitError
from alphalab.executors.base import Capacity, Executor, Job, JobState, JobStatus
from alphalab.executors.exits import ExitWatch
from alphalab.executors.job_folder import JobFolder, Record, claim_folder, claimed_keys, find_folder
from alphalab.executors.leases import Lease, Leases, offered_cpus, offered_gpus
from alphalab.executors.processes import (
    job_environment,
    last_word,
    open_process,
    request_cancel,
    spawn_runner,
)

_PREFIX = "local:"
_RETRY_S = 0.01
_FOREIGN_PERIOD_S = 0.1
"""How often to look at a job that waits in another process's queue; the kernel does not tell us of its start."""
_QUEUED_PERIOD_S = 2.0
"""How often to look whether another process, given the same key, has started a job that waits in our queue too."""


@define(kw_only=True, eq=False)
class _Entry:
    """A job this executor knows; queued, started or final."""

    folder: JobFolder
    job: Job | None = None
    """While it waits in our queue."""
    lease: Lease | None = None
    """While its runner lives."""
    status: JobStatus | None = None
    """Once it runs or is final."""


@define(kw_only=True, eq=False)
class LocalExecutor(Executor):
    """Runs jobs on this machine, in the order they came, as soon as their CPUs and GPUs are free.

    Every job has a detached runner that enforces its limits and outlives this process; pending jobs wait in here. A
    new executor with the same root adopts what still runs. Two executors alive at once on one root never start a job
    twice, but each counts only the devices lent to jobs that it has seen.
    """

    root: Path | None = field(default=None, converter=lambda path: None if path is None else Path(path).absolute())  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    """Folder that keeps which key belongs to which job; a campaign sets it when it is None. Local disk, one machine."""
    cpus: int | None = None
    """CPUs to lend; None: all this process may use; more than that share them."""
    gpus: int | tuple[int | str, ...] | None = None
    """GPUs to lend, by number or by name; None: all that are visible."""
    max_jobs: int | None = None
    """Jobs that run at once, whatever they ask for."""
    grace_s: float = 5.0
    """Seconds between the request to end and the kill, at a time limit or a cancel."""
    _leases: Leases | None = field(default=None, init=False)
    _entries: dict[str, _Entry] = field(factory=dict[str, _Entry], init=False)
    _queue: deque[str] = field(factory=deque[str], init=False)
    _listeners: set[asyncio.Event] = field(factory=set[asyncio.Event], init=False)
    _exits: ExitWatch = field(factory=ExitWatch, init=False)

    async def start(self) -> None:
        """Make the root and adopt the jobs that still run below it; submitting does this too.

        Raises:
            ConfigError: There is no root, or devices are offered that do not exist.
            ExecutorError: The system cannot report the end of a process (Linux 5.3 or later can).
        """
        self._ready()

    def _ready(self) -> Leases:
        """Bind to the running loop; returns the account of devices."""
        self._exits.bind()
        return self._leases or self._open()

    def _open(self) -> Leases:
        if self.root is None:
            raise ConfigError("LocalExecutor(root=None): pass the folder that keeps its jobs, or give it to a Campaign")
        if self.max_jobs is not None and self.max_jobs < 1:
            raise ConfigError(f"LocalExecutor(max_jobs={self.max_jobs!r}): must be above zero")
        if not hasattr(os, "pidfd_open"):
            raise ExecutorError("LocalExecutor needs Linux 5.3 or later (pidfd_open); use another executor here")
        self.root.mkdir(parents=True, exist_ok=True)
        self._leases = Leases(cpus=offered_cpus(self.cpus), gpus=offered_gpus(self.gpus), max_jobs=self.max_jobs)
        for key in claimed_keys(self.root):
            self._known(_PREFIX + key)
        return self._leases

    async def submit(self, job: Job) -> str:
        """Queue a job, or find the one that its key already stands for; returns its id.

        Raises:
            SubmitError: It asks for more than this machine has, or its folder is another job's.
        """
        leases, job_id = self._ready(), _PREFIX + job.key
        if self._known(job_id) is not None:
            return job_id
        if problem := leases.problem(job.resources):
            raise SubmitError(f"job {job.key!r} can never run here: {problem}")
        assert self.root is not None
        folder = claim_folder(self.root, job, grace_s=self.grace_s)
        if self._known(job_id) is None and folder.path.is_dir():
            folder.enter_queue()
            self._entries[job_id] = _Entry(folder=folder, job=job)
            self._queue.append(job_id)
            self._start_waiting()
        return job_id

    async def poll(self, ids: Sequence[str]) -> Mapping[str, JobStatus]:
        """States of these jobs; an unknown id is `lost`."""
        self._ready()
        await asyncio.sleep(0)  # lets ends be entered even while somebody polls in a tight loop
        return {job_id: self._status(job_id) for job_id in ids}

    async def wait_any(self, ids: Sequence[str]) -> Mapping[str, JobStatus]:
        """Wait until at least one of these jobs is final; returns the final ones."""
        changed = asyncio.Event()
        self._listeners.add(changed)
        try:
            while True:
                changed.clear()
                statuses = await self.poll(ids)
                final = {job_id: status for job_id, status in statuses.items() if status.state.is_final}
                if final or not ids:
                    return final
                await self._news(changed, self._patience_s(ids))
        finally:
            self._listeners.discard(changed)

    async def _news(self, changed: asyncio.Event, patience_s: float | None) -> None:
        try:
            async with asyncio.timeout(patience_s):
                await changed.wait()
        except TimeoutError:
            return

    def _patience_s(self, ids: Sequence[str]) -> float | None:
        """How long to rely on being told; for ever when we follow the runners of all these jobs."""
        entries = [self._entries.get(job_id) for job_id in ids]
        if None in entries:
            return _FOREIGN_PERIOD_S
        return _QUEUED_PERIOD_S if any(entry and entry.job for entry in entries) else None

    async def cancel(self, ids: Sequence[str]) -> None:
        """Ask these jobs to end, with everything they started; their end is reported like any other."""
        self._ready()
        for job_id in ids:
            while not self._cancel(job_id):  # noqa: ASYNC110 - a runner is about to write its first status
                await asyncio.sleep(_RETRY_S)

    async def find(self, key: str) -> str | None:
        """Id of the job that was submitted under a key by any process, or None."""
        self._ready()
        return None if self._folder(_PREFIX + key) is None else _PREFIX + key

    async def capacity(self) -> Capacity:
        """How much can run at once."""
        leases = self._ready()
        slots = min(len(leases.cpus), self.max_jobs or len(leases.cpus))
        return Capacity(slots=slots, cpus=len(leases.cpus), gpus=len(leases.gpus))

    async def aclose(self) -> None:
        """Forget everything; running jobs go on, queued ones wait for somebody to submit them again."""
        for job_id in self._queue:
            self._entries[job_id].folder.leave_queue()
        self._exits.forget_all()
        self._queue.clear()
        self._entries.clear()
        self._leases = None

    # --- what is known of a job ---

    def _folder(self, job_id: str) -> JobFolder | None:
        key = job_id.removeprefix(_PREFIX)
        if self.root is None or key == job_id or not key or "/" in key or key.startswith("."):
            return None
        return find_folder(self.root, key)

    def _known(self, job_id: str) -> _Entry | None:
        """The entry of a job that we queued or that was started by anybody; None for others."""
        entry = self._entries.get(job_id)
        folder = self._folder(job_id) if entry is None else None
        record = folder.read() if folder else None
        if folder is None or record is None:
            return entry
        self._entries[job_id] = entry = _Entry(folder=folder)
        self._enter(job_id, entry, record)
        return entry

    def _status(self, job_id: str) -> JobStatus:
        entry = self._known(job_id)
        if entry is None:
            return self._foreign(job_id)
        if entry.status is None:
            record = entry.folder.read()
            if record is None:
                return JobStatus(state=JobState.PENDING)
            entry.status = record.status
        return entry.status

    def _foreign(self, job_id: str) -> JobStatus:
        """Status of a job that was claimed by some other executor and not started, or never claimed at all."""
        folder = self._folder(job_id)
        if folder is None:
            return JobStatus(state=JobState.LOST, reason=f"no job {job_id!r} is known below {self.root}")
        if not folder.path.is_dir():
            return JobStatus(state=JobState.LOST, reason=f"its folder {folder.path} is gone")
        if folder.is_waiting():
            return JobStatus(state=JobState.PENDING)
        if self._known(job_id) is not None:
            return self._status(job_id)  # its runner came, and perhaps went, between the two looks
        return JobStatus(state=JobState.LOST, reason="the process that queued it ended before; submit it again")

    def _enter(self, job_id: str, entry: _Entry, record: Record) -> None:
        """Take over what a record says: follow a living runner, settle the job of a dead one."""
        if record.state is JobState.RUNNING and record.runner is not None:
            pidfd = open_process(record.runner)
            if pidfd is None:
                record = last_word(entry.folder, record)
            else:
                entry.lease = record.lease
                self._ready().count(record.lease)
                self._exits.follow(job_id, pidfd, self._resolve)
        entry.status = record.status
        if record.state.is_final:
            self._tell()

    # --- starting and ending ---

    def _start_waiting(self) -> None:
        """Start jobs from the head of the queue while there is room for them."""
        while self._queue and self._start(self._queue[0]):
            self._queue.popleft()

    def _start(self, job_id: str) -> bool:
        """Start a queued job, or take it over when another process has started it; False when it must wait."""
        entry, leases = self._entries[job_id], self._ready()
        record = entry.folder.read()
        if record is not None:
            entry.job = None
            self._enter(job_id, entry, record)
            return True
        assert entry.job is not None
        lease = leases.take(entry.job.resources)
        if lease is None:
            return False
        with entry.folder.lock() as lock:
            if lock is not None:
                self._launch(job_id, entry, lease, lock)
                return True
        leases.count(lease, -1)  # another process is starting this very job: its first status is a moment away
        asyncio.get_running_loop().call_later(_RETRY_S, self._start_waiting)
        return False

    def _launch(self, job_id: str, entry: _Entry, lease: Lease, lock: int) -> None:
        """Start a job's runner, under the lock, unless somebody has come first."""
        job, entry.job, entry.lease = entry.job, None, lease
        assert job is not None
        child = None
        try:
            if entry.folder.read() is None:
                child = spawn_runner(entry.folder, lease, job_environment(job, lease, os.environ), lock)
        except OSError as error:
            entry.folder.write_end(JobState.FAILED, f"its runner could not be started: {error}")
        if child is None:
            asyncio.get_running_loop().call_soon(self._resolve, job_id)
        else:
            entry.folder.leave_queue()
            self._exits.follow(job_id, os.pidfd_open(child), self._resolve, child=child)

    def _resolve(self, job_id: str) -> None:
        """The runner of a job has ended: enter what it left, give back its devices, start the next jobs."""
        entry = self._entries.get(job_id)
        if entry is None:
            return  # closed meanwhile
        self._exits.forget(job_id)
        if entry.lease is not None:
            self._ready().count(entry.lease, -1)
            entry.lease = None
        if entry.folder.read() is None:
            entry.folder.settle(JobState.LOST, "its runner ended before it started the command; see runner.log")
        record = entry.folder.read()
        if record is not None:
            self._enter(job_id, entry, record)
        else:  # another runner is about to write its first status
            asyncio.get_running_loop().call_later(_RETRY_S, self._resolve, job_id)
        self._start_waiting()

    def _cancel(self, job_id: str) -> bool:
        """Cancel a job; False while its runner is between its lock and its first status."""
        entry = self._known(job_id)
        folder = entry.folder if entry else self._folder(job_id)
        if folder is None or not folder.path.is_dir():
            return True
        if folder.read() is None and not folder.settle(JobState.CANCELLED, "cancelled before it started"):
            return False
        record = folder.read()
        if record is not None and record.state is JobState.RUNNING and record.runner is not None:
            request_cancel(record.runner)
        elif job_id in self._queue:
            self._queue.remove(job_id)
            self._resolve(job_id)
        self._tell()
        return True

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.set()
