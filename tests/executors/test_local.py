"""The local executor fulfils the contract, and a few promises of its own."""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from alphalab.errors import ConfigError, SubmitError
from alphalab.executors import Executor, Job, JobState, LocalExecutor, job_runner
from alphalab.executors.job_folder import claim_folder
from alphalab.executors.leases import Lease
from alphalab.executors.processes import spawn_runner
from alphalab.resources import Resources
from alphalab.testing.executor_suite import ExecutorSuite


class TestLocalExecutor(ExecutorSuite):
    source_imports = "from alphalab.executors import LocalExecutor"

    def make_executor(self, folder: Path) -> Executor:
        return LocalExecutor(root=folder, cpus=4, grace_s=0.3)

    def executor_source(self, folder: Path) -> str:
        return f"LocalExecutor(root={str(folder)!r}, cpus=4, grace_s=0.3)"

    def kill_runner(self, job: Job) -> None:
        os.kill(json.loads((job.folder / "status.json").read_text())["runner"]["pid"], signal.SIGKILL)


@pytest.fixture
async def executor(tmp_path):
    async with LocalExecutor(root=tmp_path / "state", cpus=2, gpus=("0", "1"), grace_s=0.3) as executor:
        yield executor
        await executor.cancel([f"local:{folder.name}" for folder in (tmp_path / "jobs").glob("*")])


@pytest.fixture
def job(tmp_path):
    def make(script, key="job-1", **resources):
        return Job(
            key=key,
            command=("/bin/sh", "-c", script),
            cwd=tmp_path,
            folder=tmp_path / "jobs" / key,
            resources=Resources(**resources),
        )

    return make


async def finish(executor, job_id):
    async with asyncio.timeout(20):
        return (await executor.wait_any([job_id]))[job_id]


async def finish_all(executor, ids):
    return [await finish(executor, job_id) for job_id in ids]


async def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def log(job):
    return (job.folder / "stdout.log").read_text().strip()


async def test_a_root_is_needed():
    with pytest.raises(ConfigError, match="root"):
        await LocalExecutor().start()


async def test_an_end_is_reported_soon(executor, job, record_property):
    delays = []
    for number in range(8):
        job_id = await executor.submit(job("sleep 0.05", key=f"job-{number}"))
        status = await finish(executor, job_id)
        delays.append(time.time() - status.ended_at.timestamp())
    record_property("median_reaction_ms", 1000 * statistics.median(delays))
    assert statistics.median(delays) < 2


async def test_jobs_start_in_order_and_within_capacity(executor, job, tmp_path):
    script = "echo start >> order; sleep 0.1; echo end >> order"
    await finish_all(executor, [await executor.submit(job(script, key=f"job-{n}", cpus=2)) for n in range(4)])
    assert (tmp_path / "order").read_text().split() == ["start", "end"] * 4
    starts = [json.loads((tmp_path / "jobs" / f"job-{n}" / "status.json").read_text())["started_at"] for n in range(4)]
    assert starts == sorted(starts)


async def test_a_small_job_does_not_overtake_a_large_one(executor, job, tmp_path):
    first = await executor.submit(job("while [ ! -e go ]; do sleep 0.02; done", key="first"))
    large = await executor.submit(job("echo large >> order", key="large", cpus=2))
    small = await executor.submit(job("echo small >> order", key="small"))
    states = await executor.poll([large, small])
    assert {status.state for status in states.values()} == {JobState.PENDING}
    (tmp_path / "go").touch()
    await finish_all(executor, [first, large, small])
    assert (tmp_path / "order").read_text().split() == ["large", "small"]


