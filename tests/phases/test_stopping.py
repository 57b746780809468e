"""When a campaign has had enough: convergence, failures, and every unit of its budget."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab._clock import ManualClock
from alphalab.budget import Budget
from alphalab.events import CampaignStarted, Noticed, PhaseStarted, Steered
from alphalab.experiments import Score, Store
from alphalab.measurement import Failure, Measurement, Metric
from alphalab.messages import Usage
from alphalab.phases import active_time
from alphalab.phases.experiment.stopping import MAX_REQUEUES, after_failure, converged
from alphalab.phases.spending import overspent

LOWER, HIGHER = Metric(name="rmse", goal="minimize"), Metric(name="accuracy", goal="maximize")

# -- convergence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], False),
        ([5.0], False),
        ([5.0, 6.0, 6.0], False),
        ([5.0, 6.0, 6.0, 6.0], True),
        ([5.0, 6.0, 4.0, 6.0], False),
        ([5.0, 4.0, 6.0, 6.0, 6.0], True),
        ([5.0, 4.96, 4.95, 4.91], True),  # within the noise of the leader, each of them
        ([5.0, 4.96, 4.92, 4.89], False),  # together they left it
    ],
)
def test_patience_counts_scores_without_an_improvement_beyond_the_noise(history, expected):
    assert converged(history, LOWER, 3, 0.1) == expected
    assert converged([-value for value in history], HIGHER, 3, 0.1) == expected


@given(st.lists(st.floats(0, 100), max_size=30), st.integers(1, 8), st.floats(0, 5))
def test_a_longer_patience_never_stops_earlier(history, patience, noise):
    if not converged(history, LOWER, patience, noise):
        assert not converged(history, LOWER, patience + 1, noise)


@given(st.integers(1, 8), st.integers(1, 30))
def test_steady_progress_never_converges(patience, steps):
    assert not converged([100.0 - step for step in range(steps)], LOWER, patience, 0.5)


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixes", range(4))
def test_a_failed_submission_is_mended_a_bounded_number_of_times(fixes):
    failure = Failure(kind="crashed", message="it raised")
    target = after_failure(failure, fixes=fixes, requeues=0, max_fixes=2)
    assert target == ("fixing" if fixes < 2 else "failed")


@pytest.mark.parametrize("requeues", range(MAX_REQUEUES + 2))
def test_a_failed_machine_is_tried_again_without_blaming_the_submission(requeues):
    failure = Failure(kind="infrastructure", message="no space left")
    target = after_failure(failure, fixes=9, requeues=requeues, max_fixes=2)
    assert target == ("ready" if requeues < MAX_REQUEUES else "failed")


# -- spending ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def store():
    with Store.in_memory(clock=ManualClock()) as store:
        yield store


def spend(store, **usage):
    store.add_usage(Usage(calls=1, **usage), role="worker", model="m")


def score(store, seconds, number=0):
    outcome = Measurement(value=1.0, seconds=seconds)
    words = {"split": "search", "seed": number, "attempt": 0, "evaluation": "e", "submission": "s"}
    store.record_score(Score(subject="baseline:x", outcome=outcome, at=store.clock.now(), **words))


def test_nothing_is_spent_at_first(store):
    everything = Budget(experiments=1, cost_usd=0.01, tokens=1, gpu_hours=0.01)
    assert overspent(store, everything, gpus=1) is None


def test_tokens_in_and_out(store):
    spend(store, input_tokens=60, output_tokens=39)
    assert overspent(store, Budget(tokens=100), gpus=0) is None
    spend(store, output_tokens=1)
    assert overspent(store, Budget(tokens=100), gpus=0) == "tokens"


def test_cost(store):
    spend(store, cost_usd=0.75)
    assert overspent(store, Budget(cost_usd=1.0), gpus=0) is None
    spend(store, cost_usd=0.25)
    assert overspent(store, Budget(cost_usd=1.0), gpus=0) == "cost_usd"


def test_an_unknown_price_cannot_be_kept_within_a_cost(store):
    spend(store, cost_usd=None)
    assert overspent(store, Budget(cost_usd=100.0), gpus=0) == "cost_usd"
    assert overspent(store, Budget(tokens=100), gpus=0) is None


def test_gpu_hours_are_those_of_candidates_on_their_gpus(store):
    score(store, 1800.0)
    assert overspent(store, Budget(gpu_hours=1.0), gpus=1) is None
    assert overspent(store, Budget(gpu_hours=1.0), gpus=2) == "gpu_hours"
    assert overspent(store, Budget(gpu_hours=0.1), gpus=0) is None
    score(store, 1800.0, number=1)
    assert overspent(store, Budget(gpu_hours=1.0), gpus=1) == "gpu_hours"


def begin(store, *, resumed):
    store.append(CampaignStarted(objective="x", adapter="toy", version="0", resumed=resumed))


def test_time_between_runs_does_not_count(store):
    assert active_time(store, store.clock.now()) == timedelta(0)
    begin(store, resumed=False)
    store.clock.advance(100)
    store.append(PhaseStarted(phase="explore"))
    store.clock.advance(5000)  # the process has ended
    begin(store, resumed=True)
    store.clock.advance(30)
    assert active_time(store, store.clock.now()) == timedelta(seconds=130)


def test_a_run_that_ended_at_once(store):
    for resumed in (False, True, True):
        begin(store, resumed=resumed)
        store.clock.advance(50)
    assert active_time(store, store.clock.now()) == timedelta(seconds=50)


def test_notes_that_were_left_while_nothing_ran_do_not_count(store):
    begin(store, resumed=False)
    store.clock.advance(100)
    store.append(Noticed(message="something"))
    for _ in range(2):
        store.clock.advance(5000)
        store.append(Steered(note="go on"))
    begin(store, resumed=True)
    assert active_time(store, store.clock.now()) == timedelta(seconds=100)
