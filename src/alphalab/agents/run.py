"""One run of an agent: its parts are put together, its events and its transcript written around the loop."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import attrs
from attrs import define, field

from alphalab.agents.asking import Asking
from alphalab.agents.calls import ToolRunner
from alphalab.agents.finish import finish
from alphalab.agents.history import History
from alphalab.agents.loop import Loop
from alphalab.agents.output import OutputForm
from alphalab.agents.progress import Progress
from alphalab.agents.result import AgentResult, AgentStop
from alphalab.agents.resuming import CutOff
from alphalab.agents.transcript import Transcript
from alphalab.agents.window import CLEAR_TOKENS, Window
from alphalab.errors import ConfigError, ContextOverflow, ModelError
from alphalab.events import AgentFinished, AgentStarted, Noticed
from alphalab.messages import Message, ToolResultBlock, Usage
from alphalab.models import ModelRequest
from alphalab.task import Task
from alphalab.tools import Tool, ToolContext, check_tools
from alphalab.tools.output import keep

if TYPE_CHECKING:
    from alphalab.agents.agent import Agent

_TURN_SHARE = 0.6
"""Characters of one turn's outputs per token of the window: about a sixth of it."""
_FRUITLESS = 2
"""Times that a run is taken up at the same point before a call that was under way there is left out."""


