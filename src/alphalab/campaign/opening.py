"""From the constructor's arguments to a running session: everything is checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from attrs import frozen

from alphalab._version import __version__
from alphalab.adapters import BUILT_IN, DomainAdapter, class_path, load_adapter
from alphalab.campaign.config import CampaignConfig, describe_executor, read_config, write_config
from alphalab.campaign.models import described, make_models
from alphalab.errors import AdapterError, ConfigError
from alphalab.events import CampaignStarted, EventBus, Noticed
from alphalab.executors import Executor, LocalExecutor
from alphalab.experiments import Store
from alphalab.models import Model
from alphalab.phases import Session
from alphalab.roles import ROLES, CampaignContext
from alphalab.sandbox import Sandbox, get_sandbox
from alphalab.scorer import open_scorer
from alphalab.task import Task
from alphalab.tools import Tool, check_tools, fetch_url, web_search
from alphalab.workspace import Workspace

if TYPE_CHECKING:
    from alphalab.campaign.campaign import Campaign

_SAME = ("task", "adapter", "adapter_options", "seed")
"""What makes a workspace belong to one campaign; the rest may change between runs."""


@frozen(kw_only=True)
class Prepared:
    """A campaign that can start."""

    adapter: DomainAdapter
    models: Mapping[str, tuple[Model, ...]]
    looking_up: tuple[Tool, ...]
    sandbox: Sandbox
    executor: Executor
    config: CampaignConfig


def ready(campaign: Campaign) -> Prepared:
    """Check everything and make what does not write.

    Raises:
        ConfigError: All problems together.
        SandboxError: The isolation asked for is not to be had.
    """
    space = Workspace(campaign.workspace)
    adapter = load_adapter(campaign.adapter, options=campaign.adapter_options)
    models, problems = make_models(campaign.models, seed=campaign.seed)
    looking_up, trouble = _looking_up(campaign)
    config = describe(campaign, adapter)
    problems += [*trouble, *config.check(), *_role_problems(campaign), *_workspace_problems(space, config)]
    problems += [*_class_problems(adapter), *_task_problems(adapter, campaign.task)]
    if not adapter.scores:
        problems.append(
            f"adapter {adapter.manifest.name!r} has no executable scorer; pass an adapter of the DomainAdapter "
            "subclass that has score()"
        )
    if not adapter.recipes() and _offline(models):
        problems.append(
            f"adapter {adapter.manifest.name!r} ships no recipes, so the offline researcher has nothing to work from; "
            "name a language model"
        )
    if problems:
        raise ConfigError.of("campaign", problems)
    sandbox = get_sandbox(campaign.sandbox, allow_fallback=_offline(models))
    executor = campaign.executor or LocalExecutor()
    if isinstance(executor, LocalExecutor) and executor.root is None:
        executor = attrs.evolve(executor, root=space.jobs)
    return Prepared(
        adapter=adapter, models=models, looking_up=looking_up, sandbox=sandbox, executor=executor, config=config
    )


def _looking_up(campaign: Campaign) -> tuple[tuple[Tool, ...], list[str]]:
    """Tools of the roles that look things up, and what is wrong with them and with the caller's own."""
    found, problems = list[Tool](), list[str]()
    try:
        found += [] if campaign.search == "none" else [web_search(campaign.search)]
        found += [fetch_url()] if campaign.fetch else []
        check_tools([*campaign.tools, *found])
    except ConfigError as error:
        problems += error.problems
    return tuple(found), problems


def describe(campaign: Campaign, adapter: DomainAdapter) -> CampaignConfig:
    """The campaign as it is written to `campaign.toml`."""
    source = campaign.adapter
    name = str(adapter.folder) if isinstance(source, DomainAdapter) else str(source)
    data = campaign.task.data
    if data is not None and "://" not in data and "::" not in data:
        data = str(Path(data).expanduser().absolute())
    if name not in BUILT_IN and Path(name).is_dir():
        name = str(Path(name).absolute())
    return CampaignConfig(
        task=attrs.evolve(campaign.task, data=data),
        adapter=name,
        adapter_class=_own_class(adapter),
        models=described(campaign.models),
        workers=campaign.workers,
        seed=campaign.seed,
        sandbox=campaign.sandbox,
        search=campaign.search,
        fetch=campaign.fetch,
        adapter_options=dict(campaign.adapter_options),
        budget=campaign.budget,
        executor=describe_executor(campaign.executor or LocalExecutor()),
        resources=campaign.resources,
        limits=campaign.limits,
    )


def _own_class(adapter: DomainAdapter) -> str | None:
    """Where an adapter's class is, unless the adapter's name says it."""
    kind = type(adapter)
    ours = kind is DomainAdapter or kind.__module__.startswith("alphalab.")
    return None if ours or _class_problems(adapter) else class_path(kind)


