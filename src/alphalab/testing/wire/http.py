"""As much HTTP/1.1 as the wire servers need, over asyncio's streams."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from attrs import define

_LONGEST = 64 * 1024 * 1024


@define(eq=False)
class Connection:
    """One client's connection; requests come one after the other."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def receive(self) -> tuple[str, str, dict[str, str], bytes] | None:
        """Method, path, headers and body of the next request; None when the client is gone."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            size = int(headers.get("content-length", "0"))
            if size > _LONGEST:
                return None
            body = await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        method, path, _ = first.split(" ", 2)
        return method, path.partition("?")[0], headers, body

    async def answer(self, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        """Send a whole response."""
        await self.send(_head(status, content_type, {**headers, "content-length": str(len(body))}) + body)

    async def begin(self, content_type: str) -> None:
        """Send the head of a response whose body comes in chunks."""
        await self.send(_head(200, content_type, {"transfer-encoding": "chunked"}))

    async def chunk(self, data: bytes) -> None:
        """Send one chunk; an empty one ends the response."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def send(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            ConnectionError: The client is gone.
        """
        if self.reader.at_eof():
            raise ConnectionResetError("the client closed the connection")
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client closes the connection."""
        while not self.reader.at_eof():
            if not await self.reader.read(1):
                return

    def close(self) -> None:
        """End the connection."""
        self.writer.close()


def _head(status: int, content_type: str, headers: dict[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded"
    lines = [f"HTTP/1.1 {status} {phrase}", f"content-type: {content_type}", "x-request-id: req_wire"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
