"""The providers' prompt caches, simulated from what a server received; a token stands for four bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from attrs import define, field

from alphalab.testing.wire.answers import Counted

_LOOKBACK = 20
"""Blocks before a cache point in which Anthropic looks for an earlier one."""
_FIRST, _STEP = 1024, 128
"""OpenAI caches prefixes of 1024 tokens and more, in steps of 128."""
_BYTES = 4
_PREFIXES = 4096


def tokens(size: int) -> int:
    """Tokens that so many bytes stand for."""
    return size // _BYTES


@define(eq=False)
class PointCache:
    """Anthropic's: what is written ends at a cache point; what is read is the longest prefix written before.

    Args:
        minimum: Tokens below which a prefix is not cached.
    """

    minimum: int = 1024
    _written: set[bytes] = field(factory=set[bytes], init=False)

    def count(self, raw: bytes, body: dict[str, Any]) -> Counted:
        """Tokens of one request, which is remembered."""
        digests, sizes, points = _prefixes(body)
        total = tokens(len(raw))
        usable = [at for at in points if tokens(sizes[at]) >= self.minimum]
        found = [
            before
            for at in usable
            for before in range(at, max(-1, at - _LOOKBACK), -1)
            if digests[before] in self._written
        ]
        cached = tokens(sizes[max(found)]) if found else 0
        end = tokens(sizes[max(usable)]) if usable else 0
        self._written.update(digests[at] for at in usable)
        return Counted(input_tokens=max(total, end), cached=cached, written=max(0, end - cached))


@define(eq=False)
class PrefixCache:
    """OpenAI's: the longest prefix of any earlier request, in steps; nothing is billed for writing."""

    _seen: dict[bytes, None] = field(factory=dict[bytes, None], init=False)

    def count(self, raw: bytes, body: dict[str, Any]) -> Counted:
        """Tokens of one request, which is remembered."""
        key = f"{body.get('model')}/{body.get('prompt_cache_key')}".encode()
        hashing, cached, prefix = hashlib.blake2b(key, digest_size=16), 0, _prompt(body)
        start = 0
        for end in range(_FIRST, tokens(len(prefix)) + 1, _STEP):
            hashing.update(prefix[start * _BYTES : end * _BYTES])
            start, digest = end, hashing.digest()
            if digest in self._seen:
                cached = end
            self._seen[digest] = None
        return Counted(input_tokens=max(tokens(len(raw)), cached), cached=cached)


def _prompt(body: dict[str, Any]) -> bytes:
    """What the model reads, in the order it reads it: tools, then instructions, then the conversation."""
    names = ("tools", "instructions", "input", "messages")
    return b"".join(json.dumps(body[name], separators=(",", ":")).encode() for name in names if name in body)


def _prefixes(body: dict[str, Any]) -> tuple[list[bytes], list[int], list[int]]:
    """Digest and size of the prefix up to each block, and which blocks are cache points."""
    hashing = hashlib.blake2b(str(body.get("model")).encode(), digest_size=16)
    digests, sizes, points, size = list[bytes](), list[int](), list[int](), 0
    for block in _blocks(body):
        bare = {key: value for key, value in block.items() if key != "cache_control"}
        written = json.dumps(bare, separators=(",", ":")).encode()
        hashing.update(written)
        size += len(written)
        if block.get("cache_control"):
            points.append(len(digests))
        digests.append(hashing.digest())
        sizes.append(size)
    if body.get("cache_control") and digests:  # automatic caching puts the point on the last block
        points.append(len(digests) - 1)
    return digests, sizes, points


def _blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    """All blocks in the order that the cache sees: tools, system, messages."""
    system: str | list[dict[str, Any]] = body.get("system") or []
    blocks: list[dict[str, Any]] = [*body.get("tools", [])]
    blocks += [{"type": "text", "text": system}] if isinstance(system, str) else system
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        blocks += [{"role": message["role"], **part} for part in parts]
    return blocks
