"""The agent: a model, tools and limits, and the places where subclasses have their say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
from attrs import define, field

from alphalab._clock import Clock, SystemClock
from alphalab._sync import syncify
from alphalab.agents.calls import ToolRunner
from alphalab.agents.finish import finish
from alphalab.agents.history import History
from alphalab.agents.loop import Loop
from alphalab.agents.progress import Progress
from alphalab.agents.result import AgentResult, AgentStop
from alphalab.agents.transcript import Transcript
from alphalab.agents.turn import Next, Turn
from alphalab.agents.window import Window
from alphalab.budget import Limits
from alphalab.commands import Access
from alphalab.errors import ConfigError, ModelError
from alphalab.events import AgentFinished, AgentStarted, Emit
from alphalab.models import Model, ModelResponse, OnDelta, get_model
from alphalab.task import Task
from alphalab.tools import Tool, ToolContext, check_tools
from alphalab.workspace import Workspace


@define(kw_only=True, eq=False)
class Agent:
    """A model that works with tools until it is done or a limit is reached.

    Subclass it and override `build_system`, `build_tools` or `review_turn`; decorate the subclass with
    `@define(kw_only=True, eq=False)` when it adds or changes fields. One agent may run several times.

    Example:
        >>> agent = Agent(model="offline", instructions="...", tools=[read_file], limits=Limits(turns=50))
        >>> result = agent.run_sync("What is in notes.md?")
    """

    model: Model = field(converter=get_model)
    """A model, or its name for `get_model`."""
    instructions: str = ""
    """The system prompt."""
    tools: Sequence[Tool] = ()
    limits: Limits = field(factory=Limits)
    name: str = "agent"
    """Of the run, in events and transcripts."""
    role: str = "agent"
    context: ToolContext | None = None
    """Where tools work; None lets them read the current folder, and run no commands."""
    emit: Emit | None = None
    """Where events go; None sends them where the context sends its own."""
    transcript: Path | None = None
    """File that the conversation is appended to."""
    labels: dict[str, str] = field(factory=dict[str, str])
    """Sent with every request beside `role` and `agent`, for the ledger."""
    on_response: Callable[[ModelResponse], None] | None = None
    """Called with each answer, e.g. to note what it cost and which of several models gave it."""
    on_delta: OnDelta | None = None
    """Called with pieces of an answer as the model writes it."""
    clock: Clock = field(factory=SystemClock)
    max_tokens: int = 16_000
    """Longest output of one model call."""
    needs_finish: bool = False
    """Whether only a finishing tool ends the work; an answer without tool calls is then met with a reminder."""
    finishes_with: tuple[str, ...] = field(default=("finish",), converter=tuple[str, ...])
    """Tools whose success ends the run."""

    run_sync = syncify("run")

    def __attrs_post_init__(self) -> None:
        names = {attribute.name for attribute in attrs.fields(type(self))}
        for cls in type(self).__mro__[: type(self).__mro__.index(Agent)]:
            lost = [] if "__attrs_attrs__" in vars(cls) else sorted(names & vars(cls).keys())
            if lost:
                raise ConfigError(
                    f"{cls.__name__} sets {', '.join(lost)} without effect; decorate it with "
                    "@define(kw_only=True, eq=False) and annotate the field, or pass the value when making the agent"
                )

    def build_system(self, task: Task | None) -> str:
        """The system prompt."""
        if task is None:
            return self.instructions
        data = f"\nData: {task.data}" if task.data else ""
        return f"{self.instructions}\n\n# Task\n\n{task.objective}{data}".lstrip()

    def build_tools(self, task: Task | None) -> list[Tool]:
        """The tools of a run; a finishing tool is added to them when the agent needs one and has none."""
        _ = task
        return list(self.tools)

    async def review_turn(self, turn: Turn) -> Next:
        """Look at a turn after its tools have run; `Continue(text)` tells the model something and goes on."""
        _ = turn
        return None

    async def run(self, prompt: str, *, task: Task | None = None, history: History | None = None) -> AgentResult:
        """Work on a prompt.

        Args:
            prompt: What to do.
            task: What the work is about, for `build_system` and `build_tools`.
            history: A conversation to go on with; it grows in place and stays valid when the run is cancelled.

        Raises:
            ModelError: The model gave no usable answer; a refusal is a result instead.
        """
        context = self._tool_context()
        loop = self._loop(context, task, history or History())
        loop.history.say(prompt)
        transcript = self._open_transcript(loop)
        context.emit(
            AgentStarted(agent=self.name, role=self.role, model=self.model.name, experiment=context.experiment)
        )
        try:
            reason = await loop.run()
        except BaseException as error:
            loop.history.close()
            self._end(loop, context, transcript, _named(error))
            raise
        self._end(loop, context, transcript, reason)
        return AgentResult(
            text=loop.text,
            messages=loop.history.messages,
            usage=loop.usage,
            turns=loop.turns,
            stop_reason=reason,
        )

    def _tool_context(self) -> ToolContext:
        if self.context is not None:
            return self.context if self.emit is None else attrs.evolve(self.context, emit=self.emit)
        here = Path.cwd()
        context = ToolContext(
            workspace=Workspace(here), cwd=here, access=Access(readable=(here,)), role=self.role, agent=self.name
        )
        return context if self.emit is None else attrs.evolve(context, emit=self.emit)

    def _all_tools(self, task: Task | None) -> list[Tool]:
        tools = list(self.build_tools(task))
        if self.needs_finish and not {tool.name for tool in tools} & set(self.finishes_with):
            tools.append(finish)
        check_tools(tools)
        return tools

    def _loop(self, context: ToolContext, task: Task | None, history: History) -> Loop:
        tools, started, limit = self._all_tools(task), self.clock.monotonic(), self.limits.time
        runner = ToolRunner(
            tools={tool.name: tool for tool in tools},
            context=context,
            agent=self.name,
            role=self.role,
            emit=context.emit,
            clock=self.clock,
            images=self.model.capabilities.images,
            deadline=None if limit is None else started + limit.total_seconds(),
        )
        return Loop(
            model=self.model,
            system=self.build_system(task),
            specs=tuple(tool.spec for tool in tools),
            labels={"role": self.role, "agent": self.name, **self.labels},
            max_tokens=self.max_tokens,
            runner=runner,
            review=self.review_turn,
            history=history,
            limits=self.limits,
            progress=Progress(limits=self.limits, finishing=self.finishes_with, needs_finish=self.needs_finish),
            window=Window(context_tokens=self.model.capabilities.context_tokens),
            clock=self.clock,
            emit=context.emit,
            on_response=self.on_response,
            on_delta=self.on_delta,
            started=started,
        )

    def _open_transcript(self, loop: Loop) -> Transcript | None:
        if self.transcript is None:
            return None
        transcript = Transcript(path=self.transcript, clock=self.clock)
        transcript.header(
            agent=self.name,
            role=self.role,
            model=self.model.name,
            labels=loop.labels,
            tools=[spec.name for spec in loop.specs],
            system=loop.system,
        )
        for message in loop.history.messages:
            transcript.message(message)
        loop.history.on_message = transcript.message
        return transcript

    def _end(self, loop: Loop, context: ToolContext, transcript: Transcript | None, reason: AgentStop) -> None:
        if transcript is not None:
            loop.history.on_message = None
            transcript.end(reason, turns=loop.turns, usage=loop.usage)
        context.emit(
            AgentFinished(
                agent=self.name,
                role=self.role,
                stop_reason=reason,
                turns=loop.turns,
                usage=loop.usage,
                experiment=context.experiment,
                text=loop.runner.redaction.text(loop.text),
            )
        )


def _named(error: BaseException) -> AgentStop:
    if isinstance(error, ModelError):
        return "model_error"
    return "cancelled" if isinstance(error, asyncio.CancelledError | KeyboardInterrupt) else "error"
