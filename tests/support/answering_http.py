"""A local HTTP server that gives prepared answers and keeps what it was asked."""

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    body: bytes = b""
    status: int = 200
    kind: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Close the connection before the body is complete."""


@dataclass
class Server:
    base_url: str
    asked: list[Asked] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    reply: Callable[[Asked], Reply] | None = None
    """Instead of the prepared ones."""


def events(objects: Iterable[dict], *, done: bool = False) -> Reply:
    """Server-sent events, one for each object."""
    lines = [f"data: {json.dumps(each)}\n\n" for each in objects]
    return Reply(body="".join([*lines, "data: [DONE]\n\n" if done else ""]).encode())


def whole(value: object, status: int = 200, **headers: str) -> Reply:
    """One JSON object."""
    return Reply(body=json.dumps(value).encode(), status=status, kind="application/json", headers=headers)


@asynccontextmanager
async def serving():
    connections: set[asyncio.Task] = set()

    async def serve(reader, writer):
        connections.add(asyncio.current_task())
        try:
            while (asked := await _read(reader)) is not None:
                server.asked.append(asked)
                reply = server.reply(asked) if server.reply is not None else server.replies.pop(0)
                writer.write(_written(reply))
                await writer.drain()
                if reply.cut:
                    break
        except asyncio.CancelledError:
            return  # the test is over; asyncio would report a cancelled connection as a fault
        finally:
            connections.discard(asyncio.current_task())
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = Server(base_url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")
    async with listening:
        yield server
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def _read(reader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(path=first.split()[1], headers=headers, body=body)


def _written(reply: Reply) -> bytes:
    length = len(reply.body) + (100 if reply.cut else 0)
    headers = {"content-type": reply.kind, "content-length": str(length), **reply.headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + reply.body
