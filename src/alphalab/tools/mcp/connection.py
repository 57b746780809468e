"""A connection that outlives its server; a task of its own holds each session, so that any task may call."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any, cast

from attrs import define, field

from alphalab._redaction import Redaction
from alphalab.errors import ConfigError, ToolError
from alphalab.tools.mcp.client import ConnectionLost, Session, last_lines, session_with
from alphalab.tools.mcp.server import McpServer


@define(kw_only=True, eq=False)
class Connection:
    """One server; connects at the first need and again when the server has gone."""

    server: McpServer
    start_limit_s: float
    """Seconds until a server must have answered the greeting."""
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _session: Session | None = field(default=None, init=False)
    _holder: asyncio.Task[None] | None = field(default=None, init=False)
    _last_words: str = field(default="", init=False)

    async def session(self) -> Session:
        """The open session, or a new one.

        Raises:
            ToolError: The server cannot be started, reached or understood.
        """
        async with self._lock:
            if self._session is not None and not self._session.over.is_set():
                return self._session
            await self._end()
            return await self._open()

    async def call(self, name: str, arguments: dict[str, Any], *, repeatable: bool) -> dict[str, Any]:
        """One call; when the server is lost, one that may be repeated is made once more.

        Raises:
            ToolError: It failed, or the server was lost.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise ToolError(
                f"{self.server.label} was connected in another event loop; use 'await agent.run(...)' inside "
                "'async with mcp_tools(...)', not run_sync"
            )
        for attempt in range(2 if repeatable else 1):
            session = await self.session()
            try:
                return await session.call(name, arguments)
            except ConnectionLost as error:
                session.over.set()
                await self._lost()
                if repeatable and attempt == 0:
                    continue
                raise ToolError(
                    f"{self.server.label} was lost during the call of {name!r} ({error}); the call may have taken "
                    f"effect. The next call connects anew.{self._said()}"
                ) from error
        raise AssertionError("the loop returns or raises")

    async def close(self) -> None:
        """End the server's process or the HTTP session, also when cancelled meanwhile; takes seconds at most."""
        await self._end()

    async def _lost(self) -> None:
        async with self._lock:
            if self._session is not None and self._session.over.is_set():
                await self._end()

    async def _open(self) -> Session:
        ready: asyncio.Future[Session] = self._loop.create_future()
        over = asyncio.Event()
        self._holder = asyncio.create_task(self._hold(ready, over), name=self.server.label)
        try:
            async with asyncio.timeout(self.start_limit_s):
                self._session = await ready
        except TimeoutError as error:
            await self._give_up()
            raise ToolError(
                f"{self.server.label} did not answer within {self.start_limit_s:.0f} s{self._said()}"
            ) from error
        except asyncio.CancelledError:
            await self._give_up()
            raise
        return self._session

    async def _hold(self, ready: asyncio.Future[Session], over: asyncio.Event) -> None:
        """Open a session, wait until it is over and close it, all in one task, as the SDK demands."""
        with tempfile.TemporaryFile("w+") as stderr:
            problem = ""
            try:
                async with session_with(self.server, stderr, over) as session:
                    ready.set_result(session)
                    await over.wait()
            except Exception as error:  # noqa: BLE001 - a task boundary; what the SDK raises depends on the transport
                problem = _in_words(error)
                failure = error
            else:
                failure = None
            self._last_words = self._redacted(last_lines(stderr))
        if failure is not None and not ready.done():
            if isinstance(failure, ConfigError):
                ready.set_exception(failure)
            else:
                text = f"{self.server.label} cannot be used: {self._redacted(problem)}{self._said()}"
                ready.set_exception(ToolError(text))

    async def _give_up(self) -> None:
        if self._holder is not None:
            self._holder.cancel()
        await self._end()

    async def _end(self) -> None:
        """Let the holding task close the session, whatever happens to the task that waits here."""
        holder, session = self._holder, self._session
        self._holder = self._session = None
        if session is not None:
            session.over.set()
        cancelled: asyncio.CancelledError | None = None
        while holder is not None and not holder.done():
            try:
                await asyncio.wait([holder])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _redacted(self, text: str) -> str:
        return Redaction((*self.server.secrets, *Redaction.of_environment().secrets)).text(text)

    def _said(self) -> str:
        return f" Its last words:\n{self._last_words}" if self._last_words else ""


def _in_words(error: BaseException) -> str:
    """The first thing that went wrong, out of groups in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return f"{type(error).__name__}: {error}"[:500]
