"""The decision is pure: these tests play whole campaigns against it without a clock, a file or a model."""

import random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphalab.experiments import ExperimentState as S
from alphalab.measurement import Failure, Metric
from alphalab.phases.experiment.decide import decide
from alphalab.phases.experiment.engine import (
    Analyse,
    BoardChanged,
    Cancel,
    CancelAsked,
    Card,
    EngineState,
    Finish,
    Finished,
    Fix,
    Implement,
    PauseChanged,
    Propose,
    Report,
    Rules,
    Score,
    StopAsked,
    Submit,
)
from alphalab.phases.experiment.stopping import after_failure, converged

RMSE = Metric(name="rmse", goal="minimize")


def rules(**changes):
    return Rules(**{"metric": RMSE, "limit": 12, "slots": 2, "workers": 2, **changes})


def with_cards(*cards, **changes):
    return EngineState(rules=rules(**changes), cards={card.id: card for card in cards})


def look(state):
    """What is to be done when nothing new has happened."""
    return decide(state, BoardChanged(cards=()))


def test_an_empty_board_asks_for_enough_to_fill_the_slots_twice():
    _, commands = look(with_cards())
    assert commands == (Propose(4),)


def test_never_more_proposals_than_the_budget_has_left():
    _, commands = look(with_cards(limit=3))
    assert commands == (Propose(3),)


def test_a_command_that_was_given_is_not_given_again():
    state, first = look(with_cards())
    _, second = look(state)
    assert first
    assert not second


def test_fix_before_analyse_before_implement():
    cards = [Card(id="exp-0001", state=S.PROPOSED), Card(id="exp-0002", state=S.SCORED, value=1.0)]
    _, commands = look(with_cards(*cards, Card(id="exp-0003", state=S.FIXING), limit=3))
    assert commands == (Fix("exp-0003"), Analyse("exp-0002"))


def test_only_as_many_jobs_as_there_are_slots():
    ready = [Card(id=f"exp-000{n}", state=S.READY) for n in range(1, 5)]
    running = Card(id="exp-0009", state=S.RUNNING)
    state, commands = look(with_cards(*ready, running, limit=5))
    assert [c for c in commands if isinstance(c, Submit)] == [Submit("exp-0001")]
    _, again = look(state)
    assert not [c for c in again if isinstance(c, Submit)]


def test_a_submission_under_way_counts_as_a_slot_once():
    ready = [Card(id=f"exp-000{n}", state=S.READY) for n in range(1, 4)]
    state, _ = look(with_cards(*ready, limit=3))
    queued = attrs.evolve(ready[0], state=S.QUEUED)
    _, commands = decide(state, BoardChanged(cards=(queued,)))
    assert not [c for c in commands if isinstance(c, Submit)]


def test_higher_priority_is_submitted_first():
    cards = [Card(id="exp-0001", state=S.READY), Card(id="exp-0002", state=S.READY, priority=5)]
    _, commands = look(with_cards(*cards, slots=1, limit=2))
    assert Submit("exp-0002") in commands
    assert Submit("exp-0001") not in commands


def test_pause_holds_new_work_back_but_still_scores():
    state = attrs.evolve(
        with_cards(Card(id="exp-0001", state=S.SCORING), Card(id="exp-0002", state=S.READY)), paused=True
    )
    state, commands = look(state)
    assert commands == (Score("exp-0001"),)
    _, commands = decide(state, PauseChanged(paused=False))
    assert Submit("exp-0002") in commands


def test_a_stop_cancels_what_has_not_run_and_analyses_what_is_scored():
    cards = [
        Card(id="exp-0001", state=S.PROPOSED),
        Card(id="exp-0002", state=S.RUNNING),
        Card(id="exp-0003", state=S.SCORED, value=1.0),
    ]
    _, commands = decide(with_cards(*cards), StopAsked(reason="budget"))
    assert commands == (Cancel("exp-0001", "budget"), Analyse("exp-0003"))


def test_somebody_can_have_one_experiment_cancelled_even_while_it_runs():
    _, commands = decide(with_cards(Card(id="exp-0001", state=S.RUNNING), limit=1), CancelAsked(id="exp-0001"))
    assert commands == (Cancel("exp-0001", "asked for"),)


