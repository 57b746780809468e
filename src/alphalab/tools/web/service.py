"""Asking a search service over HTTP: one bounded answer, or a reason that a model can act upon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from alphalab.errors import ToolError

_TIMEOUT_S = 20.0
_LARGEST = 5_000_000
"""Bytes of an answer; ten results are some 50 kB."""


@frozen(kw_only=True)
class Service:
    """Where a search service is, and the key it wants."""

    name: str
    """As messages name it."""
    base_url: str
    key_variable: str = ""
    """Environment variable of its key; empty when it has none."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Sent with every request; one of them may be the key."""

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

        try:
            async with (
                httpx2.AsyncClient(timeout=_TIMEOUT_S, headers=dict(self.headers)) as client,
                client.stream(method, f"{self.base_url.rstrip('/')}{path}", **what) as response,
            ):
                body = await self._body(response)
        except httpx2.TimeoutException as error:
            raise ToolError(f"{self.name} did not answer within {_TIMEOUT_S:g} s; try again later") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ToolError(f"{self.name} could not be reached ({type(error).__name__}); go on without it") from error
        self._require(response.status_code, response.headers, body)
        return body

    async def _body(self, response: Any) -> bytes:
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise ToolError(f"{self.name} answered with more than {_LARGEST} bytes; ask for fewer results")
        return body

    def _require(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if status in {401, 403}:
            key = f"; the key in {self.key_variable} is missing or not accepted" if self.key_variable else ""
            raise ToolError(f"{self.name} refuses to search ({status}){key}; go on without it")
        if status == 429:
            wait = f"{headers['retry-after']} s" if "retry-after" in headers else "a minute or so"
            raise ToolError(f"{self.name} asks to search less often (429); wait {wait} and try again")
        if status >= 400:
            said = body[:200].decode(errors="replace")
            raise ToolError(f"{self.name} answered {status}: {said!r}; change the query or go on without it")
        if body[:14].lower().startswith((b"<!doctype html", b"<html")):
            raise ToolError(f"{self.name} answered with a web page; its address {self.base_url!r} may be wrong")
