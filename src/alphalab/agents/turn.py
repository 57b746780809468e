"""One turn of an agent, and what a review may say about it."""

from __future__ import annotations

from attrs import field, frozen

from alphalab.agents.history import History
from alphalab.messages import Message, ToolResultBlock, ToolUseBlock


@frozen(kw_only=True)
class Call:
    """One tool call with its answer."""

    use: ToolUseBlock
    result: ToolResultBlock
    seconds: float

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.use.name

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return not self.result.is_error


@frozen(kw_only=True, eq=False)
class Turn:
    """What a model said and did in one turn, after its tools have run."""

    index: int
    """Counts from 1 within the run."""
    message: Message
    calls: tuple[Call, ...] = field(converter=tuple)
    finishes: bool
    """Whether the run ends here unless the review objects."""
    history: History
    """The conversation up to and including this turn."""

    @property
    def text(self) -> str:
        """What the model said beside its calls."""
        return self.message.text


@frozen
class Continue:
    """Go on, and tell the model this."""

    text: str


Next = Continue | None
"""What a review returns: an objection or a hint for the model, or None to let things take their course."""
