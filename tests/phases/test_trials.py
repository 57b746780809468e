"""What is tried before the seal: scored by the real scorer, once, and nothing that worked is left out."""

import attrs
import pytest
from toy_domain import answer, make_context, write_adapter

from alphalab.errors import EvaluationUnsealed
from alphalab.measurement import Failure, Measurement
from alphalab.models import ScriptedModel
from alphalab.phases.trials import Trials
from alphalab.workspace import write_atomic

TESTS = {"passed": True, "summary": "OK"}


def attack_of(certificate, name):
    (found,) = [attack for attack in certificate.attacks if attack.name == name]
    return found


def make(tmp_path, **parts):
    write_adapter(tmp_path / "adapter", **parts)
    return Trials(campaign=make_context(tmp_path))


async def certify(tmp_path, **parts):
    return await make(tmp_path, **parts).certify(tests=TESTS, rounds=1)


async def test_a_sound_evaluation_is_certified(tmp_path):
    certificate = await certify(tmp_path)
    assert certificate.problems == ()
    assert (certificate.floor, certificate.reference) == pytest.approx((2.0, 1.0))
    assert {name: outcome.value for name, outcome in certificate.baselines.items()} == pytest.approx(
        {"floor": 2.0, "reference": 1.0, "other": 1.5}
    )
    assert certificate.noise.values == pytest.approx((1.0, 1.001, 1.002, 1.0, 1.001))
    assert [canary.name for canary in certificate.canaries] == ["silent", "wild", "same", "shifted", "known"]
    assert {attack.name: attack.verdict for attack in certificate.attacks} == {
        "loud": "no better than the floor",
        "dead": "rejected",
    }
    assert (certificate.sandbox, certificate.language_model) == ("process", False)


@pytest.mark.parametrize(
    ("canary", "told"),
    [
        (("silent", {"x": 0.3}, "rejected"), "canary 'silent': expected rejected, got score 0"),
        (("wild", {"x": 0.5}, "not_better_than_floor"), "canary 'wild': expected not_better_than_floor, got score 0.2"),
        (("same", {"mode": "fail"}, "passes"), "canary 'same': expected passes, got crashed: this mode fails"),
        (("same", {"x": 1.3}, "worse_than_reference"), "canary 'same': expected worse_than_reference, got score 1"),
        (("same", {"x": 1.3}, "better_than_reference"), "canary 'same': expected better_than_reference, got score 1"),
        (("gone", {"mode": "broken machine"}, "rejected"), "got infrastructure: the machine failed"),
    ],
)
async def test_a_canary_that_misbehaves(tmp_path, canary, told):
    (problem,) = (await certify(tmp_path, canaries=[canary])).problems
    assert told in problem


async def test_an_attack_of_the_catalogue_that_works(tmp_path):
    certificate = await certify(tmp_path, attacks=[("sly", {"x": 0.31})])
    assert attack_of(certificate, "sly").verdict == "succeeded"
    assert certificate.problems == ("attack 'sly' succeeded: score 0.01 ",)


async def test_an_attack_that_changes_a_protected_file(tmp_path):
    certificate = await certify(tmp_path, attacks=[("meddler", {"x": 9.0, "mode": "meddle"})])
    assert attack_of(certificate, "meddler").changed == ("data/facts.json",)
    assert certificate.problems == ("attack 'meddler' succeeded: score 8.7 data/facts.json",)


async def test_attacks_that_the_hacker_left_behind_are_certified_too(tmp_path):
    trials = make(tmp_path)
    attacks = trials.campaign.workspace.evaluation / "attacks"
    write_atomic(attacks / "own_idea/answer.py", answer(x=0.25))
    write_atomic(attacks / "not_a_folder.py", "x")
    certificate = await trials.certify(tests=TESTS, rounds=1)
    assert attack_of(certificate, "own_idea").verdict == "succeeded"
    assert len(certificate.attacks) == 3


async def test_a_hackers_attack_under_the_name_of_a_shipped_one_is_not_lost(tmp_path):
    trials = make(tmp_path)
    write_atomic(trials.campaign.workspace.evaluation / "attacks/loud/answer.py", answer(x=0.25))
    assert (await trials.attack("loud")).verdict == "succeeded"
    certificate = await trials.certify(tests=TESTS, rounds=1)
    assert any(attack.verdict == "succeeded" for attack in certificate.attacks)


async def test_a_copy_of_a_shipped_attack_is_listed_once(tmp_path):
    trials = make(tmp_path)
    write_atomic(trials.campaign.workspace.evaluation / "attacks/loud/answer.py", answer(x=7.0))
    await trials.attack("loud")
    certificate = await trials.certify(tests=TESTS, rounds=1)
    assert sorted(attack.name for attack in certificate.attacks) == ["dead", "loud"]


