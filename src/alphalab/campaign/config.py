"""A campaign as a TOML file: the constructor's arguments, relative paths against the file, unknown keys refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, cast

import attrs
import tomli_w
from attrs import field, frozen

from alphalab._serde import converter, load
from alphalab.budget import Budget, Limits
from alphalab.campaign.models import check_models
from alphalab.errors import ConfigError
from alphalab.executors import Executor, LocalExecutor
from alphalab.resources import Resources
from alphalab.task import Task
from alphalab.workspace import write_atomic

EXECUTORS: dict[str, type[Executor]] = {"local": LocalExecutor}
"""Executors by the `kind` of a configuration."""
NO_LIMIT = "none"
"""What a limit says in a file when there is none; TOML has no null."""
_LIMITS: dict[str, Any] = {"budget": Budget, "limits": Limits, "resources": Resources}
SANDBOXES = ("auto", "bubblewrap", "none", "process")


@frozen(kw_only=True)
class CampaignConfig:
    """Everything needed to make a campaign again; no secrets."""

    task: Task
    adapter: str
    adapter_class: str | None = None
    """`module:name` of the adapter's class, when it is one of the caller's own."""
    models: Any = "offline"
    """A name, a table of one model, a list of these that take turns, or a table of roles to any of them."""
    workspace: str | None = None
    workers: int = 2
    seed: int = 0
    sandbox: str = "auto"
    search: str = "provider"
    """`provider`, a service's name, or `none`."""
    fetch: bool = False
    """Whether roles that look things up may read pages of the public web."""
    adapter_options: dict[str, Any] = field(factory=dict[str, Any])
    budget: Budget = field(factory=Budget)
    executor: dict[str, Any] = field(factory=lambda: {"kind": "local"})
    resources: Resources | None = None
    limits: Limits = field(factory=Limits)

    def check(self) -> tuple[str, ...]:
        """Problems that can be seen without touching anything."""
        problems = [*self.budget.check(), *check_models(self.models)]
        if type(self.workers) is not int or self.workers < 1:
            problems.append(f"workers={self.workers!r} must be at least 1")
        if self.sandbox not in SANDBOXES:
            problems.append(f"sandbox={self.sandbox!r} is unknown; use one of {', '.join(SANDBOXES)}")
        if self.executor.get("kind") not in EXECUTORS:
            problems.append(f"executor kind {self.executor.get('kind')!r} is unknown; known: {', '.join(EXECUTORS)}")
        return tuple(problems)


def read_config(path: str | Path) -> CampaignConfig:
    """Read a configuration file.

    Raises:
        ConfigError: It is missing, not TOML, or has problems; lists all of them.
    """
    source = Path(path).expanduser()
    if not source.is_file():
        raise ConfigError(f"configuration {str(path)!r} does not exist; see docs/how-to/configuration.md for the form")
    try:
        data = tomllib.loads(source.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not TOML: {error}") from error
    data.pop("format", None)
    config: CampaignConfig = load(_with_none(data), CampaignConfig, subject=str(source), strict=True)
    return _resolved(config, source.absolute().parent)


def _resolved(config: CampaignConfig, base: Path) -> CampaignConfig:
    task = attrs.evolve(config.task, data=_against(config.task.data, base))
    adapter = config.adapter
    if (base / adapter / "manifest.toml").is_file():
        adapter = str((base / adapter).resolve())
    workspace = str((base / config.workspace).resolve()) if config.workspace else None
    return attrs.evolve(config, task=task, adapter=adapter, workspace=workspace)


def _against(location: str | None, base: Path) -> str | None:
    """A path against the file's folder; a URL or an absolute path as it is."""
    if location is None or "://" in location or "::" in location or Path(location).expanduser().is_absolute():
        return location
    return str((base / location).resolve())


def write_config(path: Path, config: CampaignConfig) -> None:
    """Write a configuration so that `read_config` gives it back."""
    data = _without_none({"format": 1, **converter().unstructure(config)})
    for table, kind in _LIMITS.items():
        value = getattr(config, table)
        for attribute in attrs.fields(kind) if value is not None else ():
            if getattr(value, attribute.name) is None and attribute.default is not None:
                data[table][attribute.name] = NO_LIMIT
    write_atomic(path, tomli_w.dumps(data))


def _with_none(data: dict[str, Any]) -> dict[str, Any]:
    """The same data with None where a limit says `none`."""
    read = dict(data)
    for name in _LIMITS:
        if isinstance(read.get(name), dict):
            table = cast("dict[str, Any]", read[name])
            read[name] = {key: None if value == NO_LIMIT else value for key, value in table.items()}
    return read


def _without_none(value: Any) -> Any:
    """TOML has no null; what is None is left out and means the default."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        return {key: _without_none(item) for key, item in table.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in cast("list[Any]", value)]
    return value


def make_executor(table: dict[str, Any]) -> Executor:
    """An executor from its configuration.

    Raises:
        ConfigError: Unknown kind or arguments.
    """
    arguments = dict(table)
    kind = EXECUTORS[str(arguments.pop("kind"))]
    known = [attribute.name for attribute in attrs.fields(kind) if attribute.init]  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ConfigError(f"executor has no argument {', '.join(unknown)}; known: {', '.join(known)}")
    if isinstance(arguments.get("gpus"), list):
        arguments["gpus"] = tuple(arguments["gpus"])
    return kind(**arguments)


def describe_executor(executor: Executor) -> dict[str, Any]:
    """An executor as a table, with the arguments that differ from the defaults."""
    kinds = {cls: name for name, cls in EXECUTORS.items()}
    table: dict[str, Any] = {"kind": kinds.get(type(executor), "local")}
    if not attrs.has(type(executor)):
        return table
    for attribute in attrs.fields(type(executor)):
        value = getattr(executor, attribute.name, None)
        if attribute.init and value != attribute.default and isinstance(value, bool | int | float | str | tuple | Path):
            table[attribute.name] = list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
    return table
