"""Scoring jobs: what the executor is asked to run, and what its answer means."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import attrs
from attrs import frozen

from alphalab._ids import digest
from alphalab._serde import dumps, loads
from alphalab.adapters import class_path
from alphalab.errors import ConfigError, EvaluationTampered
from alphalab.evaluation import TRACES
from alphalab.executors import Job, JobState, JobStatus
from alphalab.experiments import Attempt
from alphalab.measurement import Failure, Outcome
from alphalab.provenance import scoring_sources
from alphalab.roles import CampaignContext
from alphalab.scorer import ScoreReport, ScoreSpec
from alphalab.workspace import write_atomic

_OVERHEAD = timedelta(seconds=60)
"""Start-up, reading data and writing the outcome, on top of the candidate's own time."""
_DRIVER_GIB = 4.0
"""Memory of the trusted parent beside the candidate's."""


@frozen(kw_only=True)
class ScoringJob:
    """One submission, one split, one seed."""

    subject: str
    """Experiment id, or `baseline:NAME`."""
    submission: Path
    digest: str
    """Of the submission when it was handed in."""
    folder: Path
    """Specification, report and logs."""
    key: str
    split: str
    seed: int

    @property
    def report(self) -> Path:
        """Written by the job, by rename."""
        return self.folder / "score.json"


def job_for_attempt(campaign: CampaignContext, attempt: Attempt) -> ScoringJob:
    """The job of one attempt at an experiment: the search split with the campaign's first seed.

    Key and folder carry the campaign's identity: an executor may serve several campaigns, and a record that was made
    again must not meet the jobs of its earlier life.
    """
    about, space = attempt.experiment, campaign.workspace
    return ScoringJob(
        subject=about,
        submission=space.submission(about),
        digest=campaign.handed_in(about),
        folder=space.experiment(about) / "logs" / f"attempt-{attempt.number}-{campaign.identity}",
        key=f"{campaign.identity}-{attempt.job}",
        split="search",
        seed=campaign.seed,
    )


def trace_path(campaign: CampaignContext, subject: str, split: str, seed: int) -> Path:
    """Where the scorer leaves per-unit losses and an example; private, since they hold targets."""
    name = subject.replace(":", "-")
    return campaign.workspace.private / TRACES / f"{name}-{split}-{seed}.npz"


def executor_job(campaign: CampaignContext, job: ScoringJob) -> Job:
    """Write the specification and say how the executor runs it."""
    limits = campaign.resources
    spec = ScoreSpec(
        adapter=str(campaign.workspace.adapter),
        adapter_class=class_path(type(campaign.adapter)),
        options=campaign.adapter.options,
        workspace=str(campaign.workspace.root),
        submission=str(job.submission),
        submission_digest=job.digest,
        split=job.split,
        seed=job.seed,
        sandbox=campaign.sandbox,
        resources=limits,
        trace=str(trace_path(campaign, job.subject, job.split, job.seed)),
        report=str(job.report),
    )
    write_atomic(job.folder / "spec.json", dumps(spec, indent=2))
    return Job(
        key=job.key,
        command=(sys.executable, "-m", "alphalab.scorer", str(job.folder / "spec.json")),
        cwd=campaign.workspace.root,
        # The job must find what this process found, e.g. an adapter's class beside the caller's script.
        env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        resources=attrs.evolve(
            limits,
            time_limit=limits.time_limit + _OVERHEAD if limits.time_limit else None,
            memory_gib=limits.memory_gib + _DRIVER_GIB if limits.memory_gib else None,
        ),
        folder=job.folder,
    )


def outcome_of(job: ScoringJob, status: JobStatus) -> Outcome:
    """What a finished job means: the outcome it wrote, or the failure its state stands for."""
    if status.state is JobState.SUCCEEDED and job.report.is_file():
        return _reported(job)
    seconds = (status.ended_at - status.started_at).total_seconds() if status.ended_at and status.started_at else 0.0
    if status.state is JobState.TIMED_OUT:
        return Failure(kind="timed_out", message=f"the job ran past its limit: {status.reason}", seconds=seconds)
    if status.state is JobState.CANCELLED:
        return Failure(kind="cancelled", message="the job was cancelled from outside", seconds=seconds)
    if "memory" in status.reason:
        return Failure(kind="out_of_memory", message=f"the scoring job was ended: {status.reason}", seconds=seconds)
    tail = _tail(job.folder / "stderr.log")
    message = f"the scoring job ended as {status.state} (exit code {status.exit_code}): {status.reason} {tail}".strip()
    return Failure(kind="infrastructure", message=message, seconds=seconds, details={"state": str(status.state)})


def _reported(job: ScoringJob) -> Outcome:
    try:
        report: ScoreReport = loads(job.report.read_text(), ScoreReport, subject=str(job.report))
    except (ConfigError, OSError, UnicodeDecodeError) as error:
        return Failure(kind="infrastructure", message=f"the score cannot be read: {error}")
    if (report.submission, report.split, report.seed) != (job.digest, job.split, job.seed):
        return Failure(kind="infrastructure", message=f"{job.report} is about another submission, split or seed")
    if report.sources != digest(scoring_sources()):
        raise EvaluationTampered(
            f"{job.report} was made by other sources of alphalab than those this process runs; the installation "
            "changed while the campaign ran: restore it, or evaluate again in a new workspace",
            path="alphalab",
        )
    return report.outcome


def _tail(path: Path, size: int = 600) -> str:
    return path.read_text(errors="replace")[-size:].strip() if path.is_file() else ""


def discard_submission(campaign: CampaignContext, experiment_id: str) -> None:
    """Remove a half-written submission, so that the next Worker starts clean."""
    shutil.rmtree(campaign.workspace.submission(experiment_id), ignore_errors=True)