async def test_max_jobs_bounds_what_runs(tmp_path, job):
    async with LocalExecutor(root=tmp_path / "state", cpus=4, max_jobs=1) as executor:
        assert (await executor.capacity()).slots == 1
        ids = [await executor.submit(job("exit 0", key=f"job-{n}")) for n in range(2)]
        assert [status.state for status in (await executor.poll(ids)).values()].count(JobState.PENDING) >= 1
        assert {status.state for status in await finish_all(executor, ids)} == {JobState.SUCCEEDED}


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"cpus": 3}, "3 CPUs, this executor has 2"),
        ({"gpus": 3}, "3 GPUs, this executor has 2"),
        ({"gpus": 1.5}, "whole"),
    ],
)
async def test_what_never_fits_is_refused_with_numbers(executor, job, asked, numbers):
    with pytest.raises(SubmitError, match=numbers):
        await executor.submit(job("exit 0", **asked))
    assert await executor.find("job-1") is None


async def test_jobs_get_the_devices_they_asked_for(executor, job):
    script = "echo $CUDA_VISIBLE_DEVICES-$OMP_NUM_THREADS; while [ ! -e go ]; do sleep 0.02; done"
    whole, half, other = job(script, key="a", gpus=1), job(script, key="b", gpus=0.5), job("echo", key="c", gpus=0.5)
    ids = [await executor.submit(each) for each in (whole, half)]
    await until(lambda: all((each.folder / "stdout.log").exists() and log(each) for each in (whole, half)))
    assert {log(whole), log(half)} == {"0-1", "1-1"}
    (whole.cwd / "go").touch()
    await finish_all(executor, [*ids, await executor.submit(other)])


async def test_fractions_share_a_device(tmp_path, job):
    async with LocalExecutor(root=tmp_path / "state", cpus=3, gpus=("0",)) as executor:
        script = "echo $CUDA_VISIBLE_DEVICES; echo >> here; while [ $(wc -l < here) -lt 2 ]; do sleep 0.02; done"
        jobs = [job(script, key=f"job-{n}", gpus=0.5) for n in range(2)]
        await finish_all(executor, [await executor.submit(each) for each in jobs])
        assert [log(each) for each in jobs] == ["0", "0"]


