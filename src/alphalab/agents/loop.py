"""The loop of one agent run: ask the model, run its tools, review, go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define, evolve, field

from alphalab._clock import Clock
from alphalab.agents.calls import ToolRunner
from alphalab.agents.history import History
from alphalab.agents.limits import limit_reached
from alphalab.agents.progress import Progress, Stop
from alphalab.agents.result import AgentStop
from alphalab.agents.turn import Call, Next, Turn
from alphalab.agents.window import Window
from alphalab.budget import Limits
from alphalab.errors import ContextOverflow, Refused
from alphalab.events import Emit, Noticed
from alphalab.messages import Message, TextBlock, ToolSpec, Usage
from alphalab.models import Model, ModelRequest, ModelResponse, OnDelta

_NOT_RUN = TextBlock(
    text="Your output reached its maximum length before the calls were complete, so none was run. Make smaller calls, "
    "e.g. write a long file in several parts."
)


@define(kw_only=True, eq=False)
class Loop:
    """State and steps of one run; the history is valid whenever a step is interrupted."""

    model: Model
    system: str
    specs: tuple[ToolSpec, ...]
    labels: dict[str, str]
    max_tokens: int
    runner: ToolRunner
    review: Callable[[Turn], Awaitable[Next]]
    history: History
    limits: Limits
    progress: Progress
    window: Window
    clock: Clock
    emit: Emit
    on_response: Callable[[ModelResponse], None] | None
    on_delta: OnDelta | None
    started: float
    """Reading of the clock when the run began."""
    usage: Usage = field(factory=Usage, init=False)
    turns: int = field(default=0, init=False)
    text: str = field(default="", init=False)
    """What the run has to say so far."""
    _partial: str = field(default="", init=False)
    """Beginning of an answer whose output was cut off."""

    async def run(self) -> AgentStop:
        """Work until something ends it, and say what."""
        while True:
            seconds = self.clock.monotonic() - self.started
            limit = limit_reached(self.limits, turns=self.turns, usage=self.usage, seconds=seconds)
            if limit is not None:
                return limit
            try:
                response = await self._ask()
            except Refused as error:
                self.text = str(error)
                return "refusal"
            ended = await self._take(response)
            if ended is not None:
                return ended

    async def _ask(self) -> ModelResponse:
        while True:
            try:
                response = await self._generate()
            except ContextOverflow:
                if not self.window.shrink(self.history.messages):
                    raise
                continue
            self._account(response)
            return response

    async def _generate(self) -> ModelResponse:
        request = ModelRequest(
            system=self.system,
            messages=self.window.view(self.history.messages),
            tools=self.specs,
            max_tokens=self.max_tokens,
            labels=self.labels,
        )
        return await self.model.generate(request, on_delta=self.on_delta)

    def _account(self, response: ModelResponse) -> None:
        usage = response.usage
        if self.limits.cost_usd is not None and usage.cost_usd is None and self.usage.cost_usd is not None:
            message = f"{self.model.name} has no known price, so the limit of {self.limits.cost_usd} USD cannot hold"
            self.emit(Noticed(level="warning", message=message))
        self.usage += usage
        self.turns += 1
        if self.on_response is not None:
            self.on_response(response)
        if self.window.is_full(usage):
            self.window.shrink(self.history.messages)

    async def _take(self, response: ModelResponse) -> AgentStop | None:
        message = response.message if response.message.content else evolve(response.message, content=[_NOTHING])
        self.history.answer(message)
        if response.stop_reason == "refusal":
            self.text = message.text
            return self._closed("refusal")
        cut_off = response.stop_reason == "max_tokens"
        calls = self._not_run(message) if cut_off else await self.runner.run(message.tool_uses, self.history)
        self._keep_text(message.text, calls, cut_off=cut_off)
        turn = Turn(
            index=self.turns,
            message=message,
            calls=calls,
            finishes=not cut_off and self.progress.finishes(response.message.text, calls),
            history=self.history,
        )
        return self._follow(self.progress.after(turn, await self.review(turn), cut_off=cut_off))

    def _follow(self, verdict: Stop | Next) -> AgentStop | None:
        if isinstance(verdict, Stop):
            return self._closed(verdict.reason)
        if verdict is None:
            self.history.close()
        else:
            self.history.say(verdict.text)
        return None

    def _closed(self, reason: AgentStop) -> AgentStop:
        self.history.close()
        return reason

    def _not_run(self, message: Message) -> tuple[Call, ...]:
        calls = tuple(self.runner.settled(use, (_NOT_RUN,), failed=True) for use in message.tool_uses)
        for call in calls:
            self.history.record(call.result)
        return calls

    def _keep_text(self, text: str, calls: tuple[Call, ...], *, cut_off: bool) -> None:
        if calls:
            ending = [call.result.text for call in calls if call.name in self.progress.finishing and call.ok]
            self.text, self._partial = (ending[-1] if ending else text or self.text), ""
        else:
            self.text = self._partial + text or self.text
            self._partial = self._partial + text if cut_off else ""


_NOTHING = TextBlock(text="(no answer)")
"""Providers refuse a conversation that holds an empty message."""
