"""A model that answers what a test or an example wrote down."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import evolve

from alphalab.errors import ReplayMismatch
from alphalab.messages import Block, Delta, Message, TextBlock, ToolUseBlock, Usage
from alphalab.models.base import Capabilities, Model, ModelRequest, ModelResponse, OnDelta

Answer = Message | str | ToolUseBlock | Sequence[TextBlock | ToolUseBlock] | ModelResponse | Exception
Step = Answer | Callable[[ModelRequest], "Answer | Awaitable[Answer]"]
"""One call's answer: a text, tool calls, a message, a whole response, an exception to raise, or a function that
looks at the request and returns one of these (or a coroutine of one)."""


class ScriptedModel(Model):
    """Answers call by call from a list of steps, and fails on a call that has none.

    Args:
        steps: One per call, in order.
        name: As messages and the ledger name it.
        usage: Of every answer that does not bring its own.
        capabilities: What it claims to be able to do.

    Example:
        >>> model = ScriptedModel([ScriptedModel.call("read_file", path="notes.md"), "It says 42."])
    """

    def __init__(
        self,
        steps: Sequence[Step],
        name: str = "scripted",
        *,
        usage: Usage | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.name = name
        self.capabilities = capabilities or Capabilities(is_language_model=False)
        self.requests: list[ModelRequest] = []
        """Everything that was asked, in order."""
        self._steps = tuple(steps)
        self._usage = usage or Usage(calls=1)
        self._calls = 0

    @staticmethod
    def call(tool: str, /, **arguments: Any) -> ToolUseBlock:
        """A tool call; the model numbers it when it gets its turn."""
        return ToolUseBlock(id="", name=tool, input=arguments)

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """The next step.

        Raises:
            ReplayMismatch: The script has ended.
        """
        number = len(self.requests)
        self.requests.append(request)
        if number >= len(self._steps):
            raise ReplayMismatch(
                f"scripted model {self.name!r} got call {number + 1}, but its script has {len(self._steps)} step(s); "
                f"the last message was {_last(request)!r}"
            )
        response = self._response(await _answer(self._steps[number], request))
        if on_delta is not None and response.message.text:
            on_delta(Delta(kind="text", text=response.message.text))
        return response

    def assert_done(self) -> None:
        """See that every step was used.

        Raises:
            ReplayMismatch: Steps are left over.
        """
        unused = self._steps[len(self.requests) :]
        if unused:
            raise ReplayMismatch(
                f"scripted model {self.name!r} has {len(unused)} unused step(s) of {len(self._steps)}; "
                f"next: {unused[0]!r}"
            )

    def _response(self, answer: Answer) -> ModelResponse:
        if isinstance(answer, ModelResponse):
            return evolve(answer, message=self._numbered(answer.message.content))
        if isinstance(answer, str):
            message = Message.assistant(TextBlock(text=answer))
        elif isinstance(answer, Message):
            message = self._numbered(answer.content)
        elif isinstance(answer, ToolUseBlock):
            message = self._numbered((answer,))
        elif isinstance(answer, Exception):
            raise answer
        else:
            message = self._numbered(answer)
        stop_reason = "tool_use" if message.tool_uses else "end_turn"
        return ModelResponse(message=message, stop_reason=stop_reason, usage=self._usage, model=self.name)

    def _numbered(self, blocks: Sequence[Block]) -> Message:
        return Message.assistant(*[self._with_id(block) for block in blocks])

    def _with_id(self, block: Block) -> Block:
        if not isinstance(block, ToolUseBlock) or block.id:
            return block
        self._calls += 1
        return evolve(block, id=f"call-{self._calls}")


async def _answer(step: Step, request: ModelRequest) -> Answer:
    if not callable(step):
        return step
    answer = step(request)
    return await answer if inspect.isawaitable(answer) else answer


def _last(request: ModelRequest) -> str:
    if not request.messages:
        return ""
    return " | ".join(getattr(block, "text", type(block).__name__)[:200] for block in request.messages[-1].content)
