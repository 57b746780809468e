"""What a role had decided before it was killed still holds when its run goes on; and what it says to people."""

import pytest

from alphalab.budget import Limits
from alphalab.errors import ModelUnavailable
from alphalab.events import Noticed
from alphalab.experiments import ExperimentState
from alphalab.messages import Delta
from alphalab.models import ScriptedModel

call = ScriptedModel.call
FINISH = call("finish", summary="done")
FINDING = {"severity": "blocking", "message": "the target leaks", "evidence": "column 3"}


async def killed_and_resumed(bench, role, before, after, turns=200, **extra):
    """An agent of a second process, after the first was cut off behind some steps."""
    bench.context.models = {"default": (ScriptedModel([*before, ModelUnavailable("gone")]),)}
    with pytest.raises(ModelUnavailable):
        await bench.agent(role, **extra).run("Do your work.", task=bench.context.task)
    bench.context.limits = Limits(turns=turns)
    model = ScriptedModel(after)
    bench.context.models = {"default": (model,)}
    agent = bench.agent(role, **extra)
    result = await agent.run("Do your work.", task=bench.context.task)
    model.assert_done()
    return agent, result


@pytest.mark.parametrize("turns", [2, 3])
async def test_a_verdict_outlives_its_process(bench, turns):
    replaced = call("submit_review", findings=[], summary="nothing")
    verdict = call("submit_review", findings=[FINDING], summary="bad")
    agent, result = await killed_and_resumed(bench, "critic", [replaced, verdict], [FINISH][: turns - 2], turns)
    assert result.stop_reason == ("finished" if turns == 3 else "turns")
    (finding,) = agent.findings
    assert (finding.severity, finding.message, finding.evidence) == ("blocking", "the target leaks", "column 3")


async def test_a_verdict_that_was_refused_is_none(bench):
    wrong = call("submit_review", findings=[{"severity": "odd"}], summary="x")
    right = call("submit_review", findings=[], summary="x")
    agent, _ = await killed_and_resumed(bench, "critic", [wrong], [FINISH, right, FINISH])
    assert agent.findings == ()


async def test_what_was_given_up_stays_given_up(bench):
    experiment = bench.propose(state=ExperimentState.IMPLEMENTING)
    before = [call("abandon", reason="no such data")]
    agent, result = await killed_and_resumed(bench, "implementer", before, [FINISH], experiment=experiment)
    assert (agent.abandoned, result.stop_reason) == ("no such data", "finished")


async def test_what_is_said_to_people_holds_no_key(bench, monkeypatch):
    monkeypatch.setenv("SERVICE_API_KEY", "very-secret-value")
    agent = bench.agent("strategist")
    await bench.call(agent, "report_to_user", message="x" * 1990 + "very-secret-value is the key")
    agent.on_delta(Delta(kind="restart", text="refused very-secret-value " + "x" * 5000))
    said, waited = [item.event for item in bench.context.store.events() if isinstance(item.event, Noticed)]
    assert "very-" not in said.message
    assert "secret" not in waited.message
    assert len(waited.message) < 2200