@define(kw_only=True, eq=False)
class Run:
    """One run, from its first message or from where it was cut off."""

    agent: Agent
    context: ToolContext
    task: Task | None
    history: History
    cut_off: CutOff | None
    _loop: Loop = field(init=False)
    _transcript: Transcript | None = field(default=None, init=False)

    async def go(self, prompt: str) -> AgentResult:
        """Run to the end, and leave a complete record whatever happens.

        Raises:
            ModelError: The model gave no usable answer.
        """
        if self.cut_off is not None:
            self.history.become(self.cut_off.history)
            self.context.state.update(self.cut_off.state)
        self.context = attrs.evolve(self.context, charge=self._charged(self.context.charge))
        agent, self._loop = self.agent, self._make_loop()
        self.context.emit(
            AgentStarted(agent=agent.name, role=agent.role, model=agent.model.name, experiment=self.context.experiment)
        )
        try:
            self._open(prompt)
            reason = await self._proceed()
        except BaseException as error:
            self.history.on_message = None  # on disk, calls without an answer stay open: a run that goes on makes them
            self._loop.history.close()
            self._end(_named(error))
            raise
        self._end(reason)
        return self._result(reason)

    def _charged(self, further: Callable[[Usage], None]) -> Callable[[Usage], None]:
        """Counts what others consume on this run's account, here and wherever this run is counted itself."""

        def charge(usage: Usage) -> None:
            self._loop.asking.usage += usage
            further(usage)

        return charge

    async def _proceed(self) -> AgentStop:
        if self.cut_off is None:
            return await self._loop.run()
        return await self._loop.run(said=self.cut_off.answer, stopped=self.cut_off.stop_reason)

    def _open(self, prompt: str) -> None:
        if self.cut_off is None:
            self.history.say(prompt)
        self._transcript = self._open_transcript()
        if self.cut_off is not None and self.cut_off.fruitless >= _FRUITLESS:
            self.history.close()  # what was under way may be what ends the process
        if self.cut_off is not None:
            self._loop.recall(self.cut_off.begun)

    def _open_transcript(self) -> Transcript | None:
        agent, loop, path = self.agent, self._loop, self.agent.transcript
        if path is None:
            return None
        transcript = Transcript(path=path, clock=agent.clock)
        if self.cut_off is not None:
            transcript.resumed()
        else:
            transcript.header(
                agent=agent.name,
                role=agent.role,
                model=agent.model.name,
                labels=loop.asking.request.labels,
                tools=[spec.name for spec in loop.asking.request.tools],
                system=loop.asking.request.system,
            )
            for message in loop.history.messages:
                transcript.message(message)
        self._follow(transcript)
        return transcript

    def _follow(self, transcript: Transcript) -> None:
        """Write down every step from now on."""

        def said(message: Message) -> None:
            transcript.message(message, self._loop.answering)

        def done(result: ToolResultBlock) -> None:
            transcript.result(result, self.context.state)

        def summarised(text: str, cut: int) -> None:
            transcript.summary(text, cut, self._loop.asking.usage)

        self.history.on_message, self.history.on_result = said, done
        self._loop.asking.on_summary = summarised

    def _end(self, reason: AgentStop) -> None:
        agent, loop = self.agent, self._loop
        self.history.on_message = self.history.on_result = None
        self._write_end(reason)
        self.context.emit(
            AgentFinished(
                agent=agent.name,
                role=agent.role,
                stop_reason=reason,
                turns=loop.turns,
                usage=loop.asking.usage,
                experiment=self.context.experiment,
                text=loop.runner.redaction.text(loop.text),
            )
        )

    def _write_end(self, reason: AgentStop) -> None:
        """A line that cannot be written takes neither a result away nor the place of an error."""
        if self._transcript is None:
            return
        try:
            self._transcript.end(reason, turns=self._loop.turns, usage=self._loop.asking.usage)
        except OSError as error:
            message = f"the end of {self.agent.name} is not in its transcript: {error}"
            self.context.emit(Noticed(level="warning", message=message, facts={"agent": self.agent.name}))

    def _result(self, reason: AgentStop) -> AgentResult:
        loop = self._loop
        return AgentResult(
            text=loop.text,
            messages=self.history.messages,
            usage=loop.asking.usage,
            turns=loop.turns,
            stop_reason=reason,
            sent_tokens=loop.sent_tokens,
            output=None if loop.form is None else loop.form.parse(loop.text),
        )

    def _make_loop(self) -> Loop:
        agent, spent = self.agent, self.cut_off
        tools = self._tools()
        form = None if agent.output is None else OutputForm.of(agent.output)
        started = agent.clock.monotonic() - (0.0 if spent is None else spent.seconds)
        limit = agent.limits.time
        deadline = None if limit is None else started + limit.total_seconds()
        ending = tuple(name for name in agent.finishes_with if name in tools)
        progress = Progress(limits=agent.limits, finishing=ending, needs_finish=agent.needs_finish)
        return Loop(
            asking=self._asking(tools, form, deadline),
            runner=self._runner(tools, deadline),
            review=agent.review_turn,
            history=self.history,
            limits=agent.limits,
            progress=progress,
            clock=agent.clock,
            started=started,
            form=form,
            sent_tokens=[] if spent is None else list(spent.sent_tokens),
        )

    def _tools(self) -> Mapping[str, Tool]:
        agent = self.agent
        tools = list(agent.build_tools(self.task))
        if agent.needs_finish and not {tool.name for tool in tools} & set(agent.finishes_with):
            tools.append(finish)
        check_tools(tools)
        lacking = [tool.name for tool in tools if tool.spec.server and not agent.model.capabilities.web_search]
        if lacking:
            raise ConfigError(
                f"{agent.model.name} cannot search the web itself, which {', '.join(lacking)} needs; "
                "give the tool another backend, e.g. web_search('searxng', base_url=...)"
            )
        return {tool.name: tool for tool in tools}

    def _asking(self, tools: Mapping[str, Tool], form: OutputForm | None, deadline: float | None) -> Asking:
        agent = self.agent
        request = ModelRequest(
            system=agent.build_system(self.task),
            messages=(),
            tools=tuple(tool.spec for tool in tools.values()),
            max_tokens=agent.max_tokens,
            labels={"role": agent.role, "agent": agent.name, **agent.labels},
            conversation=f"{agent.name}-{uuid.uuid4().hex[:12]}",
            output_schema=None if form is None else form.schema,
        )
        return Asking(
            model=agent.model,
            request=request,
            limits=agent.limits,
            window=self._window(request),
            keep=partial(keep, self.context),
            clock=agent.clock,
            emit=self.context.emit,
            on_response=agent.on_response,
            on_delta=agent.on_delta,
            deadline=deadline,
            usage=Usage() if self.cut_off is None else self.cut_off.usage,
        )

    def _window(self, request: ModelRequest) -> Window:
        schemas = json.dumps([tool.parameters for tool in request.tools], default=str)
        words = sum(len(tool.description) for tool in request.tools)

        able = self.agent.model.capabilities
        window = Window(
            context_tokens=able.context_tokens,
            keep=partial(keep, self.context),
            clear_tokens=CLEAR_TOKENS if able.is_language_model else able.context_tokens,
            fixed=len(request.system) + len(schemas) + words,
        )
        if self.cut_off is not None and self.cut_off.summary is not None:
            window.view(self.history.messages)
            window.summarise(*self.cut_off.summary)
        return window

    def _runner(self, tools: Mapping[str, Tool], deadline: float | None) -> ToolRunner:
        agent = self.agent
        return ToolRunner(
            tools=tools,
            context=self.context,
            agent=agent.name,
            role=agent.role,
            emit=self.context.emit,
            clock=agent.clock,
            images=agent.model.capabilities.images,
            deadline=deadline,
            turn_characters=max(2000, round(_TURN_SHARE * agent.model.capabilities.context_tokens)),
        )


def _named(error: BaseException) -> AgentStop:
    if isinstance(error, ContextOverflow):
        return "context"
    if isinstance(error, ModelError):
        return "model_error"
    return "cancelled" if isinstance(error, asyncio.CancelledError | KeyboardInterrupt) else "error"
