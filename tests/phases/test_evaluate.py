"""An evaluation is sealed when nothing speaks against it, and only then."""

import json
import shutil
from importlib import import_module

import pytest
from attrs import define
from toy_domain import EVALUATION_TEST, answer, make_context, write_adapter

from alphalab.errors import EvaluationUnsealed
from alphalab.evaluation import verify_seal
from alphalab.events import EvaluationRound, EvaluationSealed
from alphalab.models import ScriptedModel
from alphalab.models.offline import OfflineModel
from alphalab.phases import evaluate
from alphalab.roles import ROLES, Builder
from alphalab.workspace import write_atomic

ROUNDS = 2
FINISH = ScriptedModel.call("finish", summary="done")


@pytest.fixture(autouse=True)
def rounds(monkeypatch):
    monkeypatch.setattr(import_module("alphalab.phases.evaluate"), "MAX_ROUNDS", ROUNDS)


def review(*blocking, severity="blocking"):
    findings = [{"severity": severity, "message": message} for message in blocking]
    return ScriptedModel.call("submit_review", findings=findings, summary="looked at it")


def make(tmp_path, *, parts=None, sandbox="none", roles=None, **scripts):
    """A context in which the named roles follow a script and the rest follow the rules."""
    write_adapter(tmp_path / "adapter", **(parts or {}))
    models = {role: (ScriptedModel(steps, name=role),) for role, steps in scripts.items()}
    return make_context(
        tmp_path,
        sandbox=sandbox,
        models={"default": (OfflineModel(),), **models},
        roles={**ROLES, **(roles or {})},
    )


def events_of(context, kind):
    return [recorded.event for recorded in context.store.events() if isinstance(recorded.event, kind)]


async def refused(context):
    """The problems an evaluation is refused for; sees that nothing was sealed or scored for the board."""
    with pytest.raises(EvaluationUnsealed) as caught:
        await evaluate(context)
    assert not (context.workspace.evaluation / "seal.json").exists()
    assert not (context.workspace.evaluation / "certificate.json").exists()
    assert context.store.get("evaluation") is None
    assert context.store.scores() == ()
    assert events_of(context, EvaluationSealed) == []
    with pytest.raises(EvaluationUnsealed):
        verify_seal(context.workspace)
    head, *listed = str(caught.value).split("\n  - ")
    assert head == f"after {ROUNDS} rounds the evaluation still has problems, so no experiment is run:"
    return listed


async def test_a_sound_evaluation_is_sealed_in_one_round(tmp_path):
    context = make(tmp_path)
    told = await evaluate(context)
    assert told.startswith("Sealed after 1 round(s): 5 canaries behaved, 2 attacks failed, noise floor 0.00328")
    recorded = context.store.get("evaluation")
    seal = verify_seal(context.workspace, recorded["digest"])
    assert {"evaluation/certificate.json", "evaluation/review.json", "evaluation/tests/test_evaluation.py"} < set(
        seal.files
    )
    assert recorded["noise_floor"] == pytest.approx(0.00328, rel=0.01)
    assert events_of(context, EvaluationRound) == [
        EvaluationRound(round=1, blocking=0, tests_passed=True, attacks_succeeded=0)
    ]
    (sealed,) = events_of(context, EvaluationSealed)
    assert (sealed.digest, sealed.canaries, sealed.attacks) == (seal.digest, 5, 2)


async def test_baselines_are_on_record_with_the_seal_they_were_scored_under(tmp_path):
    context = make(tmp_path)
    await evaluate(context)
    scores = {score.subject: score for score in context.store.scores()}
    assert set(scores) == {"baseline:floor", "baseline:reference", "baseline:other"}
    assert scores["baseline:reference"].outcome.value == pytest.approx(1.0)
    assert {score.evaluation for score in scores.values()} == {context.store.get("evaluation")["digest"]}
    assert context.baseline("floor")[0] == "floor"


async def test_a_planted_package_is_written_anew(tmp_path):
    context = make(tmp_path)
    planted = {**context.adapter.protocol(), "goal": "maximize", "search": [0, 50]}
    write_atomic(context.workspace.evaluation / "evaluation.json", json.dumps(planted))
    await evaluate(context)
    written = json.loads((context.workspace.evaluation / "evaluation.json").read_text())
    assert written == context.adapter.protocol()


@define(kw_only=True, eq=False)
class LazyBuilder(Builder):
    """Finishes whatever it has written."""

    async def review_turn(self, turn):
        return None


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ('{"goal": "maximize"}', "goal is 'maximize', but the scorer uses 'minimize'"),
        ("[]", "it must hold one JSON object"),
        ("{", "it is not JSON: "),
        (None, "it is missing"),
    ],
)
async def test_a_package_that_stays_wrong(tmp_path, planted, told):
    context = make(
        tmp_path, roles={"builder": LazyBuilder}, builder=[FINISH] * ROUNDS, critic=[review(), FINISH] * ROUNDS
    )
    if planted is not None:
        write_atomic(context.workspace.evaluation / "evaluation.json", planted)
    problems = await refused(context)
    assert any(line.startswith(told) for line in problems)


async def test_the_rule_based_critic_finds_a_wrong_package_itself(tmp_path):
    context = make(tmp_path, roles={"builder": LazyBuilder}, builder=[FINISH] * ROUNDS)
    wrong = {**context.adapter.protocol(), "search": [5, 50]}
    write_atomic(context.workspace.evaluation / "evaluation.json", json.dumps(wrong))
    problems = await refused(context)
    assert "search is [5, 50] in the package, but the scorer uses [10, 50]" in problems


