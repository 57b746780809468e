"""Request bodies whose messages are turned into JSON once, when they first appear.

The SDKs' typed calls walk the whole conversation again on every call; here a turn costs what is new in it, plus the
copy of the bytes that are sent. It also keeps the beginning of each request byte for byte the same, which is what the
providers' caches ask for.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from alphalab.messages import Message

_KEPT = 64
"""Conversations whose encodings are kept; the one used longest ago goes first."""


def encode_json(value: Any) -> bytes:
    """Compact JSON in UTF-8; halves of surrogate pairs, which no provider takes, become question marks.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="replace")


def finite_number(written: str) -> float:
    """A number of what a model wrote as JSON, for `json.loads`.

    Raises:
        ValueError: JSON has no such number (`NaN`, `Infinity`, one too large for a float); it could not be sent back.
    """
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written} is not finite")
    return number


@define(eq=False)
class Conversations:
    """Encoded messages of growing conversations.

    Args:
        encode: One message as JSON; empty when the provider is to see nothing of it.
    """

    _encode: Callable[[Message], bytes]
    _known: OrderedDict[str, list[tuple[Message, bytes]]] = field(
        factory=OrderedDict[str, list[tuple[Message, bytes]]], init=False
    )

    def encoded(self, conversation: str, messages: Sequence[Message]) -> list[bytes]:
        """Each message as JSON, in order.

        Args:
            conversation: Which one they are of; what was encoded for it before is used again as long as the very same
                objects come first.
            messages: All of it, old and new.
        """
        known = self._known.get(conversation, [])
        same = 0
        for (message, _), now in zip(known, messages, strict=False):
            if message is not now:
                break
            same += 1
        known = [*known[:same], *((message, self._encode(message)) for message in messages[same:])]
        if conversation:
            self._remember(conversation, known)
        return [encoded for _, encoded in known]

    def _remember(self, conversation: str, known: list[tuple[Message, bytes]]) -> None:
        self._known[conversation] = known
        self._known.move_to_end(conversation)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