async def test_secrets_of_the_environment_stay_behind(executor, job, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    each = job("echo [$SOME_API_KEY] $TOKENIZERS_PARALLELISM")
    await finish(executor, await executor.submit(each))
    assert log(each) == "[] false"


async def test_the_memory_limit_ends_the_job(executor, job):
    script = f"exec {sys.executable} -c 'x = bytearray(300 << 20); import time; time.sleep(300)'"
    status = await finish(executor, await executor.submit(job(script, memory_gib=0.1)))
    assert status.state is JobState.FAILED
    assert "memory limit" in status.reason


async def test_a_signal_is_named(executor, job):
    status = await finish(executor, await executor.submit(job("kill -SEGV $$")))
    assert (status.state, status.exit_code) == (JobState.FAILED, -signal.SIGSEGV)
    assert "SIGSEGV" in status.reason


async def test_cancelling_a_queued_job_lasts(tmp_path, executor, job):
    running = await executor.submit(job("sleep 321", key="running", cpus=2))
    queued = await executor.submit(job("echo > ran", key="queued"))
    await executor.cancel([queued, running])
    assert (await executor.poll([queued]))[queued].state is JobState.CANCELLED
    await finish(executor, running)
    async with LocalExecutor(root=tmp_path / "state") as later:
        assert (await later.poll([queued]))[queued].state is JobState.CANCELLED
    assert not (tmp_path / "ran").exists()


async def test_time_limits_need_no_driver(executor, job, tmp_path):
    job_id = await executor.submit(job("echo > started; sleep 321", time_limit=timedelta(seconds=0.4)))
    await until((tmp_path / "started").exists)
    await executor.aclose()
    status = tmp_path / "jobs" / "job-1" / "status.json"
    await until(lambda: json.loads(status.read_text())["state"] == "timed_out")
    async with LocalExecutor(root=tmp_path / "state") as later:
        assert (await later.poll([job_id]))[job_id].state is JobState.TIMED_OUT


async def test_devices_of_adopted_jobs_are_taken(executor, job, tmp_path):
    first = await executor.submit(job("echo > started; while [ ! -e go ]; do sleep 0.02; done", key="first", gpus=1))
    await until((tmp_path / "started").exists)
    await executor.aclose()
    async with LocalExecutor(root=tmp_path / "state", cpus=2, gpus=("0", "1")) as later:
        second, third = job("echo $CUDA_VISIBLE_DEVICES", key="second", gpus=1), job("exit 0", key="third", gpus=2)
        ids = [await later.submit(second), await later.submit(third)]
        await finish(later, ids[0])
        assert log(second) == "1"
        assert (await later.poll(ids))[ids[1]].state is JobState.PENDING
        (tmp_path / "go").touch()
        assert {status.state for status in await finish_all(later, [first, *ids])} == {JobState.SUCCEEDED}


async def test_a_job_nobody_started_is_lost_until_it_is_submitted_again(executor, job):
    blocker = await executor.submit(job("sleep 321", key="blocker", cpus=2))
    job_id = await executor.submit(job("echo run >> count"))
    await executor.aclose()
    await executor.start()
    assert (await executor.poll([job_id]))[job_id].state is JobState.LOST
    await executor.cancel([blocker])
    assert await executor.submit(job("echo run >> count")) == job_id
    assert (await finish(executor, job_id)).state is JobState.SUCCEEDED


@pytest.mark.parametrize("stage", ["folder", "request", "claim", "queued"])
async def test_a_submitter_killed_before_the_start_is_made_up_for(executor, job, tmp_path, stage):
    """What is on disk after each step of a submit is enough for the next one, and not too much."""
    each = job("echo run >> count")
    each.folder.mkdir(parents=True)
    if stage != "folder":
        folder = claim_folder(tmp_path / "state", each, grace_s=1)
    if stage == "request":
        (tmp_path / "state" / each.key).unlink()
    if stage == "queued":
        (folder.path / "queued.json").write_text(json.dumps({"pid": 1, "start": 0, "boot": "an earlier one"}))
    assert (await finish(executor, await executor.submit(each))).state is JobState.SUCCEEDED
    assert (tmp_path / "count").read_text() == "run\n"


async def test_a_submitter_killed_after_the_start_is_made_up_for(executor, job, tmp_path):
    """Its runner is neither seen nor known, and still nobody starts another one or calls the job lost."""
    each = job("echo run >> count; sleep 0.2")
    folder = claim_folder(tmp_path / "state", each, grace_s=1)
    with folder.lock() as lock:
        runner = spawn_runner(folder, Lease(), os.environ, lock)
    assert (await executor.poll(["local:job-1"]))["local:job-1"].state in (JobState.PENDING, JobState.RUNNING)
    assert (await finish(executor, await executor.submit(each))).state is JobState.SUCCEEDED
    await asyncio.to_thread(os.waitpid, runner, 0)
    assert (tmp_path / "count").read_text() == "run\n"


_DRIVER = """
import asyncio, sys
from pathlib import Path
from alphalab.executors import Job, LocalExecutor

async def main(root):
    async with LocalExecutor(root=root / "state", cpus=3) as executor:
        print(flush=True)
        for n in range(12):
            command = ("/bin/sh", "-c", f"echo >> count-{n}; sleep 0.05")
            await executor.submit(Job(key=f"job-{n}", command=command, cwd=root, folder=root / "jobs" / f"job-{n}"))
        await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_drivers_killed_at_any_moment_run_every_job_once(executor, job, tmp_path):
    for moment_ms in (1, 2, 4, 8, 16, 32, 64, 128):
        command = [sys.executable, "-c", _DRIVER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as driver:  # noqa: ASYNC220 - killed below
            await asyncio.to_thread(driver.stdout.readline)
            await asyncio.sleep(moment_ms / 1000)
            driver.kill()
    ids = [await executor.submit(job(f"echo >> count-{n}", key=f"job-{n}")) for n in range(12)]
    assert {status.state for status in await finish_all(executor, ids)} == {JobState.SUCCEEDED}
    assert [(tmp_path / f"count-{n}").read_text() for n in range(12)] == ["\n"] * 12


async def test_many_executors_start_a_job_once(job, tmp_path):
    executors = [LocalExecutor(root=tmp_path / "state", cpus=2) for _ in range(4)]
    each = job("echo run >> count")
    ids = await asyncio.gather(*(executor.submit(each) for executor in executors))
    statuses = [await finish(executor, job_id) for executor, job_id in zip(executors, ids, strict=True)]
    assert {status.state for status in statuses} == {JobState.SUCCEEDED}
    assert (tmp_path / "count").read_text() == "run\n"
    for executor in executors:
        await until(lambda executor=executor: not executor._queue)
        await executor.aclose()


async def test_a_runner_that_dies_before_its_command_is_lost(executor, job):
    each = job("echo > ran")
    claim_folder(executor.root, each, grace_s=1)
    (each.folder / "job.json").write_text('{"key": "job-1"}')
    status = await finish(executor, await executor.submit(each))
    assert status.state in (JobState.LOST, JobState.FAILED)
    assert not (each.cwd / "ran").exists()


async def test_a_deleted_folder_is_not_run_again(executor, job, tmp_path):
    job_id = await executor.submit(job("echo run >> count"))
    await finish(executor, job_id)
    await executor.aclose()
    for path in (tmp_path / "jobs" / "job-1").iterdir():
        path.unlink()
    (tmp_path / "jobs" / "job-1").rmdir()
    await executor.start()
    assert await executor.submit(job("echo run >> count")) == job_id
    assert (await executor.poll([job_id]))[job_id].state is JobState.LOST
    assert (tmp_path / "count").read_text() == "run\n"


async def test_a_folder_belongs_to_one_job(executor, job, tmp_path):
    await executor.submit(job("exit 0"))
    with pytest.raises(SubmitError, match="job-1"):
        await executor.submit(Job(key="other", command=("true",), cwd=tmp_path, folder=tmp_path / "jobs" / "job-1"))


async def test_jobs_are_beyond_ctrl_c(executor, job):
    each = job("ps -o sid= -p $$ -p $PPID; ps -o tty= -p $$")
    await finish(executor, await executor.submit(each))
    sessions = log(each).split()
    assert str(os.getsid(0)) not in sessions
    assert len(set(sessions[:2])) == 2


async def test_no_zombies_and_no_descriptors_are_left(executor, job):
    before = len(list(Path("/proc/self/fd").iterdir()))
    await finish_all(executor, [await executor.submit(job("exit 0", key=f"job-{n}")) for n in range(6)])
    await until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)
    await until(lambda: not [pid for pid in job_runner.descendants(os.getpid()) if _state(pid) == "Z"])


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None


async def test_a_cancelled_wait_leaves_nothing_behind(executor, job):
    job_id = await executor.submit(job("sleep 321"))
    waiting = asyncio.ensure_future(executor.wait_any([job_id]))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert executor._listeners == set()
    assert (await executor.poll([job_id]))[job_id].state in (JobState.PENDING, JobState.RUNNING)


def test_one_executor_serves_several_loops(tmp_path, job):
    executor = LocalExecutor(root=tmp_path / "state")
    job_id = asyncio.run(executor.submit(job("sleep 0.3; exit 3")))
    assert asyncio.run(finish(executor, job_id)).exit_code == 3
    asyncio.run(executor.aclose())


def test_the_runner_needs_only_the_standard_library(tmp_path):
    source = "import sys; sys.argv = ['x']; import runpy; runpy.run_path(sys.orig_argv[-1]); print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", source, job_runner.__file__]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert not {"attrs", "numpy", "alphalab", "asyncio", "subprocess", "pathlib"} & set(loaded)
