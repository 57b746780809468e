"""What LocalExecutor costs per job: throughput against a bare loop, and how soon it knows of an end.

Prints one JSON object. Both arms run the same commands in the same process, at the same concurrency, in alternating
rounds; the bare loop only starts and waits, so the ratio is the price of logs, limits, status files and of outliving
the driver. The reaction time is measured from the end that the runner recorded to the return of `wait_any`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from alphalab.executors import Executor, Job, LocalExecutor

COMMANDS = {"true": ("/bin/true",), "python": (sys.executable, "-c", "pass")}


async def bare_loop(command: tuple[str, ...], jobs: int, concurrency: int, _folder: Path) -> None:
    """Start and wait, so many at a time."""
    places = asyncio.Semaphore(concurrency)

    async def one() -> None:
        async with places:
            process = await asyncio.create_subprocess_exec(*command)
            await process.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(one())


async def executor(command: tuple[str, ...], jobs: int, concurrency: int, folder: Path) -> None:
    """The same through the executor."""
    async with LocalExecutor(root=folder / "state", cpus=concurrency) as local:
        names = [f"job-{number:04d}" for number in range(jobs)]
        open_ids = {
            await local.submit(Job(key=name, command=command, cwd=folder, folder=folder / "jobs" / name))
            for name in names
        }
        while open_ids:
            open_ids -= set(await local.wait_any(list(open_ids)))


async def reaction_ms(local: Executor, folder: Path, samples: int) -> list[float]:
    """Time from a job's recorded end to our knowing it, one job at a time."""
    delays: list[float] = []
    for number in range(samples):
        name = f"reaction-{number:04d}"
        job_id = await local.submit(Job(key=name, command=("/bin/sleep", "0.02"), cwd=folder, folder=folder / name))
        status = (await local.wait_any([job_id]))[job_id]
        assert status.ended_at is not None
        delays.append(1000 * (time.time() - status.ended_at.timestamp()))
    return delays


async def seconds_of(
    arm: Callable[[tuple[str, ...], int, int, Path], Awaitable[None]], command: tuple[str, ...], jobs: int, at_once: int
) -> float:
    """Wall-clock of one round in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        await arm(command, jobs, at_once, Path(folder))
        return time.perf_counter() - start


async def measure(jobs: int, rounds: int, samples: int, concurrency: int) -> dict[str, object]:
    """All numbers of the report."""
    report: dict[str, object] = {
        "config": {"jobs": jobs, "rounds": rounds, "samples": samples, "concurrency": concurrency},
        "machine": {
            "cpus": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "python": sys.version.split()[0],
        },
    }
    for name, command in COMMANDS.items():
        times: dict[str, list[float]] = {"bare": [], "executor": []}
        for _ in range(rounds):
            times["bare"].append(await seconds_of(bare_loop, command, jobs, concurrency))
            times["executor"].append(await seconds_of(executor, command, jobs, concurrency))
        ratios = [bare / ours for bare, ours in zip(times["bare"], times["executor"], strict=True)]
        report[name] = {
            "bare_jobs_per_s": jobs / statistics.median(times["bare"]),
            "executor_jobs_per_s": jobs / statistics.median(times["executor"]),
            "throughput_ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        }
    with tempfile.TemporaryDirectory() as folder:
        async with LocalExecutor(root=Path(folder) / "state") as local:
            delays = sorted(await reaction_ms(local, Path(folder), samples))
    p95 = delays[min(len(delays) - 1, round(0.95 * len(delays)))]
    report["reaction_ms"] = {"n": samples, "median": statistics.median(delays), "p95": p95, "max": delays[-1]}
    return report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(**vars(options))), indent=2))


if __name__ == "__main__":
    main()