def _offline(models: Mapping[str, tuple[Model, ...]]) -> bool:
    return not any(model.capabilities.is_language_model for several in models.values() for model in several)


def _role_problems(campaign: Campaign) -> list[str]:
    given: Mapping[str, Any] = campaign.roles
    problems = [f"roles: {role!r} is unknown; known: {', '.join(ROLES)}" for role in given if role not in ROLES]
    return problems + [
        f"roles: {kind!r} cannot play {role!r}; pass a subclass of alphalab.roles.{ROLES[role].__name__}"
        for role, kind in given.items()
        if role in ROLES and not (isinstance(kind, type) and issubclass(kind, ROLES[role]))
    ]


def _class_problems(adapter: DomainAdapter) -> tuple[str, ...]:
    try:
        class_path(type(adapter))
    except AdapterError as error:
        return error.problems
    return ()


def _task_problems(adapter: DomainAdapter, task: Task) -> list[str]:
    """The adapter's problems with a task, each with the data it is about."""
    where = "" if task.data is None else f"data {task.data!r}: "
    return [f"{where}{problem}" for problem in adapter.check_task(task)]


def _workspace_problems(space: Workspace, config: CampaignConfig) -> list[str]:
    if not space.root.exists():
        parent = next(path for path in space.root.parents if path.exists())
        if not parent.is_dir():
            return [f"workspace {str(space.root)!r} cannot be made: {parent} is a file; name another folder"]
        return (
            []
            if os.access(parent, os.W_OK)
            else [f"workspace {str(space.root)!r} cannot be made: {parent} is not writable"]
        )
    if not space.root.is_dir():
        return [f"workspace {str(space.root)!r} is a file; name a folder"]
    if not os.access(space.root, os.W_OK):
        return [f"workspace {str(space.root)!r} is not writable"]
    if not space.config.is_file():
        strange = [path.name for path in space.root.iterdir() if not path.name.startswith(".")]
        told = f"workspace {str(space.root)!r} holds other files ({', '.join(sorted(strange)[:5])}) and no campaign"
        return [f"{told}; name an empty or new folder"] if strange else []
    return _differences(space, config)


def _differences(space: Workspace, config: CampaignConfig) -> list[str]:
    there = read_config(space.config)
    return [
        f"workspace {str(space.root)!r} belongs to another campaign: its {name} is {getattr(there, name)!r}, "
        f"not {getattr(config, name)!r}; name a new folder"
        for name in _SAME
        if getattr(there, name) != getattr(config, name)
    ]


@asynccontextmanager
async def running(campaign: Campaign, prepared: Prepared) -> AsyncGenerator[Session]:
    """A session with its store, executor and record open; closed again whatever happens."""
    space = Workspace(campaign.workspace)
    space.root.mkdir(parents=True, exist_ok=True)
    space.private.mkdir(mode=0o700, exist_ok=True)
    store = _open_store(space, campaign, EventBus(sinks=list(campaign.sinks), live=list(campaign.live)))
    try:
        write_config(space.config, prepared.config)
        context = _context(campaign, prepared, store, space)
        _announce(campaign, prepared, store)
        async with prepared.executor:
            yield Session(campaign=context, executor=prepared.executor, workers=campaign.workers)
    finally:
        store.close()
        async with AsyncExitStack() as closing:
            for model in {id(model): model for several in prepared.models.values() for model in several}.values():
                closing.push_async_callback(model.aclose)


def _open_store(space: Workspace, campaign: Campaign, bus: EventBus) -> Store:
    return Store.open(space.database, clock=campaign.clock, bus=bus)


def _context(campaign: Campaign, prepared: Prepared, store: Store, space: Workspace) -> CampaignContext:
    adapter = prepared.adapter
    resources = campaign.resources or adapter.manifest.resources
    if adapter.scores:
        adapter = open_scorer(adapter, space, prepared.sandbox)
    return CampaignContext(
        task=campaign.task,
        workspace=space,
        adapter=adapter,
        store=store,
        launcher=prepared.sandbox,
        sandbox=prepared.sandbox.tier,
        models=prepared.models,
        roles={**ROLES, **campaign.roles},
        budget=campaign.budget,
        resources=resources,
        limits=campaign.limits,
        looking_up=prepared.looking_up,
        tools=campaign.tools,
        clock=campaign.clock,
        seed=campaign.seed,
    )


def _announce(campaign: Campaign, prepared: Prepared, store: Store) -> None:
    resumed = bool(store.events(limit=1))
    name = prepared.adapter.manifest.name
    store.append(CampaignStarted(objective=campaign.task.objective, adapter=name, version=__version__, resumed=resumed))
    if not prepared.sandbox.isolates:
        store.append(
            Noticed(
                level="warning",
                message=f"commands run at the {prepared.sandbox.tier!r} tier: their environment is scrubbed and their "
                "resources are limited, but nothing is isolated; install bubblewrap for real isolation",
            )
        )
