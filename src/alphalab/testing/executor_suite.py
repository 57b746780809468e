"""What every executor must do, as tests. Subclass it, override `make_executor`, and pytest runs it.

```python
class TestMyExecutor(ExecutorSuite):
    def make_executor(self, folder: Path) -> Executor:
        return MyExecutor(state=folder)

    def executor_source(self, folder: Path) -> str:
        return f"MyExecutor(state={str(folder)!r})  # an expression; see `source_imports`"
```

Jobs run the real thing: `python` and `sh` on whatever the executor runs on, in a folder that both sides see.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio

from alphalab.errors import SubmitError
from alphalab.executors.base import Executor, Job, JobState, JobStatus
from alphalab.resources import Resources

_SUBMIT = """
import asyncio, sys
from pathlib import Path
from alphalab.executors.base import Job
{imports}

async def main():
    executor = {executor}
    await executor.start()
    folder = Path({folder!r})
    job = Job(key={key!r}, command={command!r}, cwd=Path({cwd!r}), folder=folder)
    print(await executor.submit(job), flush=True)
    await asyncio.sleep({linger})

asyncio.run(main())
"""


class ExecutorSuite(ABC):
    """Tests of the contract of `Executor`; one instance per test."""

    patience_s: ClassVar[float] = 30.0
    """How long a job may take to start or to end before a test fails."""
    source_imports: ClassVar[str] = ""
    """Import statements that `executor_source` needs."""
    too_large: ClassVar[Resources] = Resources(cpus=100_000)
    """What no machine of this executor has."""

    @abstractmethod
    def make_executor(self, folder: Path) -> Executor:
        """A new executor that keeps what it must remember in a folder; called several times with the same one."""

    @abstractmethod
    def executor_source(self, folder: Path) -> str:
        """A Python expression for the same executor, evaluated in another process."""

    def kill_runner(self, job: Job) -> None:
        """Kill whatever watches over a running job, so that nobody sees its end. Skips where there is no such thing."""
        pytest.skip(f"{type(self).__name__} names nothing that could be killed beside job {job.key!r}")

    @pytest_asyncio.fixture
    async def executor(self, tmp_path: Path) -> AsyncGenerator[Executor, None]:
        """A started executor; its jobs are cancelled afterwards."""
        async with self.make_executor(tmp_path / "state") as executor:
            yield executor
            ids = [await executor.find(folder.name) for folder in (tmp_path / "jobs").glob("*")]
            await executor.cancel([job_id for job_id in ids if job_id])

    @pytest.fixture
    def make_job(self, tmp_path: Path) -> Callable[..., Job]:
        """Makes a job of a shell script, with its folder."""

        def make(script: str, *, key: str = "job-1", env: dict[str, str] | None = None, **resources: object) -> Job:
            return Job(
                key=key,
                command=("/bin/sh", "-c", script),
                cwd=tmp_path,
                env=env or {},
                folder=tmp_path / "jobs" / key,
                resources=Resources(**resources),  # pyright: ignore[reportArgumentType]
            )

        return make

    async def finish(self, executor: Executor, job_id: str) -> JobStatus:
        """Wait for one job's end."""
        async with asyncio.timeout(self.patience_s):
            return (await executor.wait_any([job_id]))[job_id]

    async def run(self, executor: Executor, job: Job) -> JobStatus:
        """Run one job to its end."""
        return await self.finish(executor, await executor.submit(job))

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something outside the executor, such as a file that a job writes."""
        deadline = time.monotonic() + self.patience_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            await asyncio.sleep(0.02)

    async def started(self, executor: Executor, job: Job) -> str:
        """Submit a job whose script first makes a file `started` in its working directory, and wait for the file."""
        job_id = await executor.submit(job)
        await self.until((job.cwd / "started").exists)
        return job_id

    # --- how jobs end ---

    @pytest.mark.asyncio
    async def test_a_command_that_exits_zero_succeeded(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """Success is exit code 0, with times."""
        status = await self.run(executor, make_job("exit 0"))
        assert (status.state, status.exit_code, status.reason) == (JobState.SUCCEEDED, 0, "")
        assert status.started_at is not None
        assert status.ended_at is not None
        assert status.started_at <= status.ended_at

    @pytest.mark.asyncio
    async def test_other_exit_codes_are_failures(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """The exit code is kept and named in the reason."""
        status = await self.run(executor, make_job("exit 7"))
        assert (status.state, status.exit_code) == (JobState.FAILED, 7)
        assert "7" in status.reason

    @pytest.mark.asyncio
    async def test_a_command_that_does_not_exist_failed(self, executor: Executor, tmp_path: Path) -> None:
        """A typing mistake in a command is a failed job with a reason, not a hanging one."""
        job = Job(key="typo", command=("/no/such/program",), cwd=tmp_path, folder=tmp_path / "jobs" / "typo")
        status = await self.run(executor, job)
        assert status.state is JobState.FAILED
        assert status.reason

    @pytest.mark.asyncio
    async def test_a_time_limit_ends_the_job(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """Too long is its own state, even for a command that ignores the request to end."""
        status = await self.run(
            executor, make_job("trap '' TERM; while :; do sleep 0.1; done", time_limit=timedelta(seconds=1))
        )
        assert (status.state, status.exit_code) == (JobState.TIMED_OUT, None)
        assert status.reason

    @pytest.mark.asyncio
    async def test_grandchildren_end_with_the_job(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """Processes that a job left behind, in a session of their own too, are gone when its end is reported."""
        job = make_job("sleep 321 & echo $! > pids; setsid sleep 321 & echo $! >> pids; echo > started; exit 0")
        assert (await self.run(executor, job)).state is JobState.SUCCEEDED
        await self.until(lambda: not _alive(job.cwd / "pids"))

    # --- what jobs leave and see ---

    @pytest.mark.asyncio
    async def test_logs_can_be_read_afterwards(
        self, executor: Executor, make_job: Callable[..., Job], tmp_path: Path
    ) -> None:
        """Output lies in the job's folder, for this executor and for a later one."""
        job = make_job("echo out; echo err >&2")
        job_id = await executor.submit(job)
        await self.finish(executor, job_id)
        await executor.aclose()
        async with self.make_executor(tmp_path / "state") as later:
            assert (await later.poll([job_id]))[job_id].state is JobState.SUCCEEDED
        assert (job.folder / "stdout.log").read_text() == "out\n"
        assert (job.folder / "stderr.log").read_text() == "err\n"

    @pytest.mark.asyncio
    async def test_the_job_sees_its_environment(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """Variables of the job reach its command, with whatever characters they hold."""
        value = "a b'c\"$d\\e;f"
        job = make_job('printf %s "$FLAVOUR" > seen', env={"FLAVOUR": value})
        await self.run(executor, job)
        assert (job.cwd / "seen").read_text() == value

    @pytest.mark.asyncio
    async def test_the_job_sees_its_resources(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """One CPU was asked for and no GPU, so that is what the command can use."""
        look = "import os, json; print(json.dumps([len(os.sched_getaffinity(0)), os.environ['CUDA_VISIBLE_DEVICES']]))"
        job = make_job(f'{sys.executable} -c "{look}"', cpus=1, gpus=0)
        assert (await self.run(executor, job)).state is JobState.SUCCEEDED
        assert json.loads((job.folder / "stdout.log").read_text()) == [1, ""]

    @pytest.mark.asyncio
    async def test_what_never_fits_is_refused(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """A job larger than everything there is does not wait for ever."""
        job = make_job("exit 0", cpus=self.too_large.cpus, gpus=self.too_large.gpus)
        with pytest.raises(SubmitError, match="job-1"):
            await executor.submit(job)

    @pytest.mark.asyncio
    async def test_capacity_is_positive(self, executor: Executor) -> None:
        """At least one job can run."""
        assert (await executor.capacity()).slots >= 1

    # --- asking ---

    @pytest.mark.asyncio
    async def test_one_poll_answers_for_all(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """Finished, failed and unknown jobs in one request; what is unknown is lost."""
        good = await executor.submit(make_job("exit 0", key="good"))
        bad = await executor.submit(make_job("exit 1", key="bad"))
        for job_id in (good, bad):
            await self.finish(executor, job_id)
        statuses = await executor.poll([good, bad, "unknown"])
        states = {job_id: status.state for job_id, status in statuses.items()}
        assert states == {good: JobState.SUCCEEDED, bad: JobState.FAILED, "unknown": JobState.LOST}
        assert dict(await executor.poll([])) == {}

    @pytest.mark.asyncio
    async def test_waiting_returns_the_first_end(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """A short job is reported while a long one runs."""
        long = await executor.submit(make_job("sleep 321", key="long"))
        short = await executor.submit(make_job("exit 0", key="short"))
        async with asyncio.timeout(self.patience_s):
            assert set(await executor.wait_any([long, short])) == {short}
        await executor.cancel([long])
        assert (await self.finish(executor, long)).state is JobState.CANCELLED

    @pytest.mark.asyncio
    async def test_waiting_for_nothing_or_the_unknown_returns(self, executor: Executor) -> None:
        """There is no end to wait for."""
        async with asyncio.timeout(self.patience_s):
            assert dict(await executor.wait_any([])) == {}
            assert (await executor.wait_any(["unknown"]))["unknown"].state is JobState.LOST

    # --- cancelling ---

    @pytest.mark.asyncio
    async def test_cancel_a_running_job(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """It ends with everything it started."""
        job = make_job("sleep 321 & echo $! > pids; echo $$ >> pids; echo > started; wait")
        job_id = await self.started(executor, job)
        await executor.cancel([job_id])
        status = await self.finish(executor, job_id)
        assert (status.state, status.exit_code) == (JobState.CANCELLED, None)
        await self.until(lambda: not _alive(job.cwd / "pids"))

    @pytest.mark.asyncio
    async def test_cancel_a_job_at_once(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """Whatever stage of starting it is in, it is cancelled and a wait that is under way returns."""
        job_id = await executor.submit(make_job("sleep 321"))
        waiting = asyncio.ensure_future(self.finish(executor, job_id))
        await executor.cancel([job_id])
        assert (await waiting).state is JobState.CANCELLED

    @pytest.mark.asyncio
    async def test_cancel_leaves_finished_and_unknown_alone(
        self, executor: Executor, make_job: Callable[..., Job]
    ) -> None:
        """No error, and a success stays one."""
        job_id = await executor.submit(make_job("exit 0"))
        await self.finish(executor, job_id)
        await executor.cancel([job_id, "unknown"])
        assert (await executor.poll([job_id]))[job_id].state is JobState.SUCCEEDED

    # --- once and only once ---

    @pytest.mark.asyncio
    async def test_the_same_key_runs_once(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """While it waits, while it runs and after its end, a second submit finds the first."""
        job = make_job("echo run >> count")
        ids = {await executor.submit(job), await executor.submit(job)}
        await self.finish(executor, *ids)
        ids.add(await executor.submit(job))
        assert len(ids) == 1
        assert await executor.find(job.key) == next(iter(ids))
        assert await executor.find("other") is None
        assert (job.cwd / "count").read_text() == "run\n"

    @pytest.mark.asyncio
    async def test_two_processes_submit_at_once(
        self, executor: Executor, make_job: Callable[..., Job], tmp_path: Path
    ) -> None:
        """Whoever comes first, the command runs once and both know the same job."""
        job = make_job("echo run >> count")
        others = [self.submit_elsewhere(job, tmp_path, linger_s=0.5) for _ in range(2)]
        job_id = await executor.submit(job)
        answers = [await asyncio.to_thread(other.communicate) for other in others]
        assert {answer[0].strip() for answer in answers} == {job_id}
        assert (await self.finish(executor, job_id)).state is JobState.SUCCEEDED
        assert (job.cwd / "count").read_text() == "run\n"

    # --- across processes ---

    def submit_elsewhere(self, job: Job, tmp_path: Path, *, linger_s: float = 600.0) -> subprocess.Popen[str]:
        """A process that submits a job, prints its id and stays."""
        source = _SUBMIT.format(
            imports=self.source_imports,
            executor=self.executor_source(tmp_path / "state"),
            folder=str(job.folder),
            cwd=str(job.cwd),
            key=job.key,
            command=job.command,
            linger=linger_s,
        )
        return subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)

    @pytest.mark.asyncio
    async def test_a_job_outlives_its_killed_submitter(
        self, executor: Executor, make_job: Callable[..., Job], tmp_path: Path
    ) -> None:
        """Another process finds it running, does not start it again, and sees its end."""
        job = make_job("echo run >> count; echo > started; while [ ! -e go ]; do sleep 0.02; done; exit 5")
        with self.submit_elsewhere(job, tmp_path) as other:
            try:
                await self.until((job.cwd / "started").exists)
            finally:
                other.send_signal(signal.SIGKILL)
        job_id = await executor.find(job.key)
        assert job_id is not None
        assert (await executor.poll([job_id]))[job_id].state is JobState.RUNNING
        assert await executor.submit(job) == job_id
        (job.cwd / "go").touch()
        status = await self.finish(executor, job_id)
        assert (status.state, status.exit_code) == (JobState.FAILED, 5)
        assert (job.cwd / "count").read_text() == "run\n"

    @pytest.mark.asyncio
    async def test_adopted_jobs_can_be_cancelled(
        self, executor: Executor, make_job: Callable[..., Job], tmp_path: Path
    ) -> None:
        """Ending a job needs no memory of having started it."""
        job = make_job("echo > started; sleep 321")
        job_id = await self.started(executor, job)
        await executor.aclose()
        async with self.make_executor(tmp_path / "state") as later:
            await later.cancel([job_id])
            assert (await self.finish(later, job_id)).state is JobState.CANCELLED

    @pytest.mark.asyncio
    async def test_what_nobody_saw_end_is_lost(self, executor: Executor, make_job: Callable[..., Job]) -> None:
        """A job whose watcher was killed has not succeeded, and what it left running is ended."""
        job = make_job("sleep 321 & echo $! > pids; echo > started; wait; exit 0")
        job_id = await self.started(executor, job)
        self.kill_runner(job)
        status = await self.finish(executor, job_id)
        assert (status.state, status.exit_code) == (JobState.LOST, None)
        assert status.reason
        await self.until(lambda: not _alive(job.cwd / "pids"))


def _alive(pids: Path) -> list[int]:
    """Which of the processes listed in a file still run; zombies do not."""
    found: list[int] = []
    for pid in map(int, pids.read_text().split()):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            os.kill(pid, 0)
            found.append(pid)
    return found
