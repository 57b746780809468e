"""Confirmation: the leaders run again with new seeds and meet the final split, once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

from alphalab.evaluation import CONFIRM
from alphalab.events import Noticed, SplitOpened
from alphalab.executors import Executor
from alphalab.experiments import BASELINE_PREFIX, Experiment
from alphalab.measurement import Failure
from alphalab.phases.experiment.attempts import record
from alphalab.phases.experiment.jobs import ScoringJob, executor_job, outcome_of
from alphalab.phases.experiment.stopping import MAX_REQUEUES
from alphalab.phases.experiment.watcher import JobWatcher
from alphalab.roles import CampaignContext
from alphalab.scorer import submission_digest

FINALISTS = 3


def select(
    experiments: tuple[Experiment, ...], campaign: CampaignContext, count: int = FINALISTS
) -> tuple[Experiment, ...]:
    """The best experiments on the search split."""
    scored = [(experiment.value("search"), experiment) for experiment in experiments]
    ranked = sorted(
        (
            (campaign.metric.sort_key(value), experiment.id, experiment)
            for value, experiment in scored
            if value is not None
        ),
        key=lambda entry: entry[:2],
    )
    return tuple(experiment for _key, _id, experiment in ranked[:count])


async def confirm(campaign: CampaignContext, executor: Executor, watcher: JobWatcher) -> tuple[str, ...]:
    """Score the finalists with further seeds on the search split and once on the final split, baselines beside them.

    Returns:
        Ids of the finalists, best on the search split first.
    """
    finalists = campaign.store.get("finalists")
    if finalists is None:
        finalists = [experiment.id for experiment in select(campaign.store.experiments(), campaign)]
        campaign.store.put("finalists", finalists)
    jobs = [job for job in _jobs(campaign, finalists) if not _known(campaign, job)]
    await asyncio.gather(*(_run(campaign, executor, watcher, job) for job in jobs))
    return tuple(finalists)


def _jobs(campaign: CampaignContext, finalists: list[str]) -> Iterator[ScoringJob]:
    space, seed = campaign.workspace, campaign.seed
    for finalist in finalists:
        digest = campaign.handed_in(finalist)
        for extra in range(1, campaign.adapter.manifest.seeds):
            yield _job(campaign, finalist, space.submission(finalist), digest, "search", seed + extra)
        yield _job(campaign, finalist, space.submission(finalist), digest, "final", seed)
    for baseline in campaign.adapter.baselines():
        folder = space.adapter / baseline.folder
        yield _job(campaign, f"{BASELINE_PREFIX}{baseline.name}", folder, submission_digest(folder), "final", seed)


def _job(
    campaign: CampaignContext, subject: str, submission: Path, digest: str, split: str, seed: int, attempt: int = 1
) -> ScoringJob:
    """In a private folder: a campaign that goes on later must not choose by what the final split said."""
    again = f"-r{attempt}" if attempt > 1 else ""
    key = f"{campaign.identity}-{_file_name(subject)}-{split}-s{seed}{again}"
    folder = campaign.workspace.private / CONFIRM / key
    return ScoringJob(
        subject=subject, submission=submission, digest=digest, folder=folder, key=key, split=split, seed=seed
    )


def _file_name(subject: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", subject.lower())


def _known(campaign: CampaignContext, job: ScoringJob) -> bool:
    return any(score.seed == job.seed for score in campaign.store.scores(subject=job.subject, split=job.split))


async def _run(campaign: CampaignContext, executor: Executor, watcher: JobWatcher, job: ScoringJob) -> None:
    """Score once. What the machine failed is tried again under another key, and is no result of the submission."""
    _log_opening(campaign, job)
    counter = f"confirm-failures/{job.key}"
    for _ in range(MAX_REQUEUES + 1):
        failures = int(campaign.store.get(counter) or 0)
        trial = _job(campaign, job.subject, job.submission, job.digest, job.split, job.seed, attempt=failures + 1)
        job_id = await executor.submit(executor_job(campaign, trial))
        outcome = outcome_of(trial, await watcher.wait(job_id))
        if not isinstance(outcome, Failure) or outcome.kind not in ("infrastructure", "cancelled"):
            is_baseline = job.subject.startswith(BASELINE_PREFIX)
            number = 0 if is_baseline else campaign.store.experiment(job.subject).attempts
            await record(campaign, job, outcome, attempt=number)
            return
        campaign.store.put(counter, failures + 1)
        campaign.emit(Noticed(level="warning", message=f"{trial.key}: {outcome.message}"))


def _log_opening(campaign: CampaignContext, job: ScoringJob) -> None:
    """Put on record, before it happens and once, that the final split is opened for a subject."""
    key = f"opened/{job.key}"
    if job.split == "final" and campaign.store.get(key) is None:
        with campaign.store.transaction():
            campaign.store.put(key, campaign.clock.now().isoformat())
            campaign.emit(
                SplitOpened(
                    experiment=job.subject, split=job.split, seed=job.seed, reason="confirmation of the finalists"
                )
            )
