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
from alphalab.phases.experiment.attempts import record
from alphalab.phases.experiment.jobs import ScoringJob, executor_job, outcome_of
from alphalab.phases.experiment.watcher import JobWatcher
from alphalab.roles import CampaignContext

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
        for extra in range(1, campaign.adapter.manifest.seeds):
            yield _job(campaign, finalist, space.submission(finalist), "search", seed + extra)
        yield _job(campaign, finalist, space.submission(finalist), "final", seed)
    for baseline in campaign.adapter.baselines():
        yield _job(campaign, f"{BASELINE_PREFIX}{baseline.name}", space.adapter / baseline.folder, "final", seed)


def _job(campaign: CampaignContext, subject: str, submission: Path, split: str, seed: int) -> ScoringJob:
    """In a private folder: a campaign that goes on later must not choose by what the final split said."""
    key = f"{_file_name(subject)}-{split}-s{seed}"
    folder = campaign.workspace.private / CONFIRM / key
    return ScoringJob(subject=subject, submission=submission, folder=folder, key=key, split=split, seed=seed)


def _file_name(subject: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", subject.lower())


def _known(campaign: CampaignContext, job: ScoringJob) -> bool:
    return any(score.seed == job.seed for score in campaign.store.scores(subject=job.subject, split=job.split))


async def _run(campaign: CampaignContext, executor: Executor, watcher: JobWatcher, job: ScoringJob) -> None:
    _log_opening(campaign, job)
    job_id = await executor.find(job.key) or await executor.submit(executor_job(campaign, job))
    outcome = outcome_of(job, await watcher.wait(job_id))
    attempt = 0 if job.subject.startswith(BASELINE_PREFIX) else campaign.store.experiment(job.subject).attempts
    if getattr(outcome, "kind", None) == "infrastructure":
        campaign.emit(Noticed(level="warning", message=f"{job.key}: {getattr(outcome, 'message', '')}"))
    record(campaign, job, outcome, attempt=attempt)


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
