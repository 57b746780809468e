"""Asking a search service over HTTP: one bounded answer, or a reason that a model can act upon."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from alphalab._clock import Clock, SystemClock
from alphalab.errors import ToolError

_TIMEOUT_S = 20.0
"""For one answer, from the first byte sent to the last one read."""
_LARGEST = 5_000_000
"""Bytes of an answer after decompression; ten results are some 50 kB."""
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
"""Those that httpx2 unpacks in pieces of bounded size."""
_CODE = re.compile(rb'"code"\s*:\s*"([A-Z][A-Z_]{2,39})"')
"""A service's word for what is wrong. Its sentences are not shown: they would stand outside the marks of outside text,
and may repeat the key."""
_USED_UP = frozenset({402, 432, 433})
"""Nothing left to spend; the last two are Tavily's, for a plan and for what is paid as one goes."""


@define(kw_only=True, eq=False)
class Pace:
    """Spaces requests, as some services ask of all that one machine sends.

    Slots are given out without a lock, so that agents in several event loops can share one.
    """

    gap_s: float
    clock: Clock = field(factory=SystemClock)
    _free: float = field(default=float("-inf"), init=False)

    async def turn(self) -> None:
        """Wait until the next request may start."""
        now = self.clock.monotonic()
        start = max(now, self._free)
        self._free = start + self.gap_s
        if start > now:
            await self.clock.sleep(start - now)


@frozen(kw_only=True)
class Service:
    """Where a search service is, and the key it wants."""

    name: str
    """As messages name it."""
    base_url: str = field(repr=False)
    key_variable: str = ""
    """Environment variable of its key; empty when it has none."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Sent with every request; one of them may be the key."""
    refused: str = ""
    """What a refusal (403) may mean apart from the key."""
    pace: Pace | None = None

    @property
    def address(self) -> str:
        """Where it is, without the user name and password that its address may hold."""
        parts = urlsplit(self.base_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    async def get(self, path: str, **query: str | int) -> bytes:
        """The body of an answer to a GET.

        Raises:
            ToolError: The service cannot be reached or does not want to answer; says what to do.
        """
        return await self._asked("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The body of an answer to a POST of a JSON object.

        Raises:
            ToolError: The service cannot be reached or does not want to answer; says what to do.
        """
        return await self._asked("POST", path, json=dict(body))

    async def _asked(self, method: str, path: str, **what: Any) -> bytes:
        import httpx2  # noqa: PLC0415 - comes with the SDKs; only searching needs it here

        if self.pace is not None:
            await self.pace.turn()
        headers = {"Accept-Encoding": "gzip, deflate", **self.headers}
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),  # httpx2's own limit starts anew with every piece
                httpx2.AsyncClient(timeout=_TIMEOUT_S, headers=headers) as client,
                client.stream(method, f"{self.base_url.rstrip('/')}{path}", **what) as response,
            ):
                body = await self._body(response)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise ToolError(f"{self.name} did not answer within {_TIMEOUT_S:g} s; try again later") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ToolError(f"{self.name} could not be reached ({type(error).__name__}); go on without it") from error
        self._require(response.status_code, response.headers, body)
        return body

    async def _body(self, response: Any) -> bytes:
        if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
            raise ToolError(f"{self.name} packed its answer in a way that was not asked for; go on without it")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise ToolError(f"{self.name} answered with more than {_LARGEST} bytes; ask for fewer results")
        return bytes(body)

    def _require(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        said = _CODE.search(body[:2000])
        code = said[1].decode() if said else ""
        if status in {401, 403} or "TOKEN_INVALID" in code:  # Brave says 422 for a wrong key
            key = f"; the key in {self.key_variable} is missing or not accepted" if self.key_variable else ""
            more = f"; {self.refused}" if self.refused and status == 403 else ""
            raise ToolError(f"{self.name} refuses to search ({status}){key}{more}; go on without it")
        if status == 429:
            raise ToolError(f"{self.name} asks to search less often (429); wait {_wait(headers)} and try again")
        if status in _USED_UP:
            key = f" of the key in {self.key_variable}" if self.key_variable else ""
            raise ToolError(f"{self.name} has nothing left of the plan{key} ({status}); go on without it")
        if 300 <= status < 400:
            raise ToolError(f"{self.name} redirects ({status}); its address {self.address!r} may be wrong")
        if status >= 400:
            word = f" {code}" if code else ""
            raise ToolError(f"{self.name} answered {status}{word}; use fewer, plainer words or go on without it")
        if body[:14].lower().startswith((b"<!doctype html", b"<html")):
            raise ToolError(f"{self.name} answered with a web page; its address {self.address!r} may be wrong")


def _wait(headers: Mapping[str, str]) -> str:
    seconds = headers.get("retry-after", "")
    return f"{seconds} s" if seconds.isascii() and seconds.isdigit() and len(seconds) < 6 else "a minute or so"
