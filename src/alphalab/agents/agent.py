"""The agent: a model, tools and limits, and the places where subclasses have their say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
from attrs import define, field

from alphalab._clock import Clock, SystemClock
from alphalab._sync import syncify
from alphalab.agents.history import History
from alphalab.agents.result import AgentResult
from alphalab.agents.resuming import CutOff, cut_off_run
from alphalab.agents.run import Run
from alphalab.agents.turn import Next, Turn
from alphalab.budget import Limits
from alphalab.commands import Access
from alphalab.errors import ConfigError
from alphalab.events import Emit, Noticed
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
    """Called with each answer, e.g. to note what it cost and which of several models gave it; with an empty one for
    what failed attempts are billed."""
    on_delta: OnDelta | None = None
    """Called with pieces of an answer as the model writes it."""
    clock: Clock = field(factory=SystemClock)
    max_tokens: int = 16_000
    """Longest output of one model call."""
    needs_finish: bool = False
    """Whether only a finishing tool ends the work; an answer without tool calls is then met with a reminder."""
    output: type | None = None
    """An attrs class or TypedDict that a final text answer must fit, as JSON; `AgentResult.output` is an instance."""
    finishes_with: tuple[str, ...] = field(default=("finish",), converter=tuple[str, ...])
    """Tools whose success ends the run."""

    run_sync = syncify("run")

    def __attrs_post_init__(self) -> None:
        check_tools(self.tools)
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

    async def run(
        self, prompt: str, *, task: Task | None = None, history: History | None = None, resume: bool = False
    ) -> AgentResult:
        """Work on a prompt.

        Args:
            prompt: What to do.
            task: What the work is about, for `build_system` and `build_tools`.
            history: A conversation to go on with; it grows in place and stays valid when the run is cancelled. When
                a run is resumed, it becomes what the transcript holds.
            resume: Go on with the run that the transcript holds when it began with the same prompt and was cut off
                (killed, cancelled, or ended by an error). Calls whose results are on disk are not made again; one that
                was under way is, unless that has ended the process several times. Without such a run, or when the
                transcript is damaged, begin anew.

        Raises:
            ModelError: The model gave no usable answer; a refusal is a result instead.
            ConfigError: Two tools have one name, or a tool needs what the model cannot do.
        """
        context = self._tool_context()
        cut_off = self._cut_off(prompt, context.emit) if resume else None
        run = Run(agent=self, context=context, task=task, history=history or History(), cut_off=cut_off)
        return await run.go(prompt)

    def _cut_off(self, prompt: str, emit: Emit) -> CutOff | None:
        try:
            return None if self.transcript is None else cut_off_run(self.transcript, prompt)
        except ConfigError as error:
            emit(Noticed(level="warning", message=f"{self.name} begins anew: {error}", facts={"agent": self.name}))
            return None

    def _tool_context(self) -> ToolContext:
        """A context for one run, with a memory of its own."""
        if self.context is not None:
            own = attrs.evolve(self.context, state=dict(self.context.state))
            return own if self.emit is None else attrs.evolve(own, emit=self.emit)
        here = Path.cwd()
        context = ToolContext(
            workspace=Workspace(here), cwd=here, access=Access(readable=(here,)), role=self.role, agent=self.name
        )
        return context if self.emit is None else attrs.evolve(context, emit=self.emit)
