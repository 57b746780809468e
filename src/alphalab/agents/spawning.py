"""Sub-agents: an `Agent` for each part of the work that another agent gives away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field, frozen

from alphalab._clock import Clock, SystemClock
from alphalab.agents.agent import Agent
from alphalab.budget import Limits
from alphalab.errors import ModelError
from alphalab.messages import Usage
from alphalab.models import Model, ModelResponse, get_model
from alphalab.tools import Tool, ToolContext
from alphalab.tools.subagent import spawn_agent

_INSTRUCTIONS = (
    "You work on one part of a larger task, alone. Do what the task says and nothing beside it. Your last message is "
    "all that the asker sees: report what you found, with numbers, file names and what is uncertain."
)


def sub_agents(
    *,
    model: Model | str,
    tools: Sequence[Tool] = (),
    limits: Limits | None = None,
    instructions: str = _INSTRUCTIONS,
    depth: int = 1,
    at_once: int = 4,
    most: int = 50,
    transcripts: Path | None = None,
    labels: dict[str, str] | None = None,
    on_response: Callable[[ModelResponse], None] | None = None,
    clock: Clock | None = None,
) -> Tool:
    """A tool `spawn_agent` whose sub-agents are `Agent`s: a conversation of their own, the asker's access, own limits.

    Args:
        model: Of the sub-agents.
        tools: What each may use; below the last level they have no `spawn_agent` among them.
        limits: Of each sub-agent; 30 turns when left out.
        instructions: Their system prompt.
        depth: Levels of sub-agents below the agent that gets the tool.
        at_once: Sub-agents of one run that work at the same time.
        most: Sub-agents that one run may start altogether.
        transcripts: Folder of the asking agent's transcript; `NAME-sub-001.jsonl` is written there. A sub-agent that
            was cut off goes on from it when the asking agent's run is resumed.
        labels: Sent with every request, for the ledger.
        on_response: The asking agent's, so that the same ledger counts what sub-agents cost.
        clock: For tests.

    Raises:
        ConfigError: A bound below 1, or an unknown model.
    """
    maker = _Maker(
        model=get_model(model),
        tools=tuple(tools),
        limits=limits or Limits(turns=30),
        instructions=instructions,
        at_once=at_once,
        most=most,
        transcripts=transcripts,
        labels=labels or {},
        on_response=on_response,
        clock=clock or SystemClock(),
    )
    return maker.tool(depth)


@frozen(kw_only=True, eq=False)
class _Maker:
    """Makes sub-agents that are alike."""

    model: Model
    tools: tuple[Tool, ...]
    limits: Limits
    instructions: str
    at_once: int
    most: int
    transcripts: Path | None
    labels: dict[str, str]
    on_response: Callable[[ModelResponse], None] | None
    clock: Clock

    def tool(self, depth: int) -> Tool:
        return spawn_agent(self, depth=depth, at_once=self.at_once, most=self.most)

    def __call__(self, name: str, *, context: ToolContext, depth: int) -> _Child:
        seen = _Seen(then=self.on_response, charge=context.charge)
        agent = Agent(
            model=self.model,
            instructions=self.instructions,
            tools=[*self.tools, self.tool(depth)] if depth >= 1 else self.tools,
            limits=self.limits,
            name=name,
            role=context.role or "agent",
            context=context,
            transcript=None if self.transcripts is None else self.transcripts / f"{name}.jsonl",
            labels=self.labels,
            on_response=seen,
            clock=self.clock,
        )
        return _Child(agent=agent, seen=seen)


@define(kw_only=True, eq=False)
class _Seen:
    """What a sub-agent has said and used so far, for when it does not come to an end."""

    then: Callable[[ModelResponse], None] | None
    charge: Callable[[Usage], None]
    """Where the asking run counts it."""
    text: str = ""
    usage: Usage = field(factory=Usage)

    def __call__(self, response: ModelResponse) -> None:
        self.text = response.message.text or self.text
        self.usage += response.usage
        self.charge(response.usage)
        if self.then is not None:
            self.then(response)


@frozen(kw_only=True)
class _Ended:
    """What a sub-agent gave."""

    text: str
    stop_reason: str
    usage: Usage


@define(kw_only=True, eq=False)
class _Child:
    """One sub-agent, whose failing model is a result."""

    agent: Agent
    seen: _Seen

    async def run(self, prompt: str) -> _Ended:
        try:
            result = await self.agent.run(prompt, resume=self.agent.transcript is not None)
        except ModelError as error:
            text = f"{self.seen.text}\n[its model failed: {error}]".lstrip()
            return _Ended(text=text, stop_reason="model_error", usage=self.seen.usage)
        text = result.text or self.seen.text
        return _Ended(text=text, stop_reason=result.stop_reason, usage=result.usage)
