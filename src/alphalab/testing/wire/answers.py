"""What a wire server answers, in one form for all providers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

Stop = Literal["end_turn", "tool_use", "max_tokens", "context_window", "pause", "refusal", "stop_sequence"]


@frozen
class Say:
    """Text of the answer."""

    text: str


@frozen
class Think:
    """Thinking that must come back as it was sent, where the format has such a rule."""

    text: str
    proof: str = ""
    """Signature or encrypted content; empty lets the server make one."""


@frozen
class Call:
    """One tool call."""

    name: str
    arguments: dict[str, Any] | str = field(factory=dict[str, Any])
    """An object, or raw text that need not be JSON."""
    id: str = ""
    """Empty lets the server make one."""

    @property
    def raw(self) -> str:
        """The arguments as the model wrote them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@frozen
class Unknown:
    """A block or item of a kind that no client knows, sent as it is; chat puts its keys into the message."""

    data: dict[str, Any]


Part = Say | Think | Call | Unknown


@frozen(kw_only=True)
class Answer:
    """One answer of a model."""

    content: tuple[Part, ...] = field(default=(Say("ok"),), converter=tuple)
    stop: Stop | None = None
    """None: `tool_use` when there is a call, else `end_turn`."""
    input_tokens: int | None = None
    """All of them; None counts a token for four bytes of the request."""
    cached_tokens: int | None = None
    """None asks the simulated cache."""
    output_tokens: int | None = None
    """None counts a token for four characters of the content."""
    reasoning_tokens: int = 0
    pieces: int = 3
    """Deltas that each text is streamed in."""

    @property
    def reason(self) -> Stop:
        """Why the model stopped."""
        return self.stop or ("tool_use" if any(isinstance(part, Call) for part in self.content) else "end_turn")

    @property
    def written_tokens(self) -> int:
        """Output tokens, reasoning included."""
        if self.output_tokens is not None:
            return self.output_tokens
        return self.reasoning_tokens + max(1, sum(map(_characters, self.content)) // 4)


@frozen(kw_only=True)
class Counted:
    """Input tokens of one request, as the provider would bill them."""

    input_tokens: int
    """All of them."""
    cached: int = 0
    written: int = 0
    """Written to the cache, where that is billed apart."""


@frozen(kw_only=True, eq=False)
class Received:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    raw: bytes
    body: dict[str, Any]
    """Empty when the raw body is no JSON object."""
    connection: int
    """Which connection it came on, counted from 0."""
    number: int
    """Which request of the server it is, counted from 0."""


def cut(text: str, pieces: int) -> list[str]:
    """A text in at most so many pieces of about one length."""
    size = max(1, -(-len(text) // max(1, pieces)))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _characters(part: Part) -> int:
    match part:
        case Say(text) | Think(text):
            return len(text)
        case Call():
            return len(part.name) + len(part.raw)
        case Unknown(data):
            return len(json.dumps(data))
