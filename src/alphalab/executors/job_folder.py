"""What a local job leaves on disk, and who may write it.

```
<root>/<key>            link to the job's folder: the claim on the key; made in one step, so there is no half of it
<folder>/job.json       what was asked; made in one step, never changed
<folder>/queued.json    which process keeps the job in its queue, while it waits
<folder>/runner.lock    held by the one process that may write the status or start the runner that does
<folder>/status.json    written by the runner, or by an executor while there is no runner
<folder>/stdout.log  stderr.log  runner.log
```
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import field, frozen

from alphalab import _serde
from alphalab.errors import ConfigError, SubmitError
from alphalab.executors import job_runner
from alphalab.executors.base import Job, JobState, JobStatus
from alphalab.executors.leases import Lease


@frozen(kw_only=True)
class Process:
    """One process of this machine, told apart from later ones with the same number."""

    pid: int
    start: int
    """Clock ticks after boot."""
    boot: str
    """Id of the boot."""


@frozen(kw_only=True)
class Record:
    """Content of `status.json`."""

    state: JobState
    exit_code: int | None = None
    reason: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    runner: Process | None = None
    command: Process | None = None
    lease: Lease = field(factory=Lease)
    token: str = ""
    """Value of `ALPHALAB_JOB_TOKEN` in the environment of the job's processes."""

    @property
    def status(self) -> JobStatus:
        """What callers see of it."""
        return JobStatus(
            state=self.state,
            exit_code=self.exit_code,
            reason=self.reason,
            started_at=self.started_at,
            ended_at=self.ended_at,
        )


@frozen
class JobFolder:
    """The files of one job."""

    path: Path
    _status: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_status", self.path / job_runner.STATUS)

    def read(self) -> Record | None:
        """The job's record; None as long as nothing was started."""
        if not self._status.exists():  # 3 times faster than opening it in vain; asked for each queued job at each poll
            return None
        try:
            return _serde.loads(self._status.read_text(), Record, subject="status.json")
        except FileNotFoundError:
            return None
        except ConfigError as error:
            return Record(state=JobState.LOST, reason=str(error))

    def settle(self, state: JobState, reason: str, *, over: Record | None = None) -> bool:
        """Write a job's end in place of a runner; False while a runner holds the lock.

        A record that somebody else wrote meanwhile, unlike the one given as `over`, stays.
        """
        with self.lock() as lock:
            if lock is not None and self.read() == over:
                self.write_end(state, reason, over=over)
            return lock is not None

    def write_end(self, state: JobState, reason: str, *, over: Record | None = None) -> None:
        """Write a job's end; for the holder of the lock."""
        known: dict[str, Any] = _serde.dump(over) if over else {}
        ended = {"state": state.value, "reason": reason, "ended_at": job_runner.now()}
        job_runner.write_json(str(self._status), {**known, **ended})

    @contextmanager
    def lock(self) -> Generator[int | None, None, None]:
        """Descriptor of the lock; None while somebody else holds it. A child that inherits it goes on holding it."""
        lock = job_runner.open_lock(str(self.path))
        try:
            yield lock if job_runner.try_lock(lock) else None
        finally:
            os.close(lock)

    def enter_queue(self) -> None:
        """Note that this process will start the job."""
        job_runner.write_json(str(self.path / "queued.json"), job_runner.identity(os.getpid()))

    def leave_queue(self) -> None:
        """Take the note back."""
        (self.path / "queued.json").unlink(missing_ok=True)

    def is_waiting(self) -> bool:
        """Whether a live process says that it will start the job, or is starting it."""
        process = job_runner.read_json(str(self.path / "queued.json"))
        if process is not None and job_runner.alive(process):
            return True
        with self.lock() as lock:
            return lock is None


def find_folder(root: Path, key: str) -> JobFolder | None:
    """The folder claimed under a key, whether it still exists or not."""
    claim = root / key
    if not claim.is_symlink() and not (claim / job_runner.JOB).exists():
        return None
    return JobFolder(claim.resolve())


def claimed_keys(root: Path) -> list[str]:
    """Keys under which something was started."""
    return [claim.name for claim in root.iterdir() if (claim / job_runner.STATUS).exists()]


def claim_folder(root: Path, job: Job, *, grace_s: float) -> JobFolder:
    """Claim a job's key for its folder; the first claim of a key stands, whoever made it.

    Raises:
        SubmitError: The folder is another job's.
    """
    claim, folder = root / job.key, job.folder.resolve()
    if claim.is_symlink():
        return JobFolder(claim.resolve())  # perhaps deleted meanwhile: a job that may have run is not run again
    folder.mkdir(parents=True, exist_ok=True)
    _write_once(folder / job_runner.JOB, _request(job, grace_s))
    owner = job_runner.read_json(str(folder / job_runner.JOB))["key"]
    if owner != job.key:
        raise SubmitError(f"job {job.key!r}: folder {str(folder)!r} is that of job {owner!r}; give each job its own")
    if claim != folder:
        try:
            claim.symlink_to(os.path.relpath(folder, root))  # relative, so that a workspace can be moved as a whole
        except FileExistsError:
            return JobFolder(claim.resolve())
    return JobFolder(folder)


def _write_once(path: Path, data: Any) -> None:
    """Create a JSON file in one step, or leave the one that is there."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    draft.write_text(json.dumps(data, indent=1))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _request(job: Job, grace_s: float) -> dict[str, Any]:
    memory, limit = job.resources.memory_gib, job.resources.time_limit
    return {
        "key": job.key,
        "command": list(job.command),
        "cwd": str(job.cwd.absolute()),
        "env": sorted(job.env),  # names only: values may be secrets
        "cpus": job.resources.cpus,
        "gpus": job.resources.gpus,
        "memory_bytes": None if memory is None else int(memory * 2**30),
        "time_limit_s": None if limit is None else limit.total_seconds(),
        "grace_s": grace_s,
        "submitted_at": datetime.now(UTC).isoformat(),
    }
