"""A server's tools as tools of ours."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from alphalab.errors import ConfigError, ToolError
from alphalab.tools.base import Tool, ToolOutput
from alphalab.tools.mcp.arguments import GivenArguments, cut
from alphalab.tools.mcp.connection import Connection
from alphalab.tools.mcp.content import blocks_of
from alphalab.tools.mcp.server import McpServer

_LONGEST_NAME = 64
_LONGEST_DESCRIPTION = 2000


@asynccontextmanager
async def mcp_tools(
    server: McpServer,
    *,
    names: Sequence[str] | None = None,
    prefix: str | None = None,
    time_limit_s: float = 60.0,
    start_limit_s: float = 30.0,
) -> AsyncGenerator[list[Tool]]:
    """Connect to a server and offer its tools; leaving ends the server's process or session.

    Args:
        server: A command or a URL.
        names: Which of its tools, by the server's names; all when left out.
        prefix: Put before each name with an underscore, so that two servers' tools can be told apart.
        time_limit_s: Wall-clock limit of one call.
        start_limit_s: Wall-clock limit of connecting.

    Raises:
        ConfigError: The server is described wrongly, cannot be started or reached, or does not offer a name.
    """
    server.require()
    connection = Connection(server=server, start_limit_s=start_limit_s)
    try:
        offered = await _offered(connection, start_limit_s)
        chosen = offered if names is None else _chosen(server, offered, names)
        yield _tools(connection, chosen, prefix, time_limit_s)
    finally:
        await connection.close()


async def _offered(connection: Connection, limit_s: float) -> list[dict[str, Any]]:
    label = connection.server.label
    try:
        session = await connection.session()
        async with asyncio.timeout(limit_s):
            return await session.offered()
    except ToolError as error:
        raise ConfigError(str(error)) from error
    except TimeoutError as error:
        raise ConfigError(f"{label} did not list its tools within {limit_s:.0f} s") from error
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{label} does not list its tools: {error}") from error


def _chosen(server: McpServer, offered: Iterable[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    by_name = {each["name"]: each for each in offered}
    missing = [name for name in names if name not in by_name]
    if missing:
        there = ", ".join(by_name) or "nothing"
        raise ConfigError.of(server.label, [f"{name!r} is not offered; it offers: {there}" for name in missing])
    return [by_name[name] for name in dict.fromkeys(names)]


def _tools(
    connection: Connection, offered: Iterable[Mapping[str, Any]], prefix: str | None, time_limit_s: float
) -> list[Tool]:
    taken: set[str] = set()
    found: list[Tool] = []
    for each in offered:
        name = valid_name(each["name"] if prefix is None else f"{prefix}_{each['name']}", taken)
        taken.add(name)
        found.append(_tool(connection, each, name, time_limit_s))
    return found


def valid_name(wanted: str, taken: set[str]) -> str:
    """A name that providers accept and nobody else has."""
    plain = re.sub(r"[^a-zA-Z0-9_-]", "_", wanted)[:_LONGEST_NAME] or "tool"
    name, number = plain, 1
    while name in taken:
        number += 1
        ending = f"_{number}"
        name = f"{plain[: _LONGEST_NAME - len(ending)]}{ending}"
    return name


def _tool(connection: Connection, offered: Mapping[str, Any], name: str, time_limit_s: float) -> Tool:
    theirs: str = offered["name"]
    hints: Mapping[str, Any] = offered.get("annotations") or {}
    harmless = bool(hints.get("readOnlyHint"))

    async def call(**arguments: Any) -> ToolOutput:
        try:
            async with asyncio.timeout(time_limit_s):
                repeatable = harmless or bool(hints.get("idempotentHint"))
                answer = await connection.call(theirs, arguments, repeatable=repeatable)
        except TimeoutError as error:
            raise ToolError(f"{name} did not answer within {time_limit_s:g} s; ask for less at a time") from error
        return blocks_of(answer, source=f"{theirs} of {connection.server.label}")

    said = offered.get("description") or offered.get("title") or f"{theirs} of {connection.server.label}"
    return Tool(
        name=name,
        description=cut(str(said), _LONGEST_DESCRIPTION),
        function=call,
        arguments=GivenArguments.of(name, offered.get("inputSchema") or {}),
        parallel=harmless,
        time_limit_s=None,  # its own limit, above, says more
    )
