"""What every store must do, as tests. Subclass it, override `make_store`, and pytest runs it.

```python
class TestMyStore(StoreSuite):
    def make_store(self, *, clock: Clock, bus: EventBus) -> AnyStore:
        return MyStore(clock=clock, bus=bus)
```

`InMemoryStore` is the model: a store in plain dictionaries, to be driven beside another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from alphalab._clock import Clock, ManualClock
from alphalab.errors import BoardFull, ConfigError, DuplicateProposal, NotFound, StaleState, StoreError
from alphalab.events import AttemptStarted, EventBus, ExperimentMoved, ExperimentScored, Noticed, Recorded
from alphalab.experiments.record import Experiment, ExperimentState, Proposal, Score
from alphalab.experiments.states import TRANSITIONS
from alphalab.experiments.store import Store
from alphalab.measurement import Failure, Measurement, Outcome
from alphalab.messages import Usage
from alphalab.testing.store_model import InMemoryStore

__all__ = ["PATH_TO_DONE", "AnyStore", "InMemoryStore", "StoreSuite", "advance", "make_proposal", "make_score"]

AnyStore = Store | InMemoryStore
State = ExperimentState
PATH_TO_DONE = (
    State.PROPOSED,
    State.IMPLEMENTING,
    State.READY,
    State.QUEUED,
    State.RUNNING,
    State.SCORING,
    State.SCORED,
    State.ANALYZING,
    State.DONE,
)
"""The life of an experiment to which nothing happens."""


def make_proposal(number: int = 0, **fields: Any) -> Proposal:
    """A proposal; different numbers, different experiments."""
    words: dict[str, Any] = {"name": f"idea {number}", "family": "trees", "hypothesis": "deeper is better"}
    settings: dict[str, Any] = {"recipe": "boosting", "parameters": {"depth": number}}
    return Proposal(**(words | settings | fields))


def make_score(
    subject: str, value: float | Outcome, *, seed: int = 0, attempt: int = 1, split: str = "search"
) -> Score:
    """A score; a number stands for a measurement with that value."""
    outcome = (
        value if isinstance(value, Measurement | Failure) else Measurement(value=value, low=value, high=value, n=10)
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    place = {"subject": subject, "split": split}
    return Score(**place, seed=seed, attempt=attempt, outcome=outcome, evaluation="e", submission="s", at=at)


def advance(store: AnyStore, id: str, target: ExperimentState) -> Experiment:  # noqa: A002 - the board's word for it
    """Move an experiment along `PATH_TO_DONE` up to a state."""
    start = PATH_TO_DONE.index(store.experiment(id).state)
    for source, following in pairwise(PATH_TO_DONE[start : PATH_TO_DONE.index(target) + 1]):
        store.move(id, source, following)
    return store.experiment(id)


class StoreSuite(ABC):
    """Tests of the contract of a store; one instance per test."""

    @abstractmethod
    def make_store(self, *, clock: Clock, bus: EventBus) -> AnyStore:
        """A fresh, empty store."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The store's clock."""
        return ManualClock()

    @pytest.fixture
    def heard(self) -> list[Recorded]:
        """What the bus has told of."""
        return []

    @pytest.fixture
    def store(self, clock: ManualClock, heard: list[Recorded]) -> Generator[AnyStore]:
        """The store under test."""
        store = self.make_store(clock=clock, bus=EventBus(sinks=[heard.append]))
        yield store
        store.close()

    def test_events_are_numbered_by_one_and_timed(self, store: AnyStore, clock: ManualClock) -> None:
        """Numbers count up from 1 without gaps."""
        first = store.append(Noticed(message="a"))
        clock.advance(5)
        second = store.append(Noticed(message="b", facts={"x": [1, None]}))
        assert (first.number, second.number) == (1, 2)
        assert (second.at - first.at).total_seconds() == 5
        assert store.events() == (first, second)

    def test_events_can_be_read_in_part(self, store: AnyStore) -> None:
        """By number, kind and length."""
        store.propose(make_proposal())
        for number in range(5):
            store.append(Noticed(message=str(number)))
        assert [event.number for event in store.events(since=4)] == [5, 6]
        assert [event.number for event in store.events(kinds=("experiment_proposed",))] == [1]
        assert [event.number for event in store.events(since=1, kinds=("noticed",), limit=2)] == [2, 3]
        assert store.events(kinds=()) == ()
        with pytest.raises(ConfigError, match="unknown event kinds surprise"):
            store.events(kinds=("surprise",))

    def test_facts_are_kept_and_replaced(self, store: AnyStore) -> None:
        """JSON in, JSON out."""
        assert store.get("seal") is None
        store.put("seal", {"digest": "ä", "n": [1, 2.5, None]})
        store.put("seal", [True])
        assert store.get("seal") == [True]
        with pytest.raises(ConfigError, match="not JSON"):
            store.put("seal", float("nan"))

    def test_proposals_are_numbered(self, store: AnyStore, clock: ManualClock) -> None:
        """Ids count up and the proposal comes back as it was."""
        proposal = make_proposal(1, parents=("exp-0001",), kind="combine", spec="ü", expected_effect="+1 %")
        store.propose(make_proposal(0))
        experiment = store.propose(proposal, author="model")
        assert experiment == store.experiment("exp-0002")
        assert (experiment.proposal, experiment.author, experiment.state) == (proposal, "model", State.PROPOSED)
        assert experiment.created_at == clock.now()
        assert [experiment.id for experiment in store.experiments()] == ["exp-0001", "exp-0002"]

    def test_the_same_experiment_is_refused_until_it_is_cancelled(self, store: AnyStore) -> None:
        """The error names the one on the board."""
        first = store.propose(make_proposal(1))
        with pytest.raises(DuplicateProposal) as refusal:
            store.propose(make_proposal(1, name="another name"))
        assert refusal.value.experiment_id == first.id
        store.move(first.id, State.PROPOSED, State.CANCELLED)
        assert store.propose(make_proposal(1)).id == "exp-0002"

    def test_a_full_board_refuses(self, store: AnyStore) -> None:
        """Cancelled experiments make room."""
        store.propose(make_proposal(1), limit=2)
        second = store.propose(make_proposal(2), limit=2)
        with pytest.raises(BoardFull, match="holds 2 experiments"):
            store.propose(make_proposal(3), limit=2)
        store.move(second.id, State.PROPOSED, State.CANCELLED)
        assert store.propose(make_proposal(3), limit=2).id == "exp-0003"

    @pytest.mark.parametrize("source", list(State))
    def test_only_legal_steps_are_taken(self, store: AnyStore, source: ExperimentState) -> None:
        """Every step outside the table is refused and leaves nothing behind."""
        experiment = store.propose(make_proposal())
        for target in set(State) - set(TRANSITIONS[source]):
            with pytest.raises(StoreError, match="cannot go from"):
                store.move(experiment.id, source, target)
        assert store.experiment(experiment.id) == experiment
        assert len(store.events()) == 1

    def test_a_stale_move_is_refused(self, store: AnyStore) -> None:
        """Of two callers that saw the same state, one moves."""
        experiment = store.propose(make_proposal())
        store.move(experiment.id, State.PROPOSED, State.IMPLEMENTING)
        with pytest.raises(StaleState) as refusal:
            store.move(experiment.id, State.PROPOSED, State.CANCELLED)
        assert (refusal.value.expected, refusal.value.actual) == ("proposed", "implementing")
        assert len(store.events(kinds=("experiment_moved",))) == 1

    def test_an_unknown_experiment_is_named_with_the_known_ones(self, store: AnyStore) -> None:
        """Also by `move`, `begin_attempt` and `record_score`."""
        with pytest.raises(NotFound, match="none yet"):
            store.experiment("exp-0009")
        store.propose(make_proposal())
        with pytest.raises(NotFound, match="'exp-0009'; known: exp-0001"):
            store.move("exp-0009", State.PROPOSED, State.IMPLEMENTING)
        with pytest.raises(NotFound, match="exp-0009"):
            store.begin_attempt("exp-0009")
        with pytest.raises(NotFound, match="exp-0009"):
            store.record_score(make_score("exp-0009", 1.0))
        with pytest.raises(NotFound, match="names no baseline"):
            store.record_score(make_score("baseline:", 1.0))

    def test_a_whole_life_is_on_record(self, store: AnyStore, clock: ManualClock) -> None:
        """States, times and events of one experiment."""
        created = store.propose(make_proposal())
        clock.advance(60)
        done = advance(store, created.id, State.DONE)
        assert done.state.is_final
        assert (done.updated_at - done.created_at).total_seconds() == 60
        moves = [recorded.event for recorded in store.events(kinds=("experiment_moved",))]
        steps = [(move.source, move.target) for move in moves if isinstance(move, ExperimentMoved)]
        assert steps == list(pairwise(PATH_TO_DONE))

    def test_attempts_are_numbered_and_named(self, store: AnyStore) -> None:
        """A new job key for every attempt, and none without going through `queued`."""
        experiment = store.propose(make_proposal())
        advance(store, experiment.id, State.READY)
        assert store.attempt(experiment.id) is None
        first = store.begin_attempt(experiment.id)
        assert (first.number, first.job) == (1, "exp-0001-1")
        with pytest.raises(StaleState):
            store.begin_attempt(experiment.id)
        store.move(experiment.id, State.QUEUED, State.READY, reason="preempted")
        second = store.begin_attempt(experiment.id)
        assert (second.number, second.job) == (2, "exp-0001-2")
        assert store.attempt(experiment.id) == second
        assert store.experiment(experiment.id).attempts == 2
        begun = [recorded.event for recorded in store.events(kinds=("attempt_started",))]
        assert [event.job for event in begun if isinstance(event, AttemptStarted)] == ["exp-0001-1", "exp-0001-2"]

    def test_requeues_and_fixes_are_counted_apart(self, store: AnyStore) -> None:
        """The machine's fault and the submission's."""
        experiment = store.propose(make_proposal())
        advance(store, experiment.id, State.RUNNING)
        store.move(experiment.id, State.RUNNING, State.READY)
        advance(store, experiment.id, State.RUNNING)
        failure = Failure(kind="crashed", message="division by zero", details={"line": 3})
        failed = store.move(experiment.id, State.RUNNING, State.FIXING, failure=failure, priority=7)
        assert (failed.requeues, failed.fixes, failed.priority, failed.failure) == (1, 1, 7, failure)
        store.move(experiment.id, State.FIXING, State.READY)
        advance(store, experiment.id, State.SCORING)
        restarted = store.move(experiment.id, State.SCORING, State.READY, reason="the harness restarts")
        assert (restarted.requeues, restarted.priority, restarted.failure) == (1, 7, failure)
        assert advance(store, experiment.id, State.SCORED).failure is None

    def test_a_score_is_recorded_once(self, store: AnyStore) -> None:
        """The first outcome of a place stays."""
        experiment = store.propose(make_proposal())
        assert store.record_score(make_score(experiment.id, 1.0))
        assert not store.record_score(make_score(experiment.id, 2.0))
        assert store.record_score(make_score(experiment.id, 3.0, seed=1))
        assert store.experiment(experiment.id).value() == 2.0
        events = [recorded.event for recorded in store.events(kinds=("experiment_scored",))]
        assert [event.seed for event in events if isinstance(event, ExperimentScored)] == [0, 1]

    def test_scores_can_be_asked_for(self, store: AnyStore) -> None:
        """By subject and split, failures and baselines among them, as they were."""
        experiment = store.propose(make_proposal())
        failure = Failure(kind="non_finite", message="NaN", seconds=1.5, sandbox="bubblewrap", details={"at": [1, 2]})
        rejected = make_score(experiment.id, failure, seed=2**31)
        baseline = make_score("baseline:mean", 5.0, attempt=0)
        final = make_score(experiment.id, 4.0, split="final")
        for score in (rejected, baseline, final):
            store.record_score(score)
        assert store.scores() == (rejected, baseline, final)
        assert store.scores(experiment.id) == (rejected, final) == store.experiment(experiment.id).scores
        assert store.scores(split="search") == (rejected, baseline)
        assert store.scores("baseline:mean", "final") == ()

    def test_the_value_is_that_of_the_latest_attempt(self, store: AnyStore) -> None:
        """Earlier attempts were other code."""
        experiment = store.propose(make_proposal())
        for attempt, seed, value in ((1, 0, 1.0), (2, 1, 4.0), (2, 0, 2.0)):
            store.record_score(make_score(experiment.id, value, seed=seed, attempt=attempt))
        found = store.experiment(experiment.id)
        assert found.value() == 3.0
        assert [measurement.value for measurement in found.measurements("search")] == [2.0, 4.0]
        assert found.value("final") is None

    def test_experiments_can_be_filtered_and_counted(self, store: AnyStore) -> None:
        """By state and family."""
        for number in range(4):
            store.propose(make_proposal(number, family="nets" if number % 2 else "trees"))
        store.move("exp-0002", State.PROPOSED, State.IMPLEMENTING)
        assert [experiment.id for experiment in store.experiments(family="nets")] == ["exp-0002", "exp-0004"]
        assert [experiment.id for experiment in store.experiments(state=State.PROPOSED, family="nets")] == ["exp-0004"]
        assert store.counts() == {**dict.fromkeys(State, 0), "proposed": 3, "implementing": 1}

    def test_usage_adds_up(self, store: AnyStore) -> None:
        """By role, model, experiment and phase; an unknown price makes its sum unknown."""
        assert store.usage() == Usage()
        call = Usage(
            calls=1,
            input_tokens=10,
            cached_tokens=4,
            cache_write_tokens=3,
            output_tokens=5,
            reasoning_tokens=2,
            cost_usd=0.25,
        )
        store.add_usage(call, role="worker", model="a", experiment="exp-0001", phase="experiment")
        store.add_usage(call, role="worker", model="b", experiment="exp-0001", phase="experiment")
        store.add_usage(call, role="explorer", model="a", phase="explore")
        assert store.usage() == Usage(
            calls=3,
            input_tokens=30,
            cached_tokens=12,
            cache_write_tokens=9,
            output_tokens=15,
            reasoning_tokens=6,
            cost_usd=0.75,
        )
        assert {key: usage.calls for key, usage in store.usage("role").items()} == {"explorer": 1, "worker": 2}
        assert {key: usage.calls for key, usage in store.usage("experiment").items()} == {"": 1, "exp-0001": 2}
        store.add_usage(Usage(calls=1, cost_usd=None), role="worker", model="b", phase="experiment")
        assert store.usage().cost_usd is None
        assert {key: usage.cost_usd for key, usage in store.usage("model").items()} == {"a": 0.5, "b": None}
        with pytest.raises(ConfigError, match="not kept by 'weekday'"):
            store.usage("weekday")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
        with pytest.raises(ConfigError, match="not a price"):
            store.add_usage(Usage(cost_usd=float("nan")), role="worker", model="b")

    def test_a_transaction_is_all_or_nothing(self, store: AnyStore, heard: list[Recorded]) -> None:
        """The bus hears nothing of what was undone."""
        store.append(Noticed(message="before"))
        with pytest.raises(KeyboardInterrupt), store.transaction():  # noqa: PT012 - the block is the point
            experiment = store.propose(make_proposal())
            store.record_score(make_score(experiment.id, 1.0))
            store.put("key", 1)
            store.add_usage(Usage(calls=1), role="worker", model="a")
            raise KeyboardInterrupt
        assert (store.experiments(), store.scores(), store.get("key"), store.usage()) == ((), (), None, Usage())
        assert store.append(Noticed(message="after")).number == 2
        assert [recorded.number for recorded in heard] == [1, 2]

    def test_transactions_nest(self, store: AnyStore, heard: list[Recorded]) -> None:
        """An inner failure undoes the inner block; the bus hears of it all at the very end."""
        with store.transaction():
            store.append(Noticed(message="outer"))
            with pytest.raises(RuntimeError), store.transaction():  # noqa: PT012
                store.append(Noticed(message="inner"))
                store.propose(make_proposal())
                raise RuntimeError
            with store.transaction():
                store.append(Noticed(message="second inner"))
            assert heard == []
        assert [recorded.event for recorded in heard] == [Noticed(message="outer"), Noticed(message="second inner")]
        assert store.events() == tuple(heard)
        assert store.experiments() == ()

    def test_a_listener_may_append(self, store: AnyStore, heard: list[Recorded]) -> None:
        """Everyone still hears of the events in order."""

        def echo(recorded: Recorded) -> None:
            if recorded.event == Noticed(message="call"):
                store.append(Noticed(message="echo"))

        assert store.bus is not None
        store.bus.sinks.insert(0, echo)
        with store.transaction():
            store.append(Noticed(message="call"))
            store.append(Noticed(message="next"))
        said = [recorded.event for recorded in store.events()]
        assert said == [Noticed(message="call"), Noticed(message="next"), Noticed(message="echo")]
        assert [recorded.number for recorded in heard] == [1, 2, 3]
