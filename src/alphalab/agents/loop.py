"""The loop of one agent run: ask the model, run its tools, review, go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

from attrs import define, evolve, field

from alphalab._clock import Clock
from alphalab.agents.asking import Asking, OutOfTime
from alphalab.agents.calls import ToolRunner
from alphalab.agents.history import History
from alphalab.agents.limits import limit_reached
from alphalab.agents.output import OutputForm
from alphalab.agents.progress import CUT_OFF, Progress, Stop
from alphalab.agents.result import AgentStop
from alphalab.agents.resuming import past_turns
from alphalab.agents.turn import Call, Continue, Next, Turn
from alphalab.budget import Limits
from alphalab.errors import Refused
from alphalab.messages import Block, Message, StopReason, TextBlock, ToolUseBlock
from alphalab.models import ModelResponse

_NOT_RUN = TextBlock(
    text="Your output reached its maximum length before the calls were complete, so none was run. Make smaller calls, "
    "e.g. write a long file in several parts."
)
_CUT_OFF = frozenset({"max_tokens", "context_window"})


@define(kw_only=True, eq=False)
class Loop:
    """State and steps of one run; the history is valid whenever a step is interrupted."""

    asking: Asking
    runner: ToolRunner
    review: Callable[[Turn], Awaitable[Next]]
    history: History
    limits: Limits
    progress: Progress
    clock: Clock
    started: float
    """Reading of the clock when the run began."""
    form: OutputForm | None = None
    """What the final answer must look like."""
    answering: ModelResponse | None = field(default=None, init=False)
    """The answer that is being appended to the history."""
    sent_tokens: list[int] = field(factory=list[int])
    """Input tokens of each turn so far."""
    text: str = field(default="", init=False)
    """What the run has to say so far."""
    _partial: str = field(default="", init=False)
    """Beginning of an answer whose output was cut off."""
    _was_finished: bool = field(default=False, init=False)
    """Whether the last turn of a run that is taken up again had finished it."""

    @property
    def turns(self) -> int:
        """Answers so far."""
        return len(self.sent_tokens)

    async def run(self, *, said: Message | None = None, stopped: StopReason = "end_turn") -> AgentStop:
        """Work until something ends it, and say what.

        Args:
            said: The last answer of a run that is taken up again; after a pause, its last part.
            stopped: Why that answer had stopped.
        """
        if said is not None:
            ended = await self._follow(said, stopped) if self.history.unanswered else self._finished()
            if ended is not None:
                return ended
        while True:
            limit = self._limit()
            if limit is not None:
                return limit
            try:
                response = await self.asking.ask(self.history)
            except OutOfTime:
                return "time"
            except Refused as error:
                self.text = str(error)
                return "refusal"
            ended = await self._take(response)
            if ended is not None:
                return ended

    def recall(self, begun: int) -> None:
        """Count and remember the turns of a run that is taken up again.

        Args:
            begun: Messages that were there before its first answer.
        """
        for turn, answer in past_turns(self.history, begun):
            self.progress.count(turn)
            told = [block.text for block in answer.content if isinstance(block, TextBlock)]
            self._keep_text(turn.text, turn.calls, cut_off=not turn.calls and told[-1:] == [CUT_OFF])
            objected = bool(told)
            self._was_finished = not objected and bool(turn.calls) and self.progress.finishes("", turn.calls)

    def _finished(self) -> AgentStop | None:
        """What a run ended by that had ended but for the note of it."""
        return "finished" if self._was_finished else None

    def _limit(self) -> AgentStop | None:
        seconds = self.clock.monotonic() - self.started
        return limit_reached(self.limits, turns=self.turns, usage=self.asking.usage, seconds=seconds)

    async def _take(self, response: ModelResponse) -> AgentStop | None:
        self.sent_tokens.append(response.usage.input_tokens)
        message = _with_ids(response.message)
        if not message.content and self.history.unanswered is None:
            message = evolve(message, content=[_NOTHING])
        self.answering = response
        try:
            self.history.answer(message)
        finally:
            self.answering = None
        return await self._follow(message, response.stop_reason)

    async def _follow(self, message: Message, stopped: StopReason) -> AgentStop | None:
        """What an answer leads to: its tools, its review, the end of the run or the next thing the model is told."""
        if stopped == "refusal":
            self.text = message.text
            return self._closed("refusal")
        if stopped == "pause" and not message.tool_uses:
            return None  # the provider goes on when it is sent its own beginning
        cut_off = stopped in _CUT_OFF
        calls = self._not_run(message) if cut_off else await self.runner.run(message.tool_uses, self.history)
        self._keep_text(message.text, calls, cut_off=cut_off)
        said = "" if message.content == (_NOTHING,) else message.text
        turn = Turn(
            index=self.turns,
            message=message,
            calls=calls,
            finishes=not cut_off and self.progress.finishes(said, calls),
            history=self.history,
        )
        return self._told(self.progress.after(turn, await self._reviewed(turn), cut_off=cut_off))

    async def _reviewed(self, turn: Turn) -> Next:
        if turn.finishes and self.form is not None and (problems := self.form.problems(self.text)):
            return Continue(problems)
        return await self.review(turn)

    def _told(self, verdict: Stop | Next) -> AgentStop | None:
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


def _with_ids(message: Message) -> Message:
    """An answer whose calls can be told apart; some servers number them all alike."""
    if len({use.id for use in message.tool_uses}) == len(message.tool_uses):
        return message
    content, taken = list[Block](), set[str]()
    for block in message.content:
        known = isinstance(block, ToolUseBlock) and block.id in taken
        content.append(evolve(block, id=f"call_{uuid4().hex[:24]}") if known else block)
        taken |= {block.id} if isinstance(block, ToolUseBlock) else set()
    return evolve(message, content=content)


_NOTHING = TextBlock(text="(no answer)")
"""Providers refuse a conversation that holds an empty message."""
