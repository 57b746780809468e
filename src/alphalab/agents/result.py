"""What an agent run gave."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from alphalab.messages import Message, Usage

AgentStop = Literal[
    "finished",
    "text",
    "turns",
    "tokens",
    "cost",
    "time",
    "repeats",
    "nudges",
    "refusal",
    "context",
    "model_error",
    "cancelled",
    "error",
]
"""Why a run ended. `finished`: by a finishing tool; `text`: by an answer without tool calls; `turns`, `tokens`, `cost`,
`time`: at that limit; `repeats`: the same failing call again and again; `nudges`: turn after turn without work;
`refusal`: the model declined. `context` (the conversation cannot be made to fit the model's window), `model_error`,
`cancelled` and `error` stand in events and transcripts only: there, `run` raises."""


@frozen(kw_only=True)
class AgentResult:
    """What an agent run gave."""

    text: str
    """The finishing tool's answer (for `finish`, the summary), or the last text."""
    messages: tuple[Message, ...] = field(converter=tuple, repr=False)
    usage: Usage
    """Of all calls, those of sub-agents included."""
    turns: int
    stop_reason: AgentStop
    sent_tokens: tuple[int, ...] = field(default=(), converter=tuple)
    """Input tokens of each turn, cached ones included, as the provider counted them."""
    output: Any = None
    """The answer as an instance of the agent's `output` class; None without one, or when no answer fitted it."""

    @property
    def completed(self) -> bool:
        """Whether the agent itself ended the run, rather than a limit."""
        return self.stop_reason in {"finished", "text"}
