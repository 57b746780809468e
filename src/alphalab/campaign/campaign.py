"""A campaign: an objective, data, agents, an executor and a budget, and everything that came of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from attrs import define, field

from alphalab._clock import Clock, SystemClock
from alphalab._sync import syncify
from alphalab.adapters import DomainAdapter, import_class, load_adapter
from alphalab.budget import Budget, Limits
from alphalab.campaign.config import CampaignConfig, make_executor, read_config
from alphalab.campaign.opening import ready, running
from alphalab.campaign.result import CampaignResult, result_of, status_of
from alphalab.errors import AlphaLabError, ConfigError, NotFound
from alphalab.events import LiveSink, Recorded, Sink, Steered
from alphalab.executors import Executor
from alphalab.experiments import BASELINE_PREFIX, Experiment, ExperimentState, Leaderboard, Store, UsageKey, rank
from alphalab.messages import Usage
from alphalab.models import Model
from alphalab.phases import Session
from alphalab.playbook import Playbook
from alphalab.resources import Resources
from alphalab.roles import RoleAgent
from alphalab.task import Task
from alphalab.tools import Tool
from alphalab.workspace import Workspace

_LOOK_S = 0.2
"""Seconds between looks at a record that another process may be writing."""

ModelSource = str | Model | Mapping[str, Any]
ModelTable = Mapping[str, ModelSource | Sequence[ModelSource]]


@define(kw_only=True, eq=False)
class Campaign:
    """One autonomous research campaign in one workspace.

    Nothing is written before `run`. Running again resumes: what is finished is not done twice.

    Raises:
        ConfigError: At construction and at `run`: everything that cannot work, together.
    """

    task: Task
    adapter: str | Path | DomainAdapter
    """A built-in name, a folder, or an adapter."""
    workspace: Path = field(converter=Path)
    """Folder of this campaign; made when it is not there."""
    models: ModelSource | Sequence[ModelSource] | ModelTable = "offline"
    """One model for every role, or a table by role with `default`; a list takes turns. A model is a name, an object, or
    a table with `name` and options, e.g. `{"name": "openai-chat:qwen3", "base_url": "http://localhost:8000/v1"}`."""
    executor: Executor | None = None
    """None: this machine, with one job per CPU."""
    budget: Budget = field(factory=lambda: Budget(experiments=20))
    resources: Resources | None = None
    """Of each scoring job; None: the adapter's manifest."""
    workers: int = 2
    """Agents that work at once."""
    seed: int = 0
    sandbox: str = "auto"
    """`auto`, `bubblewrap` or `none`; `none` isolates nothing and is recorded with every score."""
    roles: Mapping[str, type[RoleAgent]] = field(factory=dict[str, type[RoleAgent]])
    """Subclasses that replace roles, by role name."""
    adapter_options: Mapping[str, Any] = field(factory=dict[str, Any])
    limits: Limits = field(factory=Limits)
    """Of each agent run."""
    search: str = "provider"
    """How the roles that look things up search: the models' own `provider` where it can, the name of a service
    (`arxiv`, `semanticscholar`, `brave`, `tavily`), or `none`."""
    fetch: bool = False
    """Whether these roles may also read pages of the public web. Off, because who reads both your data and strangers'
    pages can be talked into sending the one to the other."""
    tools: Sequence[Tool] = ()
    """Your own, for every role."""
    sinks: Sequence[Sink] = ()
    """Told of every event while this process runs the campaign."""
    live: Sequence[LiveSink] = ()
    """Told what models are writing, in pieces; none of it is recorded."""
    clock: Clock = field(factory=SystemClock)
    _session: Session | None = field(default=None, init=False)
    _store: Store | None = field(default=None, init=False)
    _loop: Any = field(default=None, init=False)

    # -- making ------------------------------------------------------------------------------------------------------

    @classmethod
    def from_config(
        cls, config: CampaignConfig | str | Path, *, workspace: str | Path | None = None, **changes: Any
    ) -> Self:
        """A campaign from a TOML file or a configuration that was read from one.

        Args:
            config: The file, or what `read_config` made of it.
            workspace: Instead of the one that the file names.
            changes: Further constructor arguments.
        """
        read = config if isinstance(config, CampaignConfig) else read_config(config)
        folder = workspace or read.workspace
        if folder is None:
            raise ConfigError("no workspace: name one in the configuration or pass it")
        problems = read.check()
        if problems:
            raise ConfigError.of("configuration", problems)
        arguments: dict[str, Any] = {
            "task": read.task,
            "adapter": _adapter_of(read) if "adapter" not in changes else None,
            "models": read.models,
            "executor": make_executor(read.executor),
            "budget": read.budget,
            "resources": read.resources,
            "workers": read.workers,
            "seed": read.seed,
            "sandbox": read.sandbox,
            "search": read.search,
            "fetch": read.fetch,
            "adapter_options": read.adapter_options,
            "limits": read.limits,
        }
        return cls(workspace=Path(folder), **{**arguments, **changes})

    @classmethod
    def open(cls, workspace: str | Path, **changes: Any) -> Self:
        """The campaign that a workspace holds; nothing is written until it is run.

        Args:
            workspace: Its folder.
            changes: Constructor arguments that replace what is on disk, e.g. a larger `budget`, or the objects that a
                file cannot hold: an adapter class, models, an executor.
        """
        space = Workspace(workspace)
        if not space.config.is_file():
            raise NotFound(f"{space.root} holds no campaign: {space.config.name} is missing")
        return cls.from_config(space.config, workspace=space.root, **changes)

    # -- running -----------------------------------------------------------------------------------------------------

    async def run(self) -> CampaignResult:
        """Run the campaign to its end, or go on from where it stopped.

        Raises:
            ConfigError: Something the caller passed cannot work; nothing was written.
            AlphaLabError: The machinery failed; what is on record stays, and running again goes on from it.
        """
        if self._session is not None:
            raise AlphaLabError(f"this campaign is already running in {self.workspace}; wait for it or stop() it")
        prepared = await asyncio.to_thread(ready, self)
        async with running(self, prepared) as session:
            self._session, self._store, self._loop = session, session.campaign.store, asyncio.get_running_loop()
            try:
                await session.run()
                self.report()
                return result_of(self)
            finally:
                self._session = self._store = self._loop = None

    run_sync = syncify("run")

    def stop(self) -> None:
        """End after what runs now; it is scored first. From any thread."""
        self._in_loop("stop", lambda session: session.stop("stopped"))

    def pause(self) -> None:
        """Start nothing new until `unpause`."""
        self._in_loop("pause", lambda session: session.pause(paused=True))

    def unpause(self) -> None:
        """Start new work again."""
        self._in_loop("unpause", lambda session: session.pause(paused=False))

    def steer(self, note: str) -> None:
        """Leave a note that the next Strategist turn must answer; kept when nothing runs."""
        if not note.strip():
            raise ConfigError("the note is empty; say what the Strategist should take into account")
        if self._session is not None:
            self._in_loop("steer", lambda session: _steer(session.campaign.store, note))
            return
        if not self._space.config.is_file():
            raise NotFound(f"steer: {self._space.root} holds no campaign yet; run it first, or say it in the objective")
        with Store.open(self._space.database, clock=self.clock) as store:
            _steer(store, note)

    def cancel(self, experiment_id: str) -> None:
        """Take an experiment off the board; its job ends."""
        self.experiment(experiment_id)
        if self._session is not None:
            self._session.require_board(experiment_id)
        self._in_loop("cancel", lambda session: session.cancel(experiment_id))

    def _in_loop(self, verb: str, action: Callable[[Session], object]) -> None:
        session, loop = self._session, self._loop
        if session is None or loop is None:
            raise AlphaLabError(f"{verb}: the campaign is not running in this process; run it first")
        loop.call_soon_threadsafe(action, session)

    # -- looking -----------------------------------------------------------------------------------------------------

    @property
    def _space(self) -> Workspace:
        return Workspace(self.workspace)

    @contextmanager
    def reading(self) -> Generator[Store]:
        """The record, open for reading: `with campaign.reading() as store`.

        Raises:
            StoreError: Nothing has been run in this workspace, or the record cannot be read.
        """
        if self._store is not None:
            yield self._store
            return
        with Store.open(self._space.database, read_only=True) as store:
            yield store

    def loaded_adapter(self) -> DomainAdapter:
        """The adapter in force: the workspace's copy once there is one."""
        copy = self._space.adapter
        if isinstance(self.adapter, DomainAdapter):
            return self.adapter
        source = copy if (copy / "manifest.toml").is_file() else self.adapter
        return load_adapter(source, options=self.adapter_options)

    def experiments(
        self, *, state: ExperimentState | str | None = None, family: str | None = None
    ) -> tuple[Experiment, ...]:
        """Experiments on the board, oldest first."""
        wanted = None if state is None else ExperimentState(state)
        with self.reading() as store:
            return store.experiments(state=wanted, family=family)

    def experiment(self, experiment_id: str) -> Experiment:
        """One experiment.

        Raises:
            NotFound: Names the ids that are known.
        """
        with self.reading() as store:
            return store.experiment(experiment_id)

    def leaderboard(self, n: int | None = None, *, split: str = "search") -> Leaderboard:
        """The best experiments and the baselines among them."""
        with self.reading() as store:
            baselines = tuple(score for score in store.scores(split=split) if score.subject.startswith(BASELINE_PREFIX))
            sealed: dict[str, Any] = store.get("evaluation") or {}
            floor = float(sealed.get("noise_floor", 0.0))
            metric = self.loaded_adapter().manifest.metric
            return rank(store.experiments(), baselines, metric, split=split, n=n, noise_floor=floor)

    @property
    def playbook(self) -> Playbook:
        """The lessons so far."""
        with self.reading() as store:
            return Playbook.replay(store.events(kinds=("lesson_changed",)))

    def usage(self, by: UsageKey | None = None) -> Usage | dict[str, Usage]:
        """What models consumed, in all or by `role`, `model`, `experiment` or `phase`."""
        with self.reading() as store:
            return store.usage(by) if by is not None else store.usage()

    def events(self, *, since: int = 0, follow: bool = False) -> tuple[Recorded, ...] | AsyncIterator[Recorded]:
        """Events on record with a larger number than `since`.

        Args:
            since: Number of the last event already seen.
            follow: Go on with those to come, as an async iterator; also when another process runs the campaign.
        """
        if follow:
            return self._follow(since)
        with self.reading() as store:
            return store.events(since=since)

    async def _follow(self, since: int) -> AsyncIterator[Recorded]:
        while True:
            with self.reading() as store:
                fresh = store.events(since=since, limit=1000)
            for recorded in fresh:
                yield recorded
                since = recorded.number
            if not fresh:
                await asyncio.sleep(_LOOK_S)

    def status(self) -> dict[str, Any]:
        """Phase, counts, best and cost, as the command line prints them."""
        return status_of(self)

    def result(self) -> CampaignResult:
        """What has come of the campaign so far."""
        return result_of(self)

    def report(self) -> Path:
        """Write `reports/report.md` and `reports/report.html` from what is on record; returns the HTML file."""
        return import_module("alphalab.reports").write_report(self)  # a layer up: this method is its door


def _adapter_of(config: CampaignConfig) -> str | DomainAdapter:
    if config.adapter_class is None:
        return config.adapter
    kind = import_class(config.adapter_class)
    return load_adapter(config.adapter, options=config.adapter_options, kind=kind)


def _steer(store: Store, note: str) -> None:
    with store.transaction():
        store.put("steer", [*(store.get("steer") or []), note])
        store.append(Steered(note=note))
