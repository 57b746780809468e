"""What the harness leaves beside each experiment, and how a board is built again from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from attrs import evolve, frozen

from alphalab._clock import Clock, SystemClock
from alphalab._serde import dump, dumps, load
from alphalab.errors import AlphaLabError, ConfigError, StoreError
from alphalab.events import Noticed
from alphalab.experiments.locks import WriterLock
from alphalab.experiments.record import Experiment, ExperimentState, Proposal
from alphalab.experiments.sqlite import damage
from alphalab.experiments.store import Store
from alphalab.workspace import Workspace, write_atomic

State = ExperimentState
_SETTLED = {
    State.IMPLEMENTING: State.PROPOSED,
    State.QUEUED: State.READY,
    State.RUNNING: State.READY,
    State.SCORING: State.READY,
    State.ANALYZING: State.SCORED,
}
_SIDE_FILES = ("", "-wal", "-shm", "-journal")


@frozen(kw_only=True)
class Recovered:
    """What became of one experiment's folder."""

    id: str
    state: ExperimentState | None
    """State it came back in; None when it did not come back."""
    problem: str = ""
    """What could not be read; empty when all could."""


def write_proposal(workspace: Workspace, experiment: Experiment) -> Path:
    """Write `proposal.json`: the proposal's fields."""
    path = workspace.experiment(experiment.id) / "proposal.json"
    write_atomic(path, dumps(experiment.proposal, indent=2) + "\n")
    return path


def write_result(workspace: Workspace, experiment: Experiment) -> Path:
    """Write `result.json`: the experiment's fields, its id under `experiment`, its scores in full."""
    fields = dump(experiment)
    data = {"experiment": fields.pop("id"), **fields}
    path = workspace.experiment(experiment.id) / "result.json"
    write_atomic(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def recover_experiments(workspace: Workspace, *, clock: Clock | None = None) -> tuple[Recovered, ...]:
    """Build a fresh `state.db` from `experiments/*/` when the old one is damaged or gone.

    Experiments with a readable `result.json` come back with their scores; those with only a `proposal.json` come back
    as proposed. Work that was under way goes back to where it can be taken up again. A file that cannot be read is
    reported and skipped. The damaged file keeps its bytes as `state.db.damaged-TIME`. Events, usage and lessons that
    were only in the database are not recovered; `playbook.md` and `transcripts/` still have the text.

    Args:
        workspace: Whose board.
        clock: For the names and times of what is written.

    Raises:
        StoreError: The database is sound, or another process has it open for writing.
    """
    clock = clock or SystemClock()
    lock = WriterLock.acquire(workspace.database)
    try:
        if workspace.database.exists() and damage(workspace.database) is None:
            raise StoreError(f"{workspace.database} is sound; open the campaign as usual, there is nothing to recover")
        fresh, recovered = _rebuilt(workspace, clock)
        _set_aside(workspace.database, clock.now())
        fresh.replace(workspace.database)
    finally:
        lock.release()
    return recovered


def _rebuilt(workspace: Workspace, clock: Clock) -> tuple[Path, tuple[Recovered, ...]]:
    fresh = workspace.database.with_name(f"{workspace.database.name}.recovering")
    for suffix in _SIDE_FILES:  # of a recovery that was broken off
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    with Store.open(fresh, clock=clock) as store, store.transaction():
        recovered = tuple(_recover(store, workspace, name) for name in workspace.experiment_ids())
        back = sum(outcome.state is not None for outcome in recovered)
        store.append(
            Noticed(
                level="warning",
                message=f"the board was rebuilt from {back} of {len(recovered)} experiment folders",
                facts={"problems": {outcome.id: outcome.problem for outcome in recovered if outcome.problem}},
            )
        )
    fresh.with_name(f"{fresh.name}.lock").unlink(missing_ok=True)
    return fresh, recovered


def _set_aside(database: Path, now: datetime) -> None:
    name = f"{database.name}.damaged-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    for suffix in _SIDE_FILES:
        path = database.with_name(database.name + suffix)
        if path.exists():
            path.rename(database.with_name(name + suffix))


def _recover(store: Store, workspace: Workspace, name: str) -> Recovered:
    problems: list[str] = []
    finished = (workspace.experiment(name) / "result.json").exists()
    for read in (_from_result, _from_proposal) if finished else (_from_proposal,):
        try:
            experiment = _settled(read(workspace, name), workspace)
            store.restore(experiment, reason="recovered from its folder")
        except (AlphaLabError, OSError, ValueError, RecursionError) as error:
            problems.append(str(error))
        else:
            return Recovered(id=name, state=experiment.state, problem="; ".join(problems))
    return Recovered(id=name, state=None, problem="; ".join(problems))


def _from_result(workspace: Workspace, name: str) -> Experiment:
    path = workspace.experiment(name) / "result.json"
    data = _json_object(path)
    written = _written(path)
    named = {"id": data.pop("experiment", None), "created_at": written, "updated_at": written}
    experiment = load({**named, **data}, Experiment, subject=str(path))
    strangers = sorted({score.subject for score in experiment.scores} - {name})
    if experiment.id != name or strangers:
        raise ConfigError(f"{path}: is about {[experiment.id, *strangers][-1]!r} and not about {name!r}")
    return experiment


def _from_proposal(workspace: Workspace, name: str) -> Experiment:
    path = workspace.experiment(name) / "proposal.json"
    proposal = load(_json_object(path), Proposal, subject=str(path))
    written = _written(path)
    return Experiment(id=name, proposal=proposal, state=State.PROPOSED, created_at=written, updated_at=written)


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _json_object(path: Path) -> dict[str, Any]:
    if path.is_symlink() or not path.is_file():
        raise ConfigError(f"{path.name} is missing or not a plain file")
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds {type(data).__name__} and not an object")
    return cast("dict[str, Any]", data)


def _settled(experiment: Experiment, workspace: Workspace) -> Experiment:
    state = _SETTLED.get(experiment.state, experiment.state)
    if state in (State.READY, State.FIXING) and not workspace.submission(experiment.id).is_dir():
        state = State.PROPOSED
    return evolve(experiment, state=state)
