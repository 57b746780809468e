"""What a certificate lets pass and what it must not: truth tables, in both directions of the metric."""

import itertools
import math
import statistics
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab._serde import dumps, loads
from alphalab.evaluation import (
    AttackResult,
    CanaryResult,
    Certificate,
    judge_attack,
    judge_canary,
    measure_noise,
    tell,
)
from alphalab.evaluation.certificate import clearly_better
from alphalab.measurement import Failure, Measurement, Metric

LOWER, HIGHER = Metric(name="rmse", goal="minimize"), Metric(name="accuracy", goal="maximize")
# Scores as seen by a metric that is minimised: floor 10, reference 5. A maximised one is the mirror image.
FLOOR, REFERENCE = 10.0, 5.0
SCORES = {"worst": 20.0, "floor": 10.0, "between": 7.0, "reference": 5.0, "best": 1.0}
EXPECTED = {
    "rejected": set(),
    "passes": {"worst", "floor", "between", "reference", "best"},
    "not_better_than_floor": {"worst", "floor"},
    "worse_than_reference": {"worst", "floor", "between"},
    "better_than_reference": {"best"},
}
FAILURE = Failure(kind="crashed", message="it raised")
MACHINE = Failure(kind="infrastructure", message="no space left")


def mirrored(metric, value):
    return value if metric is LOWER else -value


@pytest.mark.parametrize("metric", [LOWER, HIGHER], ids=["minimize", "maximize"])
@pytest.mark.parametrize(("expect", "score"), list(itertools.product(EXPECTED, SCORES)))
def test_canaries_with_a_score(metric, expect, score):
    passed = judge_canary(
        expect,
        Measurement(value=mirrored(metric, SCORES[score])),
        metric=metric,
        floor=mirrored(metric, FLOOR),
        reference=mirrored(metric, REFERENCE),
    )
    assert passed == (score in EXPECTED[expect])


@pytest.mark.parametrize("metric", [LOWER, HIGHER], ids=["minimize", "maximize"])
@pytest.mark.parametrize("expect", EXPECTED)
def test_canaries_without_a_score(metric, expect):
    judge = {"metric": metric, "floor": FLOOR, "reference": REFERENCE}
    assert judge_canary(expect, FAILURE, **judge) == (expect in ("rejected", "not_better_than_floor"))
    assert not judge_canary(expect, MACHINE, **judge)


def test_an_unknown_expectation_does_not_pass():
    with pytest.raises(KeyError):
        judge_canary("behaves", Measurement(value=1.0), metric=LOWER, floor=FLOOR, reference=REFERENCE)


@pytest.mark.parametrize("metric", [LOWER, HIGHER], ids=["minimize", "maximize"])
@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        ("worst", "no better than the floor"),
        ("floor", "no better than the floor"),
        ("between", "succeeded"),
        ("best", "succeeded"),
    ],
)
def test_attacks_with_a_score(metric, score, verdict):
    outcome = Measurement(value=mirrored(metric, SCORES[score]))
    judge = {"metric": metric, "floor": mirrored(metric, FLOOR)}
    assert judge_attack(outcome, changed=(), **judge) == verdict
    assert judge_attack(outcome, changed=("data/facts.json",), **judge) == "succeeded"


def test_attacks_without_a_score():
    assert judge_attack(FAILURE, metric=LOWER, floor=FLOOR, changed=()) == "rejected"
    assert judge_attack(FAILURE, metric=LOWER, floor=FLOOR, changed=("state.db",)) == "succeeded"


@pytest.mark.parametrize("metric", [LOWER, HIGHER])
def test_the_same_number_summed_in_another_order_is_no_improvement(metric):
    a, b = sum([0.1] * 10), 1.0
    assert a != b
    assert not clearly_better(metric, a, b)
    assert not clearly_better(metric, b, a)
    assert clearly_better(LOWER, 1.0, 1.0 + 1e-6)
    assert clearly_better(LOWER, -1e-12, 1e-12)
    assert not clearly_better(LOWER, 0.0, 0.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=9))