def test_cancelling_waits_for_the_agent_that_is_at_work():
    state, _ = look(with_cards(Card(id="exp-0001", state=S.PROPOSED), limit=1))
    state, commands = decide(state, CancelAsked(id="exp-0001"))
    assert not commands
    state, _ = decide(state, BoardChanged(cards=(Card(id="exp-0001", state=S.READY),)))
    _, commands = decide(state, Finished(command=Implement("exp-0001")))
    assert Cancel("exp-0001", "asked for") in commands


def test_two_barren_strategist_turns_end_the_campaign():
    state, commands = look(with_cards())
    state, commands = decide(state, Finished(command=commands[0], fruitful=False))
    assert commands == (Propose(4),)
    _, commands = decide(state, Finished(command=commands[0], fruitful=False))
    assert commands == (Finish("experiments"),)


def test_a_fruitful_turn_forgives_a_barren_one():
    state, (propose,) = look(with_cards())
    state, (propose,) = decide(state, Finished(command=propose, fruitful=False))
    state, _ = decide(state, BoardChanged(cards=(Card(id="exp-0001", state=S.CANCELLED),)))
    state, (propose, *_) = decide(state, Finished(command=propose, fruitful=True))
    state, commands = decide(state, Finished(command=propose, fruitful=False))
    assert any(isinstance(command, Propose) for command in commands)


def test_milestones_are_due_every_ten_scores_and_written_once():
    state = attrs.evolve(with_cards(Card(id="exp-0001", state=S.RUNNING), limit=40), history=tuple([1.0] * 10))
    state, commands = look(state)
    assert Report(1) in commands
    state, commands = decide(state, Finished(command=Report(1)))
    assert not any(isinstance(command, Report) for command in commands)


@pytest.mark.parametrize(("goal", "values"), [("minimize", [3.0, 2.0, 1.0]), ("maximize", [1.0, 2.0, 3.0])])
def test_improvement_in_the_right_direction_keeps_a_campaign_going(goal, values):
    metric = Metric(name="m", goal=goal)
    assert not converged(values, metric, patience=1, noise_floor=0.0)
    assert converged(list(reversed(values)), metric, patience=2, noise_floor=0.0)


def test_improvement_within_the_noise_does_not_count():
    values = [1.0, 0.99, 0.98, 0.97]
    assert converged(values, RMSE, patience=3, noise_floor=0.05)
    assert not converged(values, RMSE, patience=3, noise_floor=0.001)


def test_convergence_stops_the_campaign():
    state = attrs.evolve(
        with_cards(Card(id="exp-0001", state=S.DONE, value=1.0), patience=3), history=(1.0, 1.0, 1.0, 1.0)
    )
    _, commands = look(state)
    assert commands == (Finish("converged"),)


def test_infrastructure_failures_are_run_again_and_not_counted_as_fixes():
    lost = Failure(kind="infrastructure", message="node died")
    assert after_failure(lost, fixes=2, requeues=0, max_fixes=2) == "ready"
    assert after_failure(lost, fixes=0, requeues=3, max_fixes=2) == "failed"


def test_other_failures_are_fixed_at_most_twice():
    crashed = Failure(kind="crashed", message="no")
    assert [after_failure(crashed, fixes=n, requeues=0, max_fixes=2) for n in range(3)] == [
        "fixing",
        "fixing",
        "failed",
    ]


def play(seed: int, limit: int, slots: int, workers: int) -> EngineState:
    """A whole campaign with random durations, failures and duplicates; checks what must hold at every step."""
    rng = random.Random(seed)
    state, commands = look(with_cards(limit=limit, slots=slots, workers=workers, patience=10_000))
    pending, jobs, number = list(commands), set(), 0
    for _ in range(10_000):
        if any(isinstance(command, Finish) for command in pending):
            return state
        assert pending or jobs, f"nothing left to happen, and not finished: {state}"
        if jobs and (not pending or rng.random() < 0.5):
            about = rng.choice(sorted(jobs))
            jobs.discard(about)
            events = [BoardChanged(cards=(attrs.evolve(state.cards[about], state=S.SCORING),))]
        else:
            command = pending.pop(rng.randrange(len(pending)))
            events, number = perform(command, state, rng, number, jobs)
        for event in events:
            state, commands = decide(state, event)
            assert not set(commands) & set(pending)
            pending += commands
            check(state, limit, slots, workers)
    raise AssertionError("the campaign did not end")


