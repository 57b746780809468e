"""What models are writing at this moment: for those who watch, in pieces, never on record."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from attrs import define, field, frozen

from alphalab._clock import Clock
from alphalab._redaction import Redaction
from alphalab.messages import Delta

_EVERY_S = 0.1
_EVERY_CHARACTERS = 200
_LONGEST_WORD = 4096
"""Characters without white space that are kept back, lest a key be cut in two and pass unseen."""
_CUT = re.compile(r"\s+(?=\S*$)")


@frozen(kw_only=True)
class ModelStreamed:
    """A piece of an answer that a model is writing."""

    agent: str
    role: str
    kind: Literal["text", "thinking", "arguments", "restart"]
    """`restart`: the answer is asked for again, for the reason in the text; what came of it so far is void."""
    text: str
    experiment: str | None = None


LiveSink = Callable[[ModelStreamed], None]


@define(kw_only=True, eq=False)
class LivePieces:
    """Gathers the deltas of one agent into few pieces, without secrets."""

    agent: str
    role: str
    experiment: str | None
    publish: LiveSink
    clock: Clock
    redaction: Redaction = field(factory=Redaction.of_environment)
    _kind: str = field(default="text", init=False)
    _parts: list[str] = field(factory=list[str], init=False)
    _length: int = field(default=0, init=False)
    _told_at: float = field(default=0.0, init=False)

    def take(self, delta: Delta) -> None:
        """Add one delta; tells what has gathered when it is enough, or old enough."""
        if delta.kind == "restart":
            self._drop()
            self._tell("restart", delta.text)
            return
        if delta.kind != self._kind:
            self.flush()
            self._kind = delta.kind
        self._parts.append(delta.text)
        self._length += len(delta.text)
        if self._length >= _EVERY_CHARACTERS or self.clock.monotonic() - self._told_at >= _EVERY_S:
            self._tell_whole_words()

    def flush(self) -> None:
        """Tell all that has gathered, because the answer is complete."""
        text = "".join(self._parts)
        self._drop()
        if text:
            self._tell(self._kind, text)

    def _tell_whole_words(self) -> None:
        text = "".join(self._parts)
        cut = self._cut(text)
        self._parts, self._length = [text[cut:]], 0  # the rest waits for its end, not for two hundred more
        self._told_at = self.clock.monotonic()
        if cut:
            self._tell(self._kind, text[:cut])

    def _cut(self, text: str) -> int:
        """Where a text may be cut without cutting a key."""
        if len(text) > _LONGEST_WORD and not any(mark.isspace() for mark in text):
            return len(text)
        found = _CUT.search(text, max(0, len(text) - _LONGEST_WORD))
        cut = 0 if found is None else found.start()
        for secret in self.redaction.secrets:
            start = text.find(secret[:1], max(0, cut - len(secret))) if " " in secret else -1
            cut = min(cut, start) if start >= 0 else cut
        return text.rfind(" ", 0, cut) + 1 if text[:cut].endswith("earer") else cut

    def _drop(self) -> None:
        self._parts, self._length = [], 0

    def _tell(self, kind: str, text: str) -> None:
        piece = ModelStreamed(
            agent=self.agent,
            role=self.role,
            kind=kind,  # pyright: ignore[reportArgumentType] - one of a delta's
            text=self.redaction.text(text),
            experiment=self.experiment,
        )
        self.publish(piece)
