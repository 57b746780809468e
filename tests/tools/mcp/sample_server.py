"""A server for the tests, written with the SDK's own class: `python sample_server.py stdio|http [PORT]`."""

import asyncio
import os
import struct
import sys
import zlib
from pathlib import Path

from mcp.server.mcpserver import Image, MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("sample")


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 3, 2, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0\0\0" * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@server.tool()
def add(first: int, second: int) -> str:
    """Add two whole numbers."""
    return f"sum {first + second}"


@server.tool()
def table() -> dict[str, int]:
    """Give structured content."""
    return {"rows": 3}


@server.tool()
def picture() -> Image:
    """Give a picture."""
    return Image(data=png(), format="png")


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("no such column 'west'")


@server.tool()
def variables() -> str:
    """Name the variables of the environment."""
    return " ".join(sorted(os.environ))


@server.tool()
def process() -> str:
    """Give the process id."""
    return str(os.getpid())


@server.tool()
def crash() -> str:
    """End the process in the middle of the call."""
    sys.stderr.write("last words of the server\n")
    sys.stderr.flush()
    os._exit(3)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def crash_once(mark: str) -> str:
    """End the process the first time."""
    if not Path(mark).exists():
        Path(mark).write_text("was here")
        os._exit(3)
    return "second time"


@server.tool()
async def slow(started: str = "") -> str:
    """Take long."""
    if started:
        Path(started).write_text(str(os.getpid()))
    await asyncio.sleep(60)
    return "at last"


if __name__ == "__main__":
    if sys.argv[1] == "http":
        server.run("streamable-http", port=int(sys.argv[2]))
    else:
        server.run("stdio")
