"""Giving a part of the work to another agent.

Tools know no agents, so the one who makes the tool brings a factory of them; `alphalab.agents.spawning.sub_agents` has
one for `Agent`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from attrs import define

from alphalab.errors import ConfigError, ModelError, ToolError
from alphalab.messages import Usage
from alphalab.tools.base import Tool, ToolContext, tool
from alphalab.tools.output import SHOWN, show

DEPTH_LEFT = "subagents.depth_left"
"""Where a sub-agent's `ToolContext.state` says how many levels may still be below it."""
_COUNT, _PLACES = "subagents.count", "subagents.places"
_FAILED = frozenset({"refusal", "model_error"})
_DONE = frozenset({"finished", "text"})


class SubAgentResult(Protocol):
    """What a sub-agent gave."""

    @property
    def text(self) -> str:
        """Its answer, or what it had found when it was ended."""
        ...

    @property
    def stop_reason(self) -> str:
        """`finished` or `text` when it ended by itself."""
        ...

    @property
    def usage(self) -> Usage:
        """Of its model calls."""
        ...


class SubAgent(Protocol):
    """Works on one prompt."""

    async def run(self, prompt: str) -> SubAgentResult:
        """Work until done or at a limit; a cancelled run leaves nothing behind."""
        ...


class SubAgentFactory(Protocol):
    """Makes a sub-agent."""

    def __call__(self, name: str, *, context: ToolContext, depth: int) -> SubAgent:
        """A fresh agent.

        Args:
            name: Of the run, in events and transcripts.
            context: The asking agent's rights and places, with a state of its own.
            depth: Levels that may still be below the new agent; at 0 it gets no tool to spawn others.
        """
        ...


def spawn_agent(
    factory: SubAgentFactory,
    *,
    depth: int = 1,
    at_once: int = 4,
    most: int = 50,
    shown: int = SHOWN,
    time_limit_s: float | None = None,
) -> Tool:
    """A tool with which an agent gives a part of its work to another that starts with an empty conversation.

    Args:
        factory: Makes the sub-agents.
        depth: Levels of agents below this one.
        at_once: Sub-agents of one run that work at the same time; the others wait for a place.
        most: Sub-agents that one run may start altogether.
        shown: Characters of a sub-agent's answer that the asking agent sees.
        time_limit_s: Wall-clock limit of one call, waiting for a place included; None where the sub-agent's own
            limits are enough.

    Raises:
        ConfigError: A bound below 1.
    """
    bounds = {"depth": depth, "at_once": at_once, "most": most, "shown": shown}
    problems = [f"{name}={value!r} must be at least 1" for name, value in bounds.items() if value < 1]
    if problems:
        raise ConfigError.of("spawn_agent", problems)
    spawning = _Spawning(factory=factory, depth=depth, at_once=at_once, most=most, shown=shown)

    @tool(name="spawn_agent", parallel=True, time_limit_s=time_limit_s)
    async def spawn(ctx: ToolContext, task: str) -> str:
        """Give one well-defined part of the work to a sub-agent and get its report.

        It sees only the task text, not this conversation, and works with the same files. Several calls in one
        turn work at the same time; let them write to different files.

        Args:
            task: Everything it must know: what to find out or do, where things are, and what to report.
        """
        return await spawning.run(ctx, task)

    return spawn


@define(kw_only=True, eq=False)
class _Spawning:
    """One spawn tool: its bounds, and what it does in a call."""

    factory: SubAgentFactory
    depth: int
    at_once: int
    most: int
    shown: int

    async def run(self, ctx: ToolContext, task: str) -> str:
        if not task.strip():
            raise ToolError("the task is empty; say what the sub-agent should find out or do")
        left = min(self.depth, int(ctx.state.get(DEPTH_LEFT, self.depth)))
        if left < 1:
            raise ToolError("sub-agents at this level cannot start others; do the work yourself")
        name = self._name(ctx)
        async with self._places(ctx.state):
            return await self._work(ctx, name, task, left - 1)

    async def _work(self, ctx: ToolContext, name: str, task: str, depth: int) -> str:
        context = _context(ctx, name, depth)
        try:
            result = await self.factory(name, context=context, depth=depth).run(task)
        except ModelError as error:
            raise ToolError(f"[{name} failed: {error}; it reported nothing]") from error
        report = f"{show(ctx, 'spawn_agent', result.text, self.shown) or '(no report)'}\n[{_note(name, result)}]"
        if result.stop_reason in _FAILED:
            raise ToolError(report)
        return report

    def _name(self, ctx: ToolContext) -> str:
        number = int(ctx.state.get(_COUNT, 0)) + 1
        if number > self.most:
            raise ToolError(f"this run has started {self.most} sub-agents, which is all it may; do the rest yourself")
        ctx.state[_COUNT] = number
        return f"{ctx.agent or 'agent'}-sub-{number:03d}"

    def _places(self, state: dict[str, Any]) -> asyncio.Semaphore:
        """One per run and event loop: a semaphore belongs to the loop in which somebody first waited for it."""
        by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        by_loop = state.setdefault(_PLACES, WeakKeyDictionary())
        return by_loop.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.at_once))


def _context(ctx: ToolContext, name: str, depth: int) -> ToolContext:
    """The asking agent's rights, under another name and with a memory of its own."""
    return ToolContext(
        workspace=ctx.workspace,
        cwd=ctx.cwd,
        access=ctx.access,
        launcher=ctx.launcher,
        role=ctx.role,
        agent=name,
        experiment=ctx.experiment,
        emit=ctx.emit,
        outputs=ctx.outputs,
        charge=ctx.charge,
        state={DEPTH_LEFT: depth},
    )


def _note(name: str, result: SubAgentResult) -> str:
    usage = result.usage
    price = "price unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
    spent = f"{usage.calls} model calls, {usage.input_tokens} tokens in, {usage.output_tokens} out, {price}"
    if result.stop_reason in _DONE:
        ending = "done"
    elif result.stop_reason in _FAILED:
        ending = f"failed ({result.stop_reason}); above is what there was to say"
    else:
        ending = f"not done, ended at its limit ({result.stop_reason}); above is what it had last said"
    return f"{name}: {ending}; {spent}"
