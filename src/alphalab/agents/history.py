"""A conversation that is valid at every moment: no tool call without an answer, no two turns of one side in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from attrs import define, evolve, field

from alphalab.messages import Block, Message, TextBlock, ToolResultBlock, ToolUseBlock

INTERRUPTED = "The run was interrupted before this call had an answer; it may have had an effect."


@define(kw_only=True, eq=False)
class History:
    """The messages of one agent run, or of several that follow each other."""

    _messages: list[Message] = field(factory=list[Message], converter=list[Message])
    on_message: Callable[[Message], None] | None = None
    """Called with each message once it is complete; an answer that goes on after a pause comes in parts."""
    on_result: Callable[[ToolResultBlock], None] | None = None
    """Called with each tool's answer as soon as it is there, before the message that holds it is complete."""
    _results: dict[str, ToolResultBlock] = field(factory=dict[str, ToolResultBlock], init=False)

    @classmethod
    def restored(cls, messages: Iterable[Message], results: Iterable[ToolResultBlock]) -> History:
        """A conversation as a transcript holds it.

        Args:
            messages: Complete messages, in order; parts of one answer are put together again.
            results: Answers to calls of the last message.
        """
        history = cls()
        for message in messages:
            if message.role == "assistant":
                history.answer(message)
            else:
                history._restore(message)
        for result in results:
            history.record(result)
        return history

    def become(self, other: History) -> None:
        """Hold what another conversation holds."""
        self._messages, self._results = list(other._messages), dict(other._results)

    @property
    def complete(self) -> tuple[Message, ...]:
        """The messages so far; calls of the last one may be without an answer."""
        return tuple(self._messages)

    @property
    def messages(self) -> tuple[Message, ...]:
        """Everything so far; calls that have no answer yet are shown as interrupted."""
        answers = self._answers()
        return (*self._messages, Message(role="user", content=answers)) if answers else tuple(self._messages)

    def calls(self, name: str, *, failed: bool = False) -> int:
        """How often a tool was called with success.

        Args:
            name: The tool's name.
            failed: Count calls that ended in an error, too.
        """
        names = dict[str, str]()
        counts: Counter[str] = Counter()
        for block in self._blocks():
            if isinstance(block, ToolUseBlock):
                names[block.id] = block.name
            elif isinstance(block, ToolResultBlock) and (failed or not block.is_error):
                counts[names.get(block.tool_use_id, "")] += 1
        return counts[name]

    def say(self, text: str) -> None:
        """Close the user's turn with a text, after the results of all tool calls."""
        self._close(TextBlock(text=text))

    def answer(self, message: Message) -> None:
        """Append what the model said; what follows an answer that paused becomes one message with it."""
        if self._messages and self._messages[-1].role == "assistant":
            self._messages[-1] = evolve(message, content=(*self._messages[-1].content, *message.content))
            self._told(message)
        else:
            self._append(message)

    def record(self, result: ToolResultBlock) -> None:
        """Note the answer to one tool call of the last message."""
        self._results[result.tool_use_id] = result
        if self.on_result is not None:
            self.on_result(result)

    def recorded(self, tool_use_id: str) -> ToolResultBlock | None:
        """The answer to a call of the last message, if there is one already."""
        return self._results.get(tool_use_id)

    @property
    def unanswered(self) -> Message | None:
        """The last message, when it is the model's and what follows from it has not been closed."""
        last = self._messages[-1] if self._messages else None
        return last if last is not None and last.role == "assistant" else None

    def close(self) -> None:
        """Complete the user's turn with the results so far; a call without one is answered as interrupted."""
        self._close()

    def _blocks(self) -> Iterable[Block]:
        for message in self._messages:
            yield from message.content
        yield from self._results.values()

    def _answers(self) -> tuple[ToolResultBlock, ...]:
        uses = self._messages[-1].tool_uses if self._messages else ()
        return tuple(self._results.get(use.id) or _interrupted(use) for use in uses)

    def _close(self, *more: Block) -> None:
        content = (*self._answers(), *more)
        self._results.clear()
        if not content:
            return
        if self._messages and self._messages[-1].role == "user":
            content = (*self._messages.pop().content, *content)
        self._append(Message(role="user", content=content))

    def _append(self, message: Message) -> None:
        self._messages.append(message)
        self._told(message)

    def _restore(self, message: Message) -> None:
        """Append a user's message; one that follows another holds the other as its beginning."""
        if self._messages and self._messages[-1].role == "user":
            self._messages.pop()
        self._messages.append(message)

    def _told(self, message: Message) -> None:
        if self.on_message is not None:
            self.on_message(message)


def is_valid(messages: Sequence[Message]) -> bool:
    """Whether sides take turns and each call is answered once, in the next message."""
    turns = all(one.role != after.role for one, after in pairwise(messages))
    asked = [()] + [[use.id for use in message.tool_uses] for message in messages]
    answered = [
        [block.tool_use_id for block in message.content if isinstance(block, ToolResultBlock)] for message in messages
    ]
    return turns and all(sorted(a) == sorted(b) for a, b in zip(asked, [*answered, ()], strict=True))


def _interrupted(use: ToolUseBlock) -> ToolResultBlock:
    return ToolResultBlock(tool_use_id=use.id, content=(TextBlock(text=INTERRUPTED),), is_error=True)
