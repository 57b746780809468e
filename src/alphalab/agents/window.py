"""What of a long conversation is still sent to the model.

Every turn sends the conversation again. A provider's cache makes that cheap (a tenth of the price) but not free, and
what is behind a change has to be written to the cache anew, so old outputs are cleared rarely and many at a time. With
outputs of d tokens a turn, K tokens that stay and T at which the clearing begins, a turn costs about
0.05 (T + K) + 1.25 d + 1.25 K d / (T - K) priced tokens, which is flat around T - K = 5 sqrt(K d): 30 to 60 thousand
for outputs of 3,000 tokens. Pictures go first, then outputs of tools, then the middle of the conversation as a whole is
replaced by a summary. The conversation itself stays complete, in memory and on disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, field

from alphalab.agents.clearing import Keep, cleared, gain, size, without_pictures
from alphalab.messages import Message, TextBlock, Usage

CLEAR_SHARE, CLEAR_TOKENS = 0.4, 80_000
"""Share of the window, or tokens, above which old outputs are cleared."""
CLEAR_TO = 0.3
"""Share of that which is left, about."""
ENOUGH = 0.7
"""Share of that below which it is enough to have cleared pictures."""
WORTH = 0.25
"""Share of that which clearing must free; for less, the cache is not given up."""
SUMMARY_SHARE = 0.5
"""Share of the window, or one and a half times the tokens at which clearing begins, above which the middle is
summarised, when clearing was not enough. The rest of the 60 % that a request may fill is room for the question that
asks for the summary and for what estimates are wrong by."""
LARGEST_SHARE = 0.6
"""Share of the window that a request may fill."""
RECENT, LATEST = 6, 2
"""Last messages that are not cleared, and those that stay whole when the window is too small for that."""
APART = 16
"""Messages between two summaries that leave the request as crowded as it was, because the system prompt or the last
messages are what fills it."""
_TOKENS_PER_CHARACTER = 0.3
"""Until the provider has counted; code and numbers run higher than English prose."""


@define(eq=False)
class _Entry:
    """One message of the conversation."""

    whole: Message
    shown: Message
    size: int
    """Characters as shown."""
    gain: int
    """Characters that clearing it would free."""


@define(kw_only=True, eq=False)
class Window:
    """Shows a conversation with its older part cleared, and says when more must go."""

    context_tokens: int
    keep: Keep
    """Stores an output that is cleared."""
    clear_tokens: int = CLEAR_TOKENS
    """Tokens above which clearing begins, where the window's share is more than that."""
    fixed: int = 0
    """Characters of the system prompt and the tools, which every request sends too."""
    _entries: list[_Entry] = field(factory=list[_Entry], init=False)
    summary: str = field(default="", init=False)
    """The text that stands for the messages between the first and those that are shown."""
    _summarised: int = field(default=0, init=False)
    """Messages up to here, but for the first, are behind the summary."""
    _total: int = field(default=0, init=False)
    """Characters shown."""
    _counted: tuple[int, int] | None = field(default=None, init=False)
    """Tokens of the last request by the provider, and the characters it showed."""
    _rate: float = field(default=_TOKENS_PER_CHARACTER, init=False)

    def view(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as they are sent; objects stay the same from call to call, so clients need not encode again."""
        self._follow(messages)
        entries = self._entries[self._summarised :]
        shown = (entry.shown for entry in entries)
        return (self._entries[0].shown, *shown) if self._summarised else tuple(shown)

    def count(self, usage: Usage) -> None:
        """Learn from what the provider counted for the view that was sent last."""
        if usage.input_tokens > 0:
            self._counted = (usage.input_tokens, self._total)
            self._rate = min(1.0, max(0.1, usage.input_tokens / (self._total + self.fixed + 1)))

    @property
    def tokens(self) -> int:
        """Of the next request, about: what was counted last, plus what has come since."""
        if self._counted is None:
            return round(self._rate * (self._total + self.fixed))
        counted, characters = self._counted
        return round(counted + self._rate * (self._total - characters))

    def clear(self, messages: Sequence[Message]) -> None:
        """Clear pictures, then outputs, oldest first, when the request would be larger than it need be."""
        self._follow(messages)
        limit = self._limit
        if self.tokens <= limit:
            return
        freed = self._rate * sum(entry.gain for entry in self._clearable(RECENT))
        if freed >= WORTH * limit:
            self._clear_pictures(RECENT)
            if self.tokens > ENOUGH * limit:
                self._clear(CLEAR_TO * limit, RECENT)
        if self.is_crowded and self._is_due(sum(entry.gain for entry in self._clearable(LATEST))):
            self._clear(CLEAR_TO * limit, LATEST)

    @property
    def _limit(self) -> float:
        return min(CLEAR_SHARE * self.context_tokens, self.clear_tokens)

    @property
    def is_crowded(self) -> bool:
        """Whether the request is larger than clearing alone should leave it."""
        return self.tokens > self._crowded

    @property
    def _crowded(self) -> float:
        return min(SUMMARY_SHARE * self.context_tokens, 1.5 * self.clear_tokens)

    def _is_due(self, characters: int) -> bool:
        """Whether taking these away is worth it, or makes the request small enough, or has to be."""
        freed = self._rate * characters
        helps = freed >= WORTH * self._limit or self.tokens - freed <= self._crowded
        return helps or self.tokens > LARGEST_SHARE * self.context_tokens

    @property
    def needs_summary(self) -> bool:
        """Whether the middle of the conversation has to be summarised, and is large enough for that to be worth it."""
        cut = self.cut if self.is_crowded else None
        if cut is None:
            return False
        entries = self._entries[max(1, self._summarised) : cut]
        middle = self._rate * sum(entry.size for entry in entries)
        helps = self.tokens - middle <= self._crowded
        return middle >= WORTH * self._limit and (helps or len(entries) >= APART)

    @property
    def middle(self) -> slice:
        """The messages that a summary made now would replace, but for those that an earlier one has."""
        return slice(max(1, self._summarised), self.cut)

    @property
    def cut(self) -> int | None:
        """Index of the first message that stays when the middle is summarised now; None when there is no middle."""
        for index in range(len(self._entries) - RECENT + 1, self._summarised + 1, -1):
            if self._entries[index].whole.role == "assistant":
                return index
        return None

    def summarise(self, text: str, cut: int) -> None:
        """Replace what lies between the first message and another by a text."""
        self.summary, first = text, self._entries[0]
        first.shown = evolve(first.whole, content=[*first.whole.content, TextBlock(text=text)])
        first.size, first.gain = size(first.shown), 0
        self._summarised = cut
        self._total = first.size + sum(entry.size for entry in self._entries[cut:])

    def overflowed(self, messages: Sequence[Message]) -> bool:
        """Take the window for smaller than it was said to be, and clear; whether that has made the request smaller."""
        before = self.tokens
        self.context_tokens = round(0.8 * min(self.context_tokens, before))
        self.clear(messages)
        self._clear(0, LATEST)
        return self.tokens < 0.9 * before

    def _follow(self, messages: Sequence[Message]) -> None:
        entries = self._entries
        while entries and (len(entries) > len(messages) or entries[-1].whole is not messages[len(entries) - 1]):
            self._total -= entries.pop().size
        for message in messages[len(entries) :]:
            entries.append(_Entry(message, message, size(message), gain(message)))
            self._total += entries[-1].size

    def _clearable(self, kept: int) -> list[_Entry]:
        return self._entries[max(1, self._summarised) : max(1, len(self._entries) - kept)]

    def _clear_pictures(self, kept: int) -> None:
        for entry in self._clearable(kept):
            self._show(entry, without_pictures(entry.shown))

    def _clear(self, goal: float, kept: int) -> None:
        for entry in self._clearable(kept):
            if self.tokens <= goal:
                return
            if entry.gain:
                self._show(entry, cleared(entry.shown, self.keep))
                entry.gain = 0

    def _show(self, entry: _Entry, message: Message) -> None:
        if message is not entry.shown:
            self._total += size(message) - entry.size
            entry.shown, entry.size, entry.gain = message, size(message), gain(message)
