"""What agents do in the experiment phase: propose, implement, fix, analyse, report."""

from __future__ import annotations

from attrs import define

from alphalab.agents import AgentResult
from alphalab.errors import ContextOverflow
from alphalab.events import Noticed, ReportWritten
from alphalab.experiments import ExperimentState, write_proposal, write_result
from alphalab.measurement import Failure
from alphalab.messages import Usage
from alphalab.phases.experiment import briefs, engine
from alphalab.roles import Analyst, CampaignContext, Fixer, Implementer, Reporter, RoleAgent, Strategist

S = ExperimentState


@define(kw_only=True, eq=False)
class Work:
    """Runs one role on one task and moves the board accordingly."""

    campaign: CampaignContext

    async def propose(self, command: engine.Propose) -> bool:
        """Let the Strategist fill the board; whether anything came onto it."""
        before = len(self.campaign.store.experiments())
        notes: list[str] = self.campaign.store.get("steer") or []
        await self._run(Strategist, briefs.proposing(self.campaign, command.wanted), wanted=command.wanted)
        self._answered(notes)
        for experiment in self.campaign.store.experiments()[before:]:
            write_proposal(self.campaign.workspace, experiment)
        return len(self.campaign.store.experiments()) > before

    def _answered(self, notes: list[str]) -> None:
        """Notes that this turn was shown are done with; those that came meanwhile wait for the next."""
        now: list[str] = self.campaign.store.get("steer") or []
        remaining = [note for note in now if note not in notes]
        self.campaign.store.put("steer", remaining)

    async def implement(self, command: engine.Implement) -> None:
        """Let a Worker write the submission; without one the experiment has failed."""
        store = self.campaign.store
        store.move(command.id, S.PROPOSED, S.IMPLEMENTING)
        write_proposal(self.campaign.workspace, store.experiment(command.id))
        agent, result = await self._run(Implementer, briefs.implementing(self.campaign, command.id), command.id)
        self._handed_in(command.id, agent, result, source=S.IMPLEMENTING)

    async def fix(self, command: engine.Fix) -> None:
        """Let a Worker repair the submission; without a repair the experiment has failed."""
        agent, result = await self._run(Fixer, briefs.fixing(self.campaign, command.id), command.id)
        self._handed_in(command.id, agent, result, source=S.FIXING)

    def _handed_in(self, experiment_id: str, agent: RoleAgent, result: AgentResult, *, source: ExperimentState) -> None:
        reason = self._why_not(experiment_id, agent, result)
        if reason is None:
            with self.campaign.store.transaction():
                self.campaign.hand_in(experiment_id)
                self.campaign.store.move(experiment_id, source, S.READY)
            return
        failure = self.campaign.store.experiment(experiment_id).failure or Failure(kind="missing_file", message=reason)
        self.campaign.store.move(experiment_id, source, S.FAILED, reason=reason, failure=failure)
        write_result(self.campaign.workspace, self.campaign.store.experiment(experiment_id))

    def _why_not(self, experiment_id: str, agent: RoleAgent, result: AgentResult) -> str | None:
        abandoned = getattr(agent, "abandoned", None)
        if abandoned:
            return f"given up: {abandoned}"
        findings = self.campaign.adapter.inspect_submission(self.campaign.workspace.submission(experiment_id))
        blocking = [finding.message for finding in findings if finding.severity == "blocking"]
        return (
            f"the Worker ended ({result.stop_reason}) without a usable submission: {'; '.join(blocking)}"
            if blocking
            else None
        )

    async def analyse(self, command: engine.Analyse) -> None:
        """Let a Worker explain the score."""
        self.campaign.store.move(command.id, S.SCORED, S.ANALYZING)
        await self._run(Analyst, briefs.analysing(self.campaign, command.id), command.id)
        self.campaign.store.move(command.id, S.ANALYZING, S.DONE)
        write_result(self.campaign.workspace, self.campaign.store.experiment(command.id))

    async def report(self, command: engine.Report) -> None:
        """Let the Reporter write a milestone."""
        await self._run(Reporter, briefs.reporting(self.campaign, command.number))
        self.campaign.store.put("reports", command.number)
        path = briefs.milestone(command.number)
        if (self.campaign.workspace.root / path).is_file():
            self.campaign.emit(ReportWritten(path=path, title=f"Milestone {command.number}"))

    async def _run(
        self, role: type[RoleAgent], brief: str, experiment: str | None = None, **extra: int
    ) -> tuple[RoleAgent, AgentResult]:
        agent = self.campaign.roles[role.role_name].for_campaign(self.campaign, experiment=experiment, **extra)
        try:
            return agent, await agent.run(brief, task=self.campaign.task)
        except ContextOverflow as error:
            # The conversation cannot be made to fit: that ends this run and not the campaign.
            self.campaign.emit(Noticed(level="warning", message=f"{agent.name}: {error}"))
            return agent, AgentResult(text=str(error), messages=(), usage=Usage(), turns=0, stop_reason="tokens")
