"""Asking the model for its next answer: room in the window, the run's time, what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field

from alphalab._clock import Clock
from alphalab._redaction import Redaction
from alphalab.agents.clearing import Keep
from alphalab.agents.history import History
from alphalab.agents.summary import asking, rendered, summary
from alphalab.agents.window import Window
from alphalab.budget import Limits
from alphalab.errors import ContextOverflow, ModelError
from alphalab.events import Emit, Noticed
from alphalab.messages import Message, Usage
from alphalab.models import Model, ModelRequest, ModelResponse, OnDelta

_SQUEEZES = 4
"""Times that a request that is too large for the provider is made smaller."""


class OutOfTime(Exception):
    """The run's time was up while the model was answering."""


@define(kw_only=True, eq=False)
class Asking:
    """One run's calls of its model, and what they have used."""

    model: Model
    request: ModelRequest
    """Without messages: what is the same in all calls."""
    limits: Limits
    window: Window
    keep: Keep
    """Stores the whole of what a summary replaces."""
    clock: Clock
    emit: Emit
    on_response: Callable[[ModelResponse], None] | None
    on_delta: OnDelta | None
    on_summary: Callable[[str, int], None] | None = None
    """Called with a text and the index of the message up to which it stands for the conversation."""
    deadline: float | None = None
    """Reading of the clock at which the run's time is up."""
    usage: Usage = field(factory=Usage)

    async def ask(self, history: History) -> ModelResponse:
        """The model's next answer, after making room for it.

        Raises:
            OutOfTime: The run's time was up first; the call was given up.
            ModelError: No usable answer.
        """
        messages = history.messages
        self.window.clear(messages)
        if self.window.needs_summary:
            await self._summarise(messages)
        for _ in range(_SQUEEZES):
            try:
                response = await self._call(self.window.view(messages))
            except ContextOverflow:
                if self.window.overflowed(messages):
                    continue
                if self.window.cut is None:
                    raise
                await self._summarise(messages)
            else:
                self.window.count(response.usage)
                return response
        return await self._call(self.window.view(messages))

    async def _summarise(self, messages: tuple[Message, ...]) -> None:
        cut = self.window.cut
        if cut is None:
            return
        middle = messages[self.window.middle]
        said = await self._said(messages)
        text = summary(said, middle, self.keep(rendered(middle)), before=self.window.summary)
        self.window.summarise(text, cut)
        self.emit(Noticed(message=f"{self.name} summarised {cut - 1} messages to save room"))
        if self.on_summary is not None:
            self.on_summary(text, cut)

    async def _said(self, messages: tuple[Message, ...]) -> str:
        """The model's own summary, or nothing when it has none to give: then its calls are listed."""
        try:
            response = await self._call(asking(self.window.view(messages)), output_schema=None)
        except ModelError as error:
            words = Redaction.of_environment().text(str(error))
            self.emit(Noticed(level="warning", message=f"{self.name} could not summarise its work: {words}"))
            return ""
        return "" if response.stop_reason == "refusal" else response.message.text

    @property
    def name(self) -> str:
        """Of the agent."""
        return self.request.labels.get("agent", "agent")

    async def _call(self, messages: tuple[Message, ...], **changes: Any) -> ModelResponse:
        left = None if self.deadline is None else max(0.0, self.deadline - self.clock.monotonic())
        timer = asyncio.timeout(left)
        try:
            async with timer:
                request = evolve(self.request, messages=messages, **changes)
                response = await self.model.generate(request, on_delta=self.on_delta)
        except TimeoutError as error:
            if timer.expired():
                raise OutOfTime from error
            raise
        except ModelError as error:
            if error.usage is not None:
                nothing = Message.assistant()
                self._account(
                    ModelResponse(message=nothing, stop_reason="other", usage=error.usage, model=self.model.name)
                )
            raise
        self._account(response)
        return response

    def _account(self, response: ModelResponse) -> None:
        usage = response.usage
        if self.limits.cost_usd is not None and usage.cost_usd is None and self.usage.cost_usd is not None:
            message = f"{self.model.name} has no known price, so the limit of {self.limits.cost_usd} USD cannot hold"
            self.emit(Noticed(level="warning", message=message))
        self.usage += usage
        if self.on_response is not None:
            self.on_response(response)