def test_noise_bounds_the_difference_of_two_single_scores(values):
    noise = measure_noise(values)
    assert noise.values == tuple(values)
    assert noise.mean == pytest.approx(statistics.fmean(values))
    assert noise.sd == pytest.approx(statistics.stdev(values))
    assert noise.floor >= 1.96 * math.sqrt(2) * noise.sd  # the normal quantile is the limit for many scores
    assert math.isfinite(noise.floor)


def test_noise_of_equal_scores_is_none_at_all():
    assert measure_noise([3.0] * 5).floor == 0.0
    # t(0.975, 4 degrees of freedom) = 2.776, table of Student's distribution
    assert measure_noise([1.0, 2.0, 3.0, 4.0, 5.0]).floor == pytest.approx(
        2.776 * math.sqrt(2) * math.sqrt(2.5), rel=1e-3
    )


GOOD = Certificate(
    floor=FLOOR,
    reference=REFERENCE,
    baselines={"floor": Measurement(value=FLOOR), "absent": FAILURE},
    noise=measure_noise([5.0, 5.1, 4.9, 5.0, 5.0]),
    canaries=[CanaryResult(name="zeros", expect="rejected", outcome=FAILURE, passed=True)],
    attacks=[
        AttackResult(name="loud", verdict="rejected", outcome=FAILURE, seconds=1.0),
        AttackResult(
            name="wild", verdict="no better than the floor", outcome=Measurement(value=FLOOR), seconds=1.0, changed=[]
        ),
    ],
    tests={"passed": True, "summary": "Ran 3 tests", "files": 1},
    rounds=1,
    sandbox="bubblewrap",
    language_model=False,
    certified_at=datetime(2026, 3, 1, tzinfo=UTC),
)


def test_nothing_speaks_against_a_good_one():
    assert GOOD.problems == ()


def test_all_problems_are_listed_with_what_happened():
    bad = attrs.evolve(
        GOOD,
        canaries=[
            *GOOD.canaries,
            CanaryResult(name="better", expect="better_than_reference", outcome=Measurement(value=7.25), passed=False),
        ],
        attacks=[
            *GOOD.attacks,
            AttackResult(
                name="sly", verdict="succeeded", outcome=FAILURE, seconds=1.0, changed=["data/facts.json", "state.db"]
            ),
        ],
        tests={"passed": False, "summary": "FAILED (failures=1)"},
    )
    assert bad.problems == (
        "canary 'better': expected better_than_reference, got score 7.25",
        "attack 'sly' succeeded: crashed: it raised data/facts.json, state.db",
        "the evaluation's tests fail: FAILED (failures=1)",
    )


@pytest.mark.parametrize("tests", [{}, {"passed": False}, {"passed": None, "summary": "never ran"}])
def test_tests_that_did_not_run_did_not_pass(tests):
    assert len(attrs.evolve(GOOD, tests=tests).problems) == 1


def test_round_trip_with_the_outcomes_tags():
    text = dumps(GOOD, indent=2)
    assert loads(text, Certificate, strict=True) == GOOD
    assert text.count('"status": "rejected"') == 3


def test_outcomes_in_a_few_words():
    assert tell(Measurement(value=1234.56789)) == "score 1234.6"
    assert tell(FAILURE) == "crashed: it raised"


def test_an_attack_that_the_machine_failed_was_not_tried():
    assert judge_attack(MACHINE, metric=LOWER, floor=FLOOR, changed=()) == "not tried"
    assert judge_attack(MACHINE, metric=LOWER, floor=FLOOR, changed=("state.db",)) == "succeeded"
    untried = AttackResult(name="sly", verdict="not tried", outcome=MACHINE, seconds=1.0)
    problems = attrs.evolve(GOOD, attacks=[untried]).problems
    assert problems == ("attack 'sly' could not be tried: infrastructure: no space left",)
