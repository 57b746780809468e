"""A context with a board, and agents whose tools are called directly."""

import json

import pytest
from toy_domain import make_context

from alphalab.experiments import ExperimentState, Proposal
from alphalab.roles import ROLES, RoleAgent
from alphalab.workspace import write_atomic

S = ExperimentState


class Bench:
    """One campaign's services, and what its roles may do with them."""

    def __init__(self, folder, **changes):
        self.context = make_context(folder, **changes)
        self.space = self.context.workspace

    def propose(self, x=0.5, state=S.PROPOSED, **words):
        words = {"name": "near", "family": "guess", "hypothesis": "it is near", "recipe": "near"} | words
        parameters = words.pop("parameters", {"x": x})
        experiment = self.context.store.propose(Proposal(parameters=parameters, **words))
        path = [S.IMPLEMENTING, S.READY, S.QUEUED, S.RUNNING, S.SCORING]
        source = S.PROPOSED
        for target in path[: path.index(state) + 1] if state in path else []:
            self.context.store.move(experiment.id, source, target)
            source = target
        return experiment.id

    def agent(self, role, *, experiment=None, **extra) -> RoleAgent:
        if role == "hacker":
            extra.setdefault("try_attack", None)
        return ROLES[role].for_campaign(self.context, experiment=experiment, **extra)

    async def call(self, agent, tool, **arguments):
        (found,) = [item for item in agent.build_tools(self.context.task) if item.name == tool]
        return await found.call(agent.context, arguments)

    async def json(self, agent, tool, **arguments):
        return json.loads(await self.call(agent, tool, **arguments))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def make_bench(tmp_path):
    return lambda **changes: Bench(tmp_path, **changes)


@pytest.fixture
def furnished(make_bench):
    """A function that makes a bench whose every folder holds something."""

    def make(**changes):
        bench = make_bench(**changes)
        for name in (
            "campaign.toml",
            "state.db",
            "playbook.md",
            "evaluation/evaluation.json",
            "evaluation/tests/test_metric.py",
            "evaluation/attacks/loud/answer.py",
            "exploration/learnings.md",
            "experiments/exp-0001/result.json",
            "experiments/exp-0001/submission/answer.py",
            "experiments/exp-0002/submission/answer.py",
            "reports/report.md",
            "reports/report.html",
            "reports/figures/final.png",
            "reports/milestone-001.md",
            "transcripts/critic-campaign-007.jsonl",
            "transcripts/outputs/critic-campaign-007/shell-1.txt",
            "jobs/exp-0001-1",
            "private/traces/exp-0001-search-0.npz",
        ):
            write_atomic(bench.space.root / name, f"content of {name}\n")
        return bench

    return make
