"""The SQLite store and its model pass the same suite, and stay equal whatever is done to both."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alphalab._clock import ManualClock
from alphalab.errors import AlphaLabError
from alphalab.events import AttemptStarted, EventBus, ExperimentMoved, ExperimentProposed, Noticed
from alphalab.experiments import TRANSITIONS, ExperimentState, Store
from alphalab.measurement import Failure
from alphalab.messages import Usage
from alphalab.testing.store_suite import InMemoryStore, StoreSuite, make_proposal, make_score


class TestModel(StoreSuite):
    def make_store(self, *, clock, bus):
        return InMemoryStore(clock=clock, bus=bus)


class TestSqliteInMemory(StoreSuite):
    def make_store(self, *, clock, bus):
        return Store.in_memory(clock=clock, bus=bus)


class TestSqliteFile(StoreSuite):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        self.path = tmp_path / "w" / "state.db"

    def make_store(self, *, clock, bus):
        return Store.open(self.path, clock=clock, bus=bus)


IDS = st.sampled_from([f"exp-{number:04d}" for number in range(1, 6)])
STATES = st.sampled_from(list(ExperimentState))
FAILURES = st.none() | st.builds(Failure, kind=st.sampled_from(["crashed", "timed_out"]), message=st.text(max_size=20))
OUTCOMES = st.floats(-1e300, 1e300) | st.builds(Failure, kind=st.just("crashed"), message=st.text(max_size=5))
COUNTS = st.integers(0, 10**6)
USAGES = st.builds(
    Usage,
    calls=st.integers(0, 5),
    input_tokens=COUNTS,
    cached_tokens=COUNTS,
    cache_write_tokens=COUNTS,
    output_tokens=COUNTS,
    reasoning_tokens=COUNTS,
    cost_usd=st.none() | st.integers(0, 1000).map(lambda eighths: eighths / 8),  # sums are exact in any order
)


class SideBySide(RuleBasedStateMachine):
    """Does the same to a file and to the model and compares all answers, refusals included."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state.db"
        self.clock = ManualClock()
        self.heard = ([], [])
        self.model = InMemoryStore(clock=self.clock, bus=EventBus(sinks=[self.heard[1].append]))
        self.open()

    def open(self):
        self.store = Store.open(self.path, clock=self.clock, bus=EventBus(sinks=[self.heard[0].append]))

    def both(self, act):
        answers = [outcome(lambda store=store: act(store)) for store in (self.store, self.model)]
        assert answers[0] == answers[1]

    @rule(seconds=st.integers(0, 10**6))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(number=st.integers(0, 5), limit=st.none() | st.integers(0, 6), author=st.text(max_size=3))
    def propose(self, number, limit, author):
        self.both(lambda store: store.propose(make_proposal(number), limit=limit, author=author))

    @rule(name=IDS, source=STATES, goal=STATES)
    def move_anywhere(self, name, source, goal):
        self.both(lambda store: store.move(name, source, goal))

    @rule(
        name=IDS, data=st.data(), failure=FAILURES, priority=st.none() | st.integers(-5, 5), reason=st.text(max_size=3)
    )
    def move(self, name, data, failure, priority, reason):
        known = {experiment.id: experiment.state for experiment in self.model.experiments()}
        if goals := TRANSITIONS.get(known.get(name), ()):
            goal = data.draw(st.sampled_from(goals))
            facts = {"failure": failure, "priority": priority, "reason": reason}
            self.both(lambda store: store.move(name, known[name], goal, **facts))

    @rule(name=IDS)
    def begin_attempt(self, name):
        self.both(lambda store: store.begin_attempt(name))

    @rule(
        subject=IDS | st.sampled_from(["baseline:mean", "baseline:", "other"]),
        outcome=OUTCOMES,
        seed=st.integers(0, 2**32),
        attempt=st.integers(0, 2),
        split=st.sampled_from(["search", "final"]),
    )
    def record_score(self, subject, outcome, seed, attempt, split):
        score = make_score(subject, outcome, seed=seed, attempt=attempt, split=split)
        self.both(lambda store: store.record_score(score))

    @rule(usage=USAGES, role=st.sampled_from("ab"), model=st.sampled_from("xy"), experiment=st.none() | IDS)
    def add_usage(self, usage, role, model, experiment):
        self.both(lambda store: store.add_usage(usage, role=role, model=model, experiment=experiment))

    @rule(key=st.sampled_from("kl"), value=st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4))
    def put(self, key, value):
        self.both(lambda store: store.put(key, value))

    @rule(number=st.integers(0, 5), fail_inner=st.booleans(), fail_outer=st.booleans())
    def together(self, number, fail_inner, fail_outer):
        def act(store):
            with store.transaction():
                store.append(Noticed(message="outer"))
                answer = outcome(lambda: inner(store))
                if fail_outer:
                    raise AlphaLabError("outer")
                return answer

        def inner(store):
            with store.transaction():
                store.propose(make_proposal(number))
                if fail_inner:
                    raise AlphaLabError("inner")

        self.both(act)

    @rule()
    def reopen(self):
        self.store.close()
        self.open()

    @invariant()
    def equal(self):
        store, model = self.store, self.model
        assert store.experiments() == model.experiments()
        assert store.scores() == model.scores()
        assert store.counts() == model.counts()
        assert [store.get(key) for key in "kl"] == [model.get(key) for key in "kl"]
        assert [store.attempt(e.id) for e in model.experiments()] == [model.attempt(e.id) for e in model.experiments()]
        assert [store.usage(by) for by in (None, "role", "model", "experiment", "phase")] == [
            model.usage(by) for by in (None, "role", "model", "experiment", "phase")
        ]

    @invariant()
    def events_tell_the_board(self):
        events = self.store.events()
        assert events == self.model.events() == tuple(self.heard[0]) == tuple(self.heard[1])
        assert [recorded.number for recorded in events] == list(range(1, len(events) + 1))
        board = replayed(events)
        assert board == {
            experiment.id: (experiment.state.value, experiment.attempts) for experiment in self.store.experiments()
        }

    def teardown(self):
        self.store.close()
        self.folder.cleanup()


def outcome(act):
    try:
        return act()
    except AlphaLabError as error:
        return type(error), str(error), error.__dict__


def replayed(events):
    board = {}
    for event in (recorded.event for recorded in events):
        match event:
            case ExperimentProposed():
                board[event.experiment] = ("proposed", 0)
            case ExperimentMoved():
                assert board[event.experiment][0] == event.source
                board[event.experiment] = (event.target, board[event.experiment][1])
            case AttemptStarted():
                board[event.experiment] = (board[event.experiment][0], event.attempt)
    return board


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_times_are_kept_to_the_microsecond(tmp_path):
    moment = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)
    with Store.open(tmp_path / "state.db", clock=ManualClock(current=moment)) as store:
        store.propose(make_proposal())
    with Store.open(tmp_path / "state.db", read_only=True) as store:
        assert store.experiment("exp-0001").created_at == moment
        assert store.events()[0].at == moment