async def test_two_attacks_alike_keep_their_own_names(tmp_path):
    certificate = await certify(tmp_path, attacks=[("one", {"x": 7.0}), ("two", {"x": 7.0})])
    assert [attack.name for attack in certificate.attacks] == ["one", "two"]


async def test_everything_is_scored_once_also_after_a_restart(tmp_path, monkeypatch):
    trials, scored = make(tmp_path), []
    adapter = type(trials.campaign.adapter)
    honest = adapter.score

    async def counting(self, submission, *, split, seed):
        scored.append((submission.parent.name, submission.name, seed))
        assert split == "search"
        return await honest(self, submission, split=split, seed=seed)

    monkeypatch.setattr(adapter, "score", counting)
    first = await trials.certify(tests=TESTS, rounds=1)
    # the canary `same` is the reference byte for byte, so it is not scored again
    assert len(scored) == len(set(scored)) == 3 + 4 + 4 + 2
    again = await Trials(campaign=trials.campaign).certify(tests=TESTS, rounds=1)
    assert len(scored) == 13
    assert again == attrs.evolve(first, certified_at=again.certified_at)


async def test_what_the_machine_failed_is_tried_again(tmp_path):
    trials = make(tmp_path, canaries=[("same", {"x": 1.3}, "passes")], attacks=[("loud", {"mode": "broken machine"})])
    space = trials.campaign.workspace
    write_atomic(space.adapter / "canaries/same/answer.py", answer(mode="broken machine"))
    honest = type(trials.campaign.adapter).score
    first = await trials.certify(tests=TESTS, rounds=1)
    assert len(first.problems) == 2

    async def mended(self, submission, *, split, seed):
        return Measurement(value=9.0)

    type(trials.campaign.adapter).score = mended
    try:
        assert (await trials.certify(tests=TESTS, rounds=2)).problems == ()
    finally:
        type(trials.campaign.adapter).score = honest


async def test_other_data_are_other_trials(tmp_path):
    """A score that was recalled under other splits would certify an evaluation that was never tried."""
    trials = make(tmp_path)
    await trials.certify(tests=TESTS, rounds=1)

    class Moved(type(trials.campaign.adapter)):
        def protocol(self):
            return {**super().protocol(), "search": [20, 50]}

        async def score(self, submission, *, split, seed):
            return Failure(kind="protocol", message="everything is different")

    space = trials.campaign.workspace
    trials.campaign.adapter = Moved.from_folder(space.adapter).attach(space, trials.campaign.adapter.host)
    with pytest.raises(EvaluationUnsealed, match=r"baseline 'floor' .* has no score"):
        await Trials(campaign=trials.campaign).certify(tests=TESTS, rounds=1)
    attack = await trials.attack_folder("loud", space.adapter / "attacks/loud")
    assert attack.verdict == "rejected"


@pytest.mark.parametrize("role", ["floor", "reference"])
async def test_without_the_baselines_that_scores_are_held_against(tmp_path, role):
    baselines = [("a", {"x": 2.3}, "floor"), ("b", {"x": 1.3}, "reference")]
    without = [item for item in baselines if item[2] != role]
    with pytest.raises(EvaluationUnsealed, match=f"must name one baseline with role '{role}'; it names 0"):
        await certify(tmp_path, baselines=without)


async def test_a_reference_that_fails_certifies_nothing(tmp_path):
    baselines = [("a", {"x": 2.3}, "floor"), ("b", {"mode": "fail"}, "reference")]
    with pytest.raises(EvaluationUnsealed, match=r"baseline 'b' \(reference\) has no score \(crashed: this mode fails"):
        await certify(tmp_path, baselines=baselines)


async def test_a_reference_that_scores_with_one_seed_only(tmp_path):
    trials = make(tmp_path)
    honest = type(trials.campaign.adapter).score

    async def fickle(self, submission, *, split, seed):
        return (
            await honest(self, submission, split=split, seed=seed)
            if seed == 0
            else Failure(kind="crashed", message=f"seed {seed}")
        )

    type(trials.campaign.adapter).score = fickle
    try:
        with pytest.raises(EvaluationUnsealed, match="reference"):
            await trials.certify(tests=TESTS, rounds=1)
    finally:
        type(trials.campaign.adapter).score = honest


async def test_the_certificate_says_whether_a_language_model_was_at_work(tmp_path):
    write_adapter(tmp_path / "adapter")
    rules, language = ScriptedModel([], name="rules"), ScriptedModel([], name="language")
    language.capabilities = attrs.evolve(rules.capabilities, is_language_model=True)
    context = make_context(tmp_path, models={"builder": (rules, language), "default": (rules,)})
    certificate = await Trials(campaign=context).certify(tests=TESTS, rounds=1)
    assert certificate.language_model
    turn = context.model_for("builder")
    assert turn is rules  # asking who built it is no turn of its own