async def test_a_test_suite_that_fails(tmp_path):
    context = make(tmp_path, parts={"test": EVALUATION_TEST.replace("minimize", "something else")})
    (problem,) = await refused(context)
    assert problem.startswith("the evaluation's tests fail: ")
    rounds = events_of(context, EvaluationRound)
    assert [item.round for item in rounds] == list(range(1, ROUNDS + 1))
    assert not any(item.tests_passed for item in rounds)


@pytest.mark.parametrize(
    "source",
    [
        "import no_such_module\n",
        "raise SystemExit(0)\n",
        "import os\n\nos._exit(0)\n",
        "X = 1\n",
        "import unittest\n\n@unittest.skip('later')\nclass A(unittest.TestCase):\n    def test_a(self): pass\n",
        "import os\n\nos.write(2, b'Ran 3 tests in 0.1s')\nos._exit(0)\n",
    ],
    ids=["import error", "exit", "hard exit", "no test", "all skipped", "forged"],
)
async def test_a_test_suite_that_tests_nothing(tmp_path, source):
    context = make(tmp_path, parts={"test": source})
    (problem,) = await refused(context)
    assert problem.startswith("the evaluation's tests fail: ")


async def test_a_canary_that_misbehaves(tmp_path):
    context = make(tmp_path, parts={"canaries": [("silent", {"x": 0.3}, "rejected")]})
    assert await refused(context) == ["canary 'silent': expected rejected, got score 0"]


async def test_an_attack_that_succeeds(tmp_path):
    context = make(tmp_path, parts={"attacks": [("sly", {"x": 0.4})]})
    assert await refused(context) == ["attack 'sly' succeeded: score 0.1 "]
    assert {item.attacks_succeeded for item in events_of(context, EvaluationRound)} == {1}


async def test_everything_that_is_wrong_is_listed(tmp_path):
    context = make(
        tmp_path,
        parts={
            "test": "import no_such_module\n",
            "canaries": [("silent", {"x": 0.3}, "rejected")],
            "attacks": [("sly", {"x": 0.4})],
        },
        critic=[review("the metric leaks", "the splits overlap"), FINISH] * ROUNDS,
    )
    problems = await refused(context)
    assert [line.split(":")[0] for line in problems] == [
        "the metric leaks",
        "the splits overlap",
        "canary 'silent'",
        "attack 'sly' succeeded",
        "the evaluation's tests fail",
    ]


async def test_a_blocking_finding_goes_back_to_the_builder(tmp_path):
    context = make(tmp_path, critic=[review("the metric leaks"), FINISH, review(), FINISH])
    assert (await evaluate(context)).startswith("Sealed after 2 round(s)")
    (critic,) = context.models["critic"]
    critic.assert_done()
    builders = sorted(context.workspace.transcripts.glob("builder-*.jsonl"))
    assert len(builders) == 2
    assert "the metric leaks" not in builders[0].read_text()
    assert "The last round found:\\n- the metric leaks" in builders[1].read_text()
    assert [item.blocking for item in events_of(context, EvaluationRound)] == [1, 0]


@pytest.mark.parametrize("severity", ["warning", "note"])
async def test_findings_that_do_not_block_are_kept_in_the_review(tmp_path, severity):
    context = make(tmp_path, critic=[review("few units", severity=severity), FINISH])
    await evaluate(context)
    written = json.loads((context.workspace.evaluation / "review.json").read_text())
    assert written["model"] == "critic"
    assert [(item["severity"], item["message"]) for item in written["findings"]] == [(severity, "few units")]


async def test_a_critic_without_a_verdict_blocks(tmp_path):
    context = make(tmp_path, critic=["I see nothing wrong."] * 4 * ROUNDS)
    assert await refused(context) == ["the Critic ended without a verdict"]


async def test_an_attack_that_the_hacker_found_blocks(tmp_path):
    write = ScriptedModel.call("write_file", path="evaluation/attacks/loud/answer.py", content=answer(x=0.29))
    attempt = ScriptedModel.call("try_attack", name="loud")
    context = make(tmp_path, hacker=[write, attempt, FINISH, *[FINISH] * (ROUNDS - 1)])
    assert await refused(context) == ["attack 'loud' succeeded: score 0.01 "]
    told = context.models["hacker"][0].requests[2].messages[-1].content[0].text
    assert told.startswith("succeeded (")


@pytest.mark.bubblewrap
async def test_the_tests_run_where_held_out_data_do_not_exist(tmp_path):
    looks = (
        "import pathlib, unittest\n\n\nclass Looks(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertTrue(pathlib.Path('data/facts.json').is_file())\n"
        "        self.assertFalse(list(pathlib.Path('private').glob('*')))\n"
        "        self.assertFalse(pathlib.Path('campaign.toml').exists())\n"
        "        with self.assertRaises(OSError):\n"
        "            pathlib.Path('evaluation/more').write_text('x')\n"
    )
    context = make(tmp_path, parts={"test": looks}, sandbox="bubblewrap")
    write_atomic(context.workspace.config, "x")
    assert (await evaluate(context)).startswith("Sealed after 1 round(s)")


async def test_a_seal_that_was_not_put_on_record_is_made_again(tmp_path):
    """The process may end between the seal on disk and the record of it."""
    context = make(tmp_path)
    await evaluate(context)
    first = verify_seal(context.workspace)
    shutil.rmtree(tmp_path / "adapter")
    again = make(tmp_path)
    assert (await evaluate(again)).startswith("Sealed after 1 round(s)")
    seal = verify_seal(again.workspace, again.store.get("evaluation")["digest"])
    assert set(seal.files) == set(first.files)
