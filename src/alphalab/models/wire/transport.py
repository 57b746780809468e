"""Posting a prepared body through a provider's SDK and reading what comes back.

The SDK keeps what it is good at (addresses, keys, headers, proxies, the connection pool); its typed request and answer
are left out, as they walk the whole conversation on each call. Its own retries are off: `RetryingModel` waits.
"""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen

from alphalab.errors import ModelError, ModelUnavailable
from alphalab.models.wire.failures import failure_of
from alphalab.models.wire.sse import EventLines

_IDLE_S = 600.0
"""Seconds without a byte: what the SDKs allow, and a local server takes as long to read a long prompt on CPUs."""
_WHOLE_S = 3600.0
"""Seconds for one answer; a stream that drips on for ever ends here."""
_HTML = ("<!doctype", "<html")


@frozen(kw_only=True)
class Endpoint:
    """A provider as one SDK reaches it."""

    provider: str
    """As messages name it."""
    key_variable: str
    """Environment variable of the key."""
    make_client: Callable[[], Any]
    """A new asynchronous client of the SDK, its own retries off."""
    sdk: Any
    """The SDK's module, for its error classes."""
    response: type[Any]
    """Class of an unread HTTP response, which the SDK returns as it is."""
    secrets: tuple[str, ...] = field(default=(), converter=tuple, repr=False)
    """Kept out of messages."""
    idle_s: float = _IDLE_S
    whole_s: float = _WHOLE_S


@define(kw_only=True, eq=False)
class Transport:
    """Sends bodies to one endpoint; holds one client per event loop, because connections belong to a loop."""

    endpoint: Endpoint
    _clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = field(
        factory=weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any], init=False
    )

    async def read(self, path: str, body: bytes, take: Callable[[dict[str, Any]], None]) -> None:
        """Send a body and hand on the JSON objects of the answer as they arrive.

        Args:
            path: Below the client's base URL.
            body: JSON, complete.
            take: Called once for each server-sent event, or once with the whole answer of a server that does not
                stream.

        Raises:
            ModelError: Of the kind that the status, the body or the network says. Cancelling closes the connection.
        """
        timer = asyncio.timeout(self.endpoint.whole_s)
        try:
            async with timer:
                await self._read(path, body, take)
        except ModelError as error:
            error.args = (self._clean(str(error)),)  # it may quote an answer that quotes the key
            raise
        except Exception as error:  # noqa: BLE001 - whatever goes wrong on the way becomes one of our errors
            late = isinstance(error, TimeoutError) and timer.expired()
            failure = self._too_long() if late else self._translated(error)
            # A provider's answer may quote the key, so its own error does not come along.
            raise failure from (None if isinstance(error, self.endpoint.sdk.APIStatusError) else error)

    async def aclose(self) -> None:
        """Close the client of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def _read(self, path: str, body: bytes, take: Callable[[dict[str, Any]], None]) -> None:
        response = await self._client().post(
            path,
            content=body,
            cast_to=self.endpoint.response,
            stream=True,
            stream_cls=self.endpoint.sdk.AsyncStream[object],
            options={"timeout": self._timeout(), "max_retries": 0},
        )
        try:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/event-stream":
                await self._stream(response, take)
            else:
                take(self._whole(kind, await response.aread()))
        finally:
            await response.aclose()

    async def _stream(self, response: Any, take: Callable[[dict[str, Any]], None]) -> None:
        lines = EventLines()
        async for chunk in response.aiter_bytes():
            for data in lines.feed(chunk):
                if data != b"[DONE]":
                    take(self._object(data))
        if lines.is_cut:
            raise ModelUnavailable(f"{self.endpoint.provider} broke its answer off in the middle of an event")

    def _object(self, data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except ValueError as error:
            raise ModelUnavailable(
                f"{self.endpoint.provider} sent an event that is not JSON: {data[:200]!r}"
            ) from error
        if not isinstance(found, dict):
            raise ModelUnavailable(f"{self.endpoint.provider} sent an event that is not a JSON object: {data[:200]!r}")
        return found  # pyright: ignore[reportUnknownVariableType]

    def _whole(self, kind: str, content: bytes) -> dict[str, Any]:
        text = content.decode(errors="replace").strip()
        if kind == "text/html" or text[:9].lower().startswith(_HTML):
            raise ModelError(
                f"{self._client().base_url} answered with a web page, not with an API's answer: {text[:120]!r}; check "
                "base_url (compatible servers usually end in /v1)"
            )
        try:
            return self._object(content)
        except ModelUnavailable as error:
            raise ModelUnavailable(
                f"{self.endpoint.provider} answered with {kind or 'no content type'}, not with events: {text[:200]!r}"
            ) from error

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = self.endpoint.make_client()
        return client

    def _timeout(self) -> Any:
        return self.endpoint.sdk.Timeout(self.endpoint.idle_s, connect=15.0)

    def _too_long(self) -> ModelError:
        return ModelUnavailable(f"{self.endpoint.provider} was still writing after {self.endpoint.whole_s:g} s")

    def _translated(self, error: Any) -> ModelError:
        sdk, where = self.endpoint.sdk, self.endpoint
        if isinstance(error, sdk.APIStatusError):
            failure = failure_of(
                _body(error),
                provider=where.provider,
                key_variable=where.key_variable,
                status=error.status_code,
                headers=error.response.headers,
            )
        elif isinstance(error, sdk.APITimeoutError) or "Timeout" in type(error).__name__:
            failure = ModelUnavailable(f"{where.provider} sent nothing for {where.idle_s:g} s")
        elif isinstance(error, sdk.APIConnectionError | OSError) or type(error).__module__.startswith("httpx"):
            cause = error.__cause__ or error
            failure = ModelUnavailable(f"the connection to {where.provider} failed: {type(cause).__name__}: {cause}")
        else:
            failure = ModelError(f"the call to {where.provider} failed: {type(error).__name__}: {error}")
        return type(failure)(self._clean(str(failure)), **vars(failure))

    def _clean(self, message: str) -> str:
        for secret in self.endpoint.secrets:
            message = message.replace(secret, "[redacted]")
        return message


def _body(error: Any) -> Any:
    """The error's JSON, or its text when it is none."""
    return error.body if error.body is not None else error.response.text
