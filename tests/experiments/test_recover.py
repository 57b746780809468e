import json
import shutil

import pytest

from alphalab._clock import ManualClock
from alphalab._serde import load
from alphalab.errors import StoreError
from alphalab.events import Noticed
from alphalab.experiments import (
    Experiment,
    ExperimentState,
    Store,
    recover_experiments,
    write_proposal,
    write_result,
)
from alphalab.measurement import Failure, Measurement
from alphalab.testing.store_suite import advance, make_proposal, make_score
from alphalab.workspace import Workspace

S = ExperimentState


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "w")


@pytest.fixture
def board(workspace):
    """A campaign with experiments in many states and their files; what the store knew of them."""
    with Store.open(workspace.database) as store:
        for number in range(6):
            write_proposal(workspace, store.propose(make_proposal(number), author="m"))
        detailed = Measurement(value=2.5, low=2.0, high=3.0, n=12, secondary={"mae": 1.5}, sandbox="bubblewrap")
        store.record_score(make_score("exp-0001", detailed))
        store.record_score(make_score("exp-0001", Failure(kind="crashed", message="x"), seed=1))
        advance(store, "exp-0001", S.DONE)
        advance(store, "exp-0002", S.RUNNING)
        store.move("exp-0002", S.RUNNING, S.FIXING, failure=Failure(kind="timed_out", message="60 s"))
        store.move("exp-0002", S.FIXING, S.FAILED)
        store.move("exp-0003", S.PROPOSED, S.CANCELLED)
        advance(store, "exp-0004", S.ANALYZING)
        advance(store, "exp-0005", S.SCORING)
        workspace.submission("exp-0005").mkdir(parents=True)
        for experiment in store.experiments():
            if experiment.state is not S.PROPOSED:
                write_result(workspace, experiment)
        return store.experiments()


def damage(workspace):
    workspace.database.write_bytes(b"\0" * 5000)


def test_a_result_file_holds_everything(workspace, board):
    data = json.loads((workspace.experiment("exp-0001") / "result.json").read_text())
    assert {"experiment", "state", "proposal", "fixes", "attempts", "scores", "failure"} <= set(data)
    assert data["scores"][0]["outcome"]["status"] == "scored"
    data["id"] = data.pop("experiment")
    assert load(data, Experiment) == board[0]


def test_the_board_comes_back(workspace, board):
    damage(workspace)
    outcomes = recover_experiments(workspace, clock=ManualClock())
    assert [(outcome.id, outcome.state, outcome.problem) for outcome in outcomes] == [
        ("exp-0001", S.DONE, ""),
        ("exp-0002", S.FAILED, ""),
        ("exp-0003", S.CANCELLED, ""),
        ("exp-0004", S.SCORED, ""),
        ("exp-0005", S.READY, ""),
        ("exp-0006", S.PROPOSED, ""),
    ]
    with Store.open(workspace.database) as store:
        found = store.experiments()
        assert found[:3] == board[:3]
        assert found[5].state is S.PROPOSED
        assert store.attempt("exp-0005").job == "exp-0005-1"
        assert store.begin_attempt("exp-0005").number == 2
        assert store.propose(make_proposal(99)).id == "exp-0007"
        notice = next(event.event for event in store.events(kinds=("noticed",)))
        assert notice.message == "the board was rebuilt from 6 of 6 experiment folders"
        states = {event.event.experiment: event.event.target for event in store.events(kinds=("experiment_moved",))}
        assert states["exp-0001"] == "done"


def test_the_damaged_file_is_kept(workspace, board):
    damage(workspace)
    workspace.database.with_name("state.db-wal").write_bytes(b"wal")
    recover_experiments(workspace, clock=ManualClock())
    kept = workspace.root / "state.db.damaged-20260101T000000Z"
    assert kept.read_bytes() == b"\0" * 5000
    assert (workspace.root / "state.db.damaged-20260101T000000Z-wal").read_bytes() == b"wal"
    assert not list(workspace.root.glob("*recovering*"))


