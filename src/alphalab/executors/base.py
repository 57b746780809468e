"""The contract of an executor: jobs in, states out.

`submit` is idempotent on the job's key; a new executor object finds and adopts jobs that an earlier process started;
what is not known to have succeeded has not.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from attrs import field, frozen

from alphalab.errors import ConfigError
from alphalab.resources import Resources


class JobState(StrEnum):
    """Where a job is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    LOST = "lost"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self not in (JobState.PENDING, JobState.RUNNING)


def _key(_instance: object, _attribute: object, value: str) -> None:
    if not value or any(character in value for character in "/\\\0\n") or value.startswith("."):
        raise ConfigError(f"job key {value!r} must be a plain file name")


@frozen(kw_only=True)
class Job:
    """One command for an executor."""

    key: str = field(validator=_key)
    """Names the job for good: submitting the same key twice runs it once."""
    command: tuple[str, ...] = field(converter=tuple)
    cwd: Path
    env: dict[str, str] = field(factory=dict[str, str])
    """Set on top of the executor's own environment."""
    resources: Resources = field(factory=Resources)
    folder: Path
    """Where the job's `job.json`, status and logs live; outlives the executor."""


@frozen(kw_only=True)
class JobStatus:
    """What is known of a job."""

    state: JobState
    exit_code: int | None = None
    """None unless the command itself ended."""
    reason: str = ""
    """One sentence when the state is not `succeeded`."""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@frozen(kw_only=True)
class Capacity:
    """How much an executor can run at once."""

    slots: int
    """Jobs of the default size that can run at the same time."""
    cpus: int | None = None
    gpus: int | None = None


class Executor(ABC):
    """Runs jobs somewhere. Five abstract methods; the rest follows from them."""

    async def start(self) -> None:  # noqa: B027 - not abstract: some executors need no preparation
        """Make ready; called once before the first submit. Raises `ExecutorError` when it cannot work here."""

    @abstractmethod
    async def submit(self, job: Job) -> str:
        """Start a job, or find the one already started under its key; returns its id.

        Raises:
            SubmitError: It can never run here, or the scheduler refused it.
        """

    @abstractmethod
    async def poll(self, ids: Sequence[str]) -> Mapping[str, JobStatus]:
        """States of these jobs, in one request; an unknown id is `lost`."""

    @abstractmethod
    async def cancel(self, ids: Sequence[str]) -> None:
        """End these jobs and everything they started; finished and unknown ids are left alone."""

    @abstractmethod
    async def find(self, key: str) -> str | None:
        """Id of the job that was submitted under a key by any process, or None."""

    @abstractmethod
    async def capacity(self) -> Capacity:
        """How much can run at once."""

    async def wait_any(self, ids: Sequence[str]) -> Mapping[str, JobStatus]:
        """Wait until at least one of these jobs is final; returns the final ones.

        Backends that are told of a job's end override this; this one polls, from 50 ms up to 5 s apart.
        """
        pause = 0.05
        while True:
            statuses = await self.poll(ids)
            final = {job_id: status for job_id, status in statuses.items() if status.state.is_final}
            if final or not ids:
                return final
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    async def aclose(self) -> None:  # noqa: B027 - not abstract: some executors hold no connection
        """Let go of connections; running jobs go on."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()
