"""One open session with a server; the one place that imports the `mcp` SDK."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from attrs import define

from alphalab.errors import ConfigError, ToolError
from alphalab.tools.mcp.server import McpServer

if TYPE_CHECKING:
    from mcp import Client

_MOST_PAGES = 100


class ConnectionLost(Exception):
    """The server went away before it answered."""


@define(kw_only=True, eq=False)
class Session:
    """Lists and calls; usable from any task of the loop that opened it."""

    client: Client
    over: asyncio.Event
    """Set when the server has closed its side, or ours is to be closed."""

    async def offered(self) -> list[dict[str, Any]]:
        """All tools, as the protocol's JSON."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self.client.list_tools(cursor=cursor)
            found += [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in page.tools]
            cursor = page.next_cursor
            if not cursor:
                return found
        raise ConfigError(f"the list of tools has more than {_MOST_PAGES} pages")

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The answer as the protocol's JSON.

        Raises:
            ConnectionLost: The server went away.
            ToolError: The server refused the call, or its answer does not follow the protocol.
        """
        import anyio  # noqa: PLC0415 - comes with the SDK
        from mcp import MCPError  # noqa: PLC0415 - an optional package
        from mcp_types import CONNECTION_CLOSED  # noqa: PLC0415 - comes with the SDK

        try:
            answer = await self.client.call_tool(name, arguments)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED or _is_gone(error):
                raise ConnectionLost(str(error.message)) from error
            raise ToolError(f"the server refused the call: {error.message}") from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError) as error:
            raise ConnectionLost(str(error) or type(error).__name__) from error
        except (RuntimeError, ValueError) as error:
            raise ToolError(f"the server's answer does not follow the protocol: {error}") from error
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)


def _is_gone(error: Exception) -> bool:
    """Whether a request over HTTP could not be made: the server is down, or has forgotten the session."""
    import httpx2  # noqa: PLC0415 - comes with the SDK

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx2.TransportError):
            return True
        cause = cause.__cause__ or cause.__context__
    return "session terminated" in str(error).lower()


@asynccontextmanager
async def session_with(server: McpServer, stderr: TextIO, over: asyncio.Event) -> AsyncGenerator[Session]:
    """Start or reach a server and greet it; enter and leave it in one task.

    Raises:
        ConfigError: The package is missing.
        Exception: Whatever the SDK raises when it cannot; groups of exceptions too.
    """
    try:
        from mcp import Client, StdioServerParameters, stdio_client  # noqa: PLC0415 - an optional package
        from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigError("tools of MCP servers need the package 'mcp'; pip install 'alphalab[mcp]'") from error
    async with AsyncExitStack() as stack:
        if server.command is not None:
            parameters = StdioServerParameters(
                command=server.command,
                args=list(server.args),
                env=server.environment,
                cwd=server.cwd,
            )
            transport: Any = stdio_client(parameters, errlog=stderr)
        else:
            http = await stack.enter_async_context(_http_client(server.headers))
            transport = streamable_http_client(str(server.url), http_client=http)
        watched: Any = _watched(transport, over)
        client = await stack.enter_async_context(Client(watched))
        yield Session(client=client, over=over)


def _http_client(headers: Mapping[str, str]) -> Any:
    import httpx2  # noqa: PLC0415 - comes with the SDK

    # The SDK's own limits: a server may hold an answer open for minutes.
    return httpx2.AsyncClient(headers=dict(headers), timeout=httpx2.Timeout(30.0, read=300.0))


@asynccontextmanager
async def _watched(transport: Any, over: asyncio.Event) -> AsyncGenerator[tuple[Any, Any]]:
    async with transport as (read, write):
        yield _Watched(read=read, over=over), write


@define(kw_only=True, eq=False)
class _Watched:
    """A stream of the SDK that says when it has ended, which the SDK tells only to those who wait for an answer."""

    read: Any
    over: asyncio.Event

    async def receive(self) -> Any:
        return await self.read.receive()

    async def aclose(self) -> None:
        await self.read.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.read.__anext__()
        except BaseException:
            self.over.set()
            raise

    @property
    def last_context(self) -> Any:
        """Of the last message; the SDK asks for it."""
        return getattr(self.read, "last_context", None)

    async def __aenter__(self) -> Self:
        await self.read.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self.read.__aexit__(kind, error, trace)


def last_lines(stderr: TextIO, *, lines: int = 10, characters: int = 2000) -> str:
    """The end of what a server wrote; read without moving the position, which the server's process shares."""
    number = stderr.fileno()
    size = os.fstat(number).st_size
    text = os.pread(number, characters, max(0, size - characters)).decode(errors="replace")
    return "\n".join(text.strip().splitlines()[-lines:])