def test_a_missing_database_is_recovered_too(workspace, board):
    workspace.database.unlink()
    assert len(recover_experiments(workspace)) == 6
    assert [path.name for path in workspace.root.glob("state.db.damaged*")] == []


def test_a_sound_database_is_left_alone(workspace, board):
    before = workspace.database.read_bytes()
    with pytest.raises(StoreError, match="is sound"):
        recover_experiments(workspace)
    assert workspace.database.read_bytes() == before
    Store.open(workspace.database).close()


def test_a_running_campaign_is_left_alone(workspace, board):
    with Store.open(workspace.database), pytest.raises(StoreError, match="already open for writing"):
        recover_experiments(workspace)


BROKEN = {
    "exp-0001": "{ not json",
    "exp-0002": "[1, 2]",
    "exp-0003": '{"experiment": "exp-0003", "state": "won"}',
    "exp-0004": b"\xff\xfe\x00binary",
    "exp-0005": "[" * 100_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_result_is_reported_and_the_proposal_taken(workspace, board, name):
    damage(workspace)
    content = BROKEN[name]
    path = workspace.experiment(name) / "result.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = next(outcome for outcome in recover_experiments(workspace) if outcome.id == name)
    assert outcome.state is S.PROPOSED
    assert outcome.problem
    with Store.open(workspace.database) as store:
        assert len(store.experiments()) == 6
        assert store.scores(name) == ()


def test_foreign_things_are_skipped(workspace, board):
    damage(workspace)
    (workspace.experiments / "exp-notes").mkdir()
    (workspace.experiments / "exp-0042").write_text("a file")
    (workspace.experiments / "README").write_text("hello")
    workspace.experiment("exp-0050").mkdir()
    stranger = workspace.experiment("exp-0051")
    shutil.copytree(workspace.experiment("exp-0001"), stranger)  # about exp-0001, and its proposal is on the board
    linked = workspace.experiment("exp-0052")
    linked.mkdir()
    (linked / "result.json").symlink_to(workspace.experiment("exp-0001") / "result.json")
    (workspace.experiment("exp-notes") / "proposal.json").write_text('{"name": "n", "family": "f", "hypothesis": "h"}')
    outcomes = {outcome.id: outcome for outcome in recover_experiments(workspace)}
    assert {name for name, outcome in outcomes.items() if outcome.state is None} == {
        "exp-0042",
        "exp-0050",
        "exp-0051",
        "exp-0052",
        "exp-notes",
    }
    assert "is about 'exp-0001'" in outcomes["exp-0051"].problem
    assert "not an experiment's id" in outcomes["exp-notes"].problem
    with Store.open(workspace.database) as store:
        assert store.experiments()[:3] == board[:3]
        facts = next(event.event for event in store.events(kinds=("noticed",))).facts
        assert set(facts["problems"]) == {"exp-0042", "exp-0050", "exp-0051", "exp-0052", "exp-notes"}


def test_a_score_of_somebody_else_does_not_slip_in(workspace, board):
    damage(workspace)
    path = workspace.experiment("exp-0001") / "result.json"
    data = json.loads(path.read_text())
    data["scores"][0]["subject"] = "exp-0002"
    path.write_text(json.dumps(data))
    assert "is about 'exp-0002'" in recover_experiments(workspace)[0].problem


def test_an_interrupted_recovery_can_be_repeated(workspace, board, monkeypatch):
    damage(workspace)
    monkeypatch.setattr("alphalab.experiments.recover._set_aside", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recover_experiments(workspace)
    assert workspace.database.read_bytes() == b"\0" * 5000
    monkeypatch.undo()
    assert len(recover_experiments(workspace)) == 6
    with Store.open(workspace.database) as store:
        assert len(store.experiments()) == 6
        store.append(Noticed(message="goes on"))


def interrupted(*_arguments):
    raise KeyboardInterrupt
