"""Attempts: jobs are started, adopted after a restart, and their outcomes taken onto the board."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import define

from alphalab.evaluation import verify_seal
from alphalab.executors import Executor, JobState, JobStatus
from alphalab.experiments import ExperimentState, Score, write_result
from alphalab.measurement import Failure, Measurement, Outcome
from alphalab.phases.experiment import engine
from alphalab.phases.experiment.jobs import ScoringJob, discard_submission, executor_job, job_for_attempt, outcome_of
from alphalab.phases.experiment.stopping import MAX_REQUEUES, after_failure
from alphalab.phases.experiment.watcher import JobWatcher
from alphalab.roles import CampaignContext

S = ExperimentState


@define(kw_only=True, eq=False)
class Attempts:
    """Between the board and the executor."""

    campaign: CampaignContext
    executor: Executor
    watcher: JobWatcher
    changed: Callable[[str], None]
    """Told of every experiment that moved."""
    max_fixes: int = 2

    def rewind(self) -> None:
        """After a restart: work that was cut off goes back to where it can begin again, results are complete."""
        store = self.campaign.store
        for experiment in store.experiments(state=S.IMPLEMENTING):
            discard_submission(self.campaign, experiment.id)
            store.move(experiment.id, S.IMPLEMENTING, S.PROPOSED, reason="the process ended while it was implemented")
        for experiment in store.experiments(state=S.ANALYZING):
            store.move(experiment.id, S.ANALYZING, S.SCORED, reason="the process ended while it was analysed")
        for experiment in store.experiments():
            result = self.campaign.workspace.experiment(experiment.id) / "result.json"
            if experiment.state.is_final and not result.is_file():
                write_result(self.campaign.workspace, experiment)

    async def adopt(self) -> None:
        """After a restart: jobs that an earlier process started, or meant to start, are watched again."""
        for state in (S.QUEUED, S.RUNNING):
            for experiment in self.campaign.store.experiments(state=state):
                await self._launch(experiment.id)

    async def submit(self, command: engine.Submit) -> None:
        """Write down the intent, then hand the job over."""
        self.campaign.store.begin_attempt(command.id)
        await self._launch(command.id)

    async def _launch(self, experiment_id: str) -> None:
        job = self._job(experiment_id)
        job_id = await self.executor.submit(
            executor_job(self.campaign, job)
        )  # finds the one an earlier process started
        status = (await self.executor.poll([job_id]))[job_id]
        if status.state is not JobState.PENDING:
            self._mark_running(experiment_id)
        self.watcher.add(job_id, lambda _id, status: self._ended(experiment_id, status))

    def _job(self, experiment_id: str) -> ScoringJob:
        attempt = self.campaign.store.attempt(experiment_id)
        assert attempt is not None, f"{experiment_id} is with the executor but has no attempt"
        return job_for_attempt(self.campaign, attempt)

    def _mark_running(self, experiment_id: str) -> None:
        if self.campaign.store.experiment(experiment_id).state is S.QUEUED:
            self.campaign.store.move(experiment_id, S.QUEUED, S.RUNNING)
            self.changed(experiment_id)

    def _ended(self, experiment_id: str, status: JobStatus) -> None:
        experiment = self.campaign.store.experiment(experiment_id)
        lost = status.state in (JobState.LOST, JobState.PREEMPTED)
        if lost and experiment.state in (S.QUEUED, S.RUNNING) and experiment.requeues < MAX_REQUEUES:
            reason = f"{status.state}: {status.reason}"
            self.campaign.store.move(experiment_id, experiment.state, S.READY, reason=reason[:300])
        else:
            self._mark_running(experiment_id)
            if self.campaign.store.experiment(experiment_id).state is S.RUNNING:
                self.campaign.store.move(experiment_id, S.RUNNING, S.SCORING)
        self.changed(experiment_id)

    async def score(self, command: engine.Score) -> None:
        """Take the outcome of the latest attempt: check the seal, put it on record, move on.

        Raises:
            EvaluationTampered: The evaluation is not the sealed one any more.
        """
        job = self._job(command.id)
        outcome = outcome_of(job, await self._status(job.key))
        await record(self.campaign, job, outcome, attempt=self.campaign.store.experiment(command.id).attempts)
        if isinstance(outcome, Measurement):
            self.campaign.store.move(command.id, S.SCORING, S.SCORED)
        else:
            self._after_failure(command.id, outcome)
        write_result(self.campaign.workspace, self.campaign.store.experiment(command.id))

    async def _status(self, key: str) -> JobStatus:
        job_id = await self.executor.find(key)
        if job_id is None:
            return JobStatus(state=JobState.LOST, reason="the executor does not know the job")
        return (await self.executor.poll([job_id]))[job_id]

    def _after_failure(self, experiment_id: str, failure: Failure) -> None:
        experiment = self.campaign.store.experiment(experiment_id)
        # Every fix and every requeue began one attempt more; a requeue out of `scoring` is counted nowhere else.
        target = after_failure(
            failure,
            fixes=experiment.fixes,
            requeues=experiment.attempts - experiment.fixes - 1,
            max_fixes=self.max_fixes,
        )
        with self.campaign.store.transaction():
            self.campaign.remember_failure(experiment_id, failure)
            self.campaign.store.move(experiment_id, S.SCORING, S(target), reason=failure.message[:300], failure=failure)

    async def cancel(self, command: engine.Cancel) -> None:
        """Take an experiment off the board; its job, if it has one, ends."""
        if self.campaign.store.experiment(command.id).state in (S.QUEUED, S.RUNNING):
            job_id = await self.executor.find(self._job(command.id).key)
            await self.executor.cancel([job_id] if job_id else [])
        experiment = self.campaign.store.experiment(command.id)  # again: its job may have ended meanwhile
        if not experiment.state.is_final:
            self.campaign.store.move(command.id, experiment.state, S.CANCELLED, reason=command.reason)
            write_result(self.campaign.workspace, self.campaign.store.experiment(command.id))


async def record(campaign: CampaignContext, job: ScoringJob, outcome: Outcome, *, attempt: int) -> None:
    """Check the seal and put one outcome on record, once.

    Raises:
        EvaluationTampered: The evaluation is not the sealed one any more.
    """
    sealed: dict[str, Any] = campaign.store.get("evaluation") or {}
    seal = await asyncio.to_thread(verify_seal, campaign.workspace, sealed.get("digest"))
    score = Score(
        subject=job.subject,
        split=job.split,
        seed=job.seed,
        attempt=attempt,
        outcome=outcome,
        evaluation=seal.digest,
        submission=job.digest,
        at=campaign.clock.now(),
    )
    campaign.store.record_score(score)
