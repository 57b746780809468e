"""Running the tool calls of one turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from attrs import define, field

from alphalab._clock import Clock
from alphalab._redaction import Redaction, encodable
from alphalab.agents.history import History
from alphalab.agents.turn import Call
from alphalab.errors import EvaluationTampered, ToolError
from alphalab.events import Emit, Noticed, ToolCalled
from alphalab.messages import ImageBlock, TextBlock, ToolResultBlock, ToolUseBlock
from alphalab.tools import Tool, ToolContext, shorten
from alphalab.tools.output import show

Content = tuple[TextBlock | ImageBlock, ...]
LONGEST = 40_000
"""Characters of one output that a model sees, for tools that set no limit of their own; about 10 000 tokens."""
_LEAST = 200
"""Characters of one of many texts."""
_MARGIN = 500


@define(kw_only=True, eq=False)
class ToolRunner:
    """Runs calls, answers each in the history as soon as it has ended, and reports it."""

    tools: Mapping[str, Tool]
    context: ToolContext
    agent: str
    role: str
    emit: Emit
    clock: Clock
    images: bool
    """Whether the model can look at pictures."""
    deadline: float | None = None
    """Reading of the clock at which the run's time is up."""
    turn_characters: int = 200_000
    """Characters of all outputs of one turn that a model sees; several calls share them."""
    redaction: Redaction = field(factory=Redaction.of_environment)

    async def run(self, uses: Sequence[ToolUseBlock], history: History) -> tuple[Call, ...]:
        """All calls of a turn: together when each of them may run beside others, else one after the other.

        A failing tool is a result for the model to read. Only cancellation and `EvaluationTampered` come through.
        """
        limit = min(LONGEST, self.turn_characters // max(1, len(uses)))
        if len(uses) > 1 and all(use.name in self.tools and self.tools[use.name].parallel for use in uses):
            return await self._together(uses, history, limit)
        return tuple([await self._one(use, history, limit) for use in uses])

    async def _together(self, uses: Sequence[ToolUseBlock], history: History, limit: int) -> tuple[Call, ...]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(use, history, limit)) for use in uses]
        except BaseExceptionGroup as errors:
            raise _tampered(errors) or errors.exceptions[0] from errors
        return tuple(self._ended(task, use, history) for task, use in zip(tasks, uses, strict=True))

    def _ended(self, task: asyncio.Task[Call], use: ToolUseBlock, history: History) -> Call:
        """What a call gave; one that cancelled its own task ends neither the others nor the run."""
        if not task.cancelled():
            return task.result()
        known = history.recorded(use.id)
        if known is not None:
            return Call(use=use, result=known, seconds=0.0)
        content, failed = self._defect(self.tools[use.name], asyncio.CancelledError("it cancelled its own task"))
        call = self.settled(use, content, failed=failed)
        history.record(call.result)
        return call

    async def _one(self, use: ToolUseBlock, history: History, limit: int) -> Call:
        known = history.recorded(use.id)
        if known is not None:
            return Call(use=use, result=known, seconds=0.0)  # from before the run was cut off
        started = self.clock.monotonic()
        content, failed = await self._outcome(use, limit)
        call = self.settled(use, content, failed=failed, seconds=self.clock.monotonic() - started)
        history.record(call.result)
        if _is_cancelled():
            raise asyncio.CancelledError  # the tool kept it to itself
        return call

    def settled(self, use: ToolUseBlock, content: Content, *, failed: bool, seconds: float = 0.0) -> Call:
        """A call with its answer, reported."""
        result = ToolResultBlock(tool_use_id=use.id, content=content, is_error=failed)
        self.emit(
            ToolCalled(
                agent=self.agent,
                role=self.role,
                tool=self._brief(use.name, 100),
                arguments=self._brief(json.dumps(use.input, ensure_ascii=False, default=str), 500),
                ok=not failed,
                summary=self._brief(result.text, 300),
                seconds=seconds,
            )
        )
        return Call(use=use, result=result, seconds=seconds)

    def _brief(self, text: str, limit: int) -> str:
        """The beginning of a text without secrets; a margin keeps one that crosses the limit whole until it is seen."""
        return self.redaction.text(text[: limit + _MARGIN])[:limit]

    async def _outcome(self, use: ToolUseBlock, limit: int) -> tuple[Content, bool]:
        tool = self.tools.get(use.name)
        if tool is None:
            return _text(f"there is no tool {use.name!r}; available: {', '.join(sorted(self.tools)) or 'none'}"), True
        if use.malformed is not None:
            return _text(_not_json(use.malformed)), True
        timer = asyncio.timeout(self._limit(tool))
        try:
            async with timer:
                output: Any = await tool.call(self.context, use.input)
            return self._content(tool, output, limit), False
        except ToolError as error:
            return _text(shorten(str(error), LONGEST)), True
        except EvaluationTampered:
            raise
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            return self._defect(tool, error)  # something inside the tool was cancelled, not this run
        except Exception as error:  # a defect in one tool must not end a campaign
            tampered = _tampered(error)
            if tampered is not None:
                raise tampered from error
            if isinstance(error, TimeoutError) and timer.expired():
                return _text(f"{use.name} was ended at its time limit; ask for less at a time"), True
            return self._defect(tool, error)

    def _limit(self, tool: Tool) -> float | None:
        left = None if self.deadline is None else max(0.0, self.deadline - self.clock.monotonic())
        return min((limit for limit in (tool.time_limit_s, left) if limit is not None), default=None)

    def _defect(self, tool: Tool, error: BaseException) -> tuple[Content, bool]:
        words = f"{type(error).__name__}: {_words(error)}"
        self.emit(
            Noticed(
                level="warning",
                message=f"tool {tool.name!r} of {self.agent} failed unexpectedly: {self._brief(words, 300)}",
                facts={"tool": tool.name, "agent": self.agent, "error": type(error).__name__},
            )
        )
        return _text(f"{tool.name} failed through a fault of its own, not of your call: {shorten(words, 2000)}"), True

    def _content(self, tool: Tool, output: Any, limit: int) -> Content:
        blocks: tuple[Any, ...] = cast("tuple[Any, ...]", output) if isinstance(output, tuple) else (output,)
        texts = sum(not isinstance(block, ImageBlock) for block in blocks)
        each = max(_LEAST, limit // max(1, texts))  # an MCP server may answer with a hundred of them
        return tuple(self._block(tool, block, each) for block in blocks) or _text("(no output)")

    def _block(self, tool: Tool, block: Any, limit: int) -> TextBlock | ImageBlock:
        if isinstance(block, ImageBlock):
            seen = f"a picture of {block.width}x{block.height} pixels; this model cannot look at pictures"
            return block if self.images else TextBlock(text=seen)
        text = block.text if isinstance(block, TextBlock) else block
        if not isinstance(text, str):
            raise TypeError(
                f"it returned {type(text).__name__}; a tool returns text, a TextBlock, an ImageBlock or a tuple"
            )
        return TextBlock(text=show(self.context, tool.name, encodable(text), limit) or "(no output)")


def _tampered(error: BaseException) -> EvaluationTampered | None:
    """The tampering that a group of errors is about, if it is."""
    if not isinstance(error, BaseExceptionGroup):
        return None
    inside = cast("tuple[BaseException, ...]", error.exceptions)  # pyright: ignore[reportUnknownMemberType]
    found = (each if isinstance(each, EvaluationTampered) else _tampered(each) for each in inside)
    return next((each for each in found if each is not None), None)


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - what a foreign error does when asked for its words is no reason to end a run
        return "(it cannot say why)"


def _text(text: str) -> Content:
    return (TextBlock(text=encodable(text) or "it failed without saying why"),)


def _not_json(written: str) -> str:
    try:
        json.loads(written)
        what = "they are JSON, but not an object"
    except (ValueError, RecursionError) as error:
        what = str(error)
    return (
        f"the arguments are not a JSON object, so nothing was run ({what}); you wrote {shorten(written, 1000)!r}; "
        "send the call again with all arguments in one complete JSON object"
    )


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
