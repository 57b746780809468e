"""The table of transitions is total, every state can be reached and left, and ends are ends."""

import re
from itertools import pairwise

import pytest

from alphalab.errors import StoreError
from alphalab.experiments import COLUMNS, REASONS, TRANSITIONS, ExperimentState, require_transition
from alphalab.experiments.migrations import MIGRATIONS

S = ExperimentState


def reachable(start):
    found, open_ends = {start}, [start]
    while open_ends:
        new = set(TRANSITIONS[open_ends.pop()]) - found
        found |= new
        open_ends += new
    return found


def test_the_table_is_total():
    assert set(TRANSITIONS) == set(REASONS) == set(S)
    assert all(set(targets) <= set(S) and len(set(targets)) == len(targets) for targets in TRANSITIONS.values())


def test_every_state_can_be_reached_from_the_first():
    assert reachable(S.PROPOSED) == set(S)


def test_final_states_and_only_they_are_ends():
    assert {state for state in S if not TRANSITIONS[state]} == {state for state in S if state.is_final}


def test_no_state_is_a_trap():
    for state in set(S) - {S.DONE, S.FAILED, S.CANCELLED}:
        assert S.DONE in reachable(state)
        assert S.CANCELLED in TRANSITIONS[state]


def test_the_documented_ways_exist():
    ways = """
        proposed implementing ready queued running scoring scored analyzing done
        running fixing ready
        scoring fixing failed
        implementing failed
        queued ready
        running ready
        scoring ready
        implementing proposed
        analyzing scored
    """
    for way in ways.strip().splitlines():
        states = way.split()
        for source, target in pairwise(states):
            require_transition(S(source), S(target))


def test_a_score_cannot_be_skipped():
    before = {source for source, targets in TRANSITIONS.items() if S.SCORED in targets}
    assert before == {S.SCORING, S.ANALYZING}
    assert {source for source, targets in TRANSITIONS.items() if S.DONE in targets} == {S.ANALYZING}


def test_an_illegal_step_says_what_would_be_legal():
    with pytest.raises(StoreError, match=r"from 'ready' to 'done'; from there it can go to: queued, cancelled"):
        require_transition(S.READY, S.DONE)
    with pytest.raises(StoreError, match="nothing, it is final"):
        require_transition(S.DONE, S.DONE)


def test_every_reason_is_a_sentence():
    assert all(reason.endswith(".") and len(reason) > 30 for reason in REASONS.values())


def test_every_state_has_its_column():
    assert {state.column for state in S} == set(COLUMNS)
    assert [S.READY.column, S.FIXING.column, S.SCORED.column, S.ANALYZING.column] == [
        "Queue",
        "Implement",
        "Analyze",
        "Analyze",
    ]


def test_the_schema_knows_the_same_states():
    table = next(statement for statement in MIGRATIONS[0] if "CREATE TABLE experiments" in statement)
    listed = re.search(r"state IN \((.*?)\)\)", table, re.DOTALL).group(1)
    assert set(re.findall(r"'(\w+)'", listed)) == set(S)
