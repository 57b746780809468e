"""Waits for jobs: one wait over all of them, woken when one ends or a new one comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field

from alphalab.executors import Executor, JobStatus

OnEnd = Callable[[str, JobStatus], None]


@define(kw_only=True, eq=False)
class JobWatcher:
    """Calls back once for every job that ends, without a tick."""

    executor: Executor
    _jobs: dict[str, OnEnd] = field(factory=dict[str, OnEnd], init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def add(self, job_id: str, on_end: OnEnd) -> None:
        """Watch a job from now on."""
        self._jobs[job_id] = on_end
        self._changed.set()

    async def wait(self, job_id: str) -> JobStatus:
        """Wait for one job's end."""
        ended: asyncio.Future[JobStatus] = asyncio.get_running_loop().create_future()
        self.add(job_id, lambda _id, status: ended.set_result(status) if not ended.done() else None)
        return await ended

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._changed.clear()
            if not self._jobs:
                await self._changed.wait()
                continue
            waiting = asyncio.ensure_future(self.executor.wait_any(tuple(self._jobs)))
            waking = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait((waiting, waking), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waking.cancel()
                if not waiting.done():
                    waiting.cancel()
            if not waiting.cancelled() and waiting.done():
                for job_id, status in waiting.result().items():
                    self._jobs.pop(job_id)(job_id, status)