def perform(command, state, rng, number, jobs):
    done = Finished(command=command)
    match command:
        case Propose(wanted=wanted):
            count = rng.randint(0, min(wanted, state.remaining))
            cards = [Card(id=f"exp-{number + n:04d}", state=S.PROPOSED) for n in range(1, count + 1)]
            return [BoardChanged(cards=cards), Finished(command=command, fruitful=count > 0)], number + count
        case Implement(id=about) | Fix(id=about):
            target = S.FAILED if rng.random() < 0.1 else S.READY
        case Submit(id=about):
            jobs.add(about)
            target = S.RUNNING
        case Score(id=about):
            roll = rng.random()
            card = state.cards[about]
            if roll < 0.7:
                return [BoardChanged(cards=(attrs.evolve(card, state=S.SCORED, value=rng.random()),)), done], number
            target = S.FIXING if card.fixes < 2 else S.FAILED
            return [BoardChanged(cards=(attrs.evolve(card, state=target, fixes=card.fixes + 1),)), done], number
        case Analyse(id=about):
            target = S.DONE
        case Cancel(id=about):
            target = S.CANCELLED
        case Report():
            return [done], number
    return [BoardChanged(cards=(attrs.evolve(state.cards[about], state=target),)), done], number


def check(state: EngineState, limit: int, slots: int, workers: int) -> None:
    assert state.used <= limit
    assert state.count(S.QUEUED, S.RUNNING) <= slots
    assert sum(isinstance(command, Implement | Fix | Analyse) for command in state.working) <= workers


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 4), st.integers(1, 4))
def test_every_campaign_ends_within_its_limits(seed, limit, slots, workers):
    final = play(seed, limit, slots, workers)
    assert all(card.state.is_final for card in final.cards.values())


def test_a_stop_is_heard_while_paused():
    state = attrs.evolve(with_cards(Card(id="exp-0001", state=S.SCORED, value=1.0), limit=1), paused=True)
    _, commands = decide(state, StopAsked(reason="budget"))
    assert commands == (Analyse("exp-0001"),)


def test_a_stop_withdraws_what_waits_at_the_executor():
    _, commands = decide(with_cards(Card(id="exp-0001", state=S.QUEUED)), StopAsked(reason="stopped"))
    assert commands == (Cancel("exp-0001", "stopped"),)


def test_a_job_that_ends_while_it_is_cancelled_is_not_scored_beside_it():
    state, (cancel,) = decide(with_cards(Card(id="exp-0001", state=S.RUNNING), limit=1), CancelAsked(id="exp-0001"))
    state, commands = decide(state, BoardChanged(cards=(Card(id="exp-0001", state=S.SCORING),)))
    assert not commands
    _, commands = decide(state, Finished(command=cancel))
    assert commands == (Cancel("exp-0001", "asked for"),)


def test_patience_starts_anew_when_the_budget_was_extended():
    values = (2.0, 1.0, 1.5, 1.5, 1.5)
    done = Card(id="exp-0001", state=S.DONE, value=1.0)
    tired = attrs.evolve(with_cards(done, patience=3, limit=2), history=values)
    assert look(tired)[1] == (Finish("converged"),)
    state, commands = look(attrs.evolve(tired, patient_since=len(values)))
    assert commands == (Propose(1),)
    assert state.stop is None
    after = attrs.evolve(tired, patient_since=len(values), history=(*values, 1.2, 1.1, 1.05))
    assert look(after)[1] == (Finish("converged"),)


def test_an_operator_who_cancels_a_job_does_not_cost_a_repair():
    assert after_failure(Failure(kind="cancelled", message="scancel"), fixes=0, requeues=0, max_fixes=2) == "ready"
