"""Tools: what a model may do, as typed functions."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, overload

from attrs import define, field, frozen

from alphalab.commands import Access, Launcher
from alphalab.errors import ConfigError, ToolError
from alphalab.events import Emit, Event
from alphalab.messages import ImageBlock, TextBlock, ToolSpec, Usage
from alphalab.tools.schema import Arguments, arguments_of
from alphalab.workspace import Workspace

ToolOutput = str | TextBlock | ImageBlock | tuple[TextBlock | ImageBlock, ...]


def _ignore(event: Event) -> None:  # noqa: ARG001 - the protocol names it
    return


def _free(usage: Usage) -> None:  # noqa: ARG001 - nobody keeps an account
    return


@define(kw_only=True, eq=False)
class ToolContext:
    """What a running tool may use: where it is, what it may touch, who asks."""

    workspace: Workspace
    cwd: Path
    """Relative paths start here."""
    access: Access = field(factory=Access)
    launcher: Launcher | None = None
    """Runs commands; None where commands are not allowed."""
    role: str = ""
    agent: str = ""
    experiment: str | None = None
    emit: Emit = _ignore
    outputs: Path | None = None
    """Folder for full outputs that were too long to show."""
    charge: Callable[[Usage], None] = _free
    """Told what models consumed on this run's account, as sub-agents do; it counts towards the run's limits."""
    state: dict[str, Any] = field(factory=dict[str, Any])
    """Tools' own memory for one agent run, e.g. the shell's working directory."""

    def resolve(self, path: str) -> Path:
        """A path as the model wrote it, absolute, links not yet followed."""
        return self.cwd / Path(path).expanduser()

    def located(self, path: str) -> Path:
        """Like `resolve`, for a path that the file system can be asked about.

        Raises:
            ToolError: It holds a NUL byte, an unknown `~user`, or a loop of links.
        """
        try:
            resolved = self.resolve(path)
            resolved.resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise ToolError(f"{path!r} is not a usable path: {error}") from error
        return resolved

    def readable(self, path: str) -> Path:
        """A path that may be read.

        Raises:
            ToolError: It lies outside what this role may read.
        """
        resolved = self.located(path)
        if not self.access.may_read(resolved):
            known = self._names((*self.access.readable, *self.access.writable))
            raise ToolError(f"{path!r} is outside what you may read; readable: {known}")
        return resolved

    def writable(self, path: str) -> Path:
        """A path that may be written.

        Raises:
            ToolError: It lies outside what this role may write.
        """
        resolved = self.located(path)
        if not self.access.may_write(resolved):
            raise ToolError(f"{path!r} is outside what you may write; writable: {self._names(self.access.writable)}")
        return resolved

    def _names(self, roots: tuple[Path, ...]) -> str:
        return ", ".join(dict.fromkeys(self.shown(path) for path in roots)) or "nothing"

    def shown(self, path: Path) -> str:
        """A path as the model may write it: relative to where it is, absolute elsewhere."""
        return str(path.relative_to(self.cwd)) if path.is_relative_to(self.cwd) else str(path)


ToolFunction = Callable[..., Awaitable[ToolOutput]]


@frozen(kw_only=True, eq=False)
class Tool:
    """A typed function that a model may call; hints and docstring are its JSON Schema."""

    name: str
    description: str
    function: ToolFunction
    arguments: Arguments
    parallel: bool = False
    """May run beside other calls of the same turn."""
    time_limit_s: float | None = 600.0
    server: Literal["web_search"] | None = None
    """The provider's own tool that stands behind it; it is then never called from here."""

    @property
    def spec(self) -> ToolSpec:
        """As a model sees it."""
        return ToolSpec(
            name=self.name, description=self.description, parameters=self.arguments.schema, server=self.server
        )

    async def call(self, context: ToolContext, raw: Mapping[str, Any]) -> ToolOutput:
        """Check the arguments and run.

        Raises:
            ToolError: The arguments do not fit (all problems), or the tool says what would work.
        """
        if self.server is not None:
            raise ToolError(f"the model's provider runs this tool itself; {self.name!r} cannot be called from here")
        values = self.arguments.check(raw)
        if self.arguments.takes_context:
            return await self.function(context, **values)
        return await self.function(**values)


@overload
def tool(function: ToolFunction) -> Tool: ...
@overload
def tool(
    function: None = None, *, name: str | None = None, parallel: bool = False, time_limit_s: float | None = 600.0
) -> Callable[[ToolFunction], Tool]: ...
def tool(
    function: ToolFunction | None = None,
    *,
    name: str | None = None,
    parallel: bool = False,
    time_limit_s: float | None = 600.0,
) -> Tool | Callable[[ToolFunction], Tool]:
    """Make a tool of an async function.

    Args:
        function: Its hints and Google-style docstring become the JSON Schema; a first parameter annotated
            `ToolContext` is filled in by the agent and not shown to the model.
        name: Defaults to the function's.
        parallel: May run beside other calls of the same turn.
        time_limit_s: Wall-clock limit of one call.

    Raises:
        ConfigError: A parameter has no type, the docstring names one that is not there, or nothing describes the tool.
    """
    if function is None:
        return lambda wrapped: _make(wrapped, name, parallel, time_limit_s)
    return _make(function, name, parallel, time_limit_s)


def _make(function: ToolFunction, name: str | None, parallel: bool, time_limit_s: float | None) -> Tool:
    label = name or function.__name__
    if not inspect.iscoroutinefunction(function):
        raise ConfigError(f"tool {label!r} must be an async function; write 'async def {label}(...)'")
    description, arguments = arguments_of(function, label, context=ToolContext)
    return Tool(
        name=label,
        description=description,
        function=function,
        arguments=arguments,
        parallel=parallel,
        time_limit_s=time_limit_s,
    )
