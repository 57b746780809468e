"""Looking at pictures."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from alphalab.errors import ToolError
from alphalab.messages import ImageBlock
from alphalab.tools.base import ToolContext, tool
from alphalab.tools.files import plain_errors, regular_file
from alphalab.tools.scaling import fitted

MAX_BYTES = 50_000_000
"""Largest file that is read; what is sent is made smaller. A PNG of noise, the worst there is, takes 1.0 s and 150 MiB
in all at this size, and up to 2.3 s and 330 MiB at twice of it; a plot at 600 dpi has 1 MB."""
Size = tuple[int, int]
_NOT_A_SIZE = frozenset({0xC4, 0xC8, 0xCC})
"""JPEG markers in the range of frame headers that are none: Huffman tables, reserved, arithmetic coding."""


@tool(parallel=True)
async def view_image(ctx: ToolContext, path: str) -> ImageBlock:
    """Look at a PNG, JPEG, GIF or WebP picture, e.g. a plot; a large one is scaled down.

    Args:
        path: Relative to the working folder, or absolute.
    """
    found = regular_file(ctx, path)
    with plain_errors(path):
        size = found.stat().st_size
        if size > MAX_BYTES:
            raise ToolError(f"{path!r} has {size} bytes, more than {MAX_BYTES}; save it smaller, e.g. with a lower dpi")
        data = found.read_bytes()
    known = image_size(data)
    if known is None:
        raise ToolError(f"{path!r} is not a PNG, JPEG, GIF or WebP picture; save it as PNG")
    data, media_type, (width, height) = await asyncio.to_thread(fitted, data, *known, name=path)
    return ImageBlock(data=data, media_type=media_type, width=width, height=height)


def image_size(data: bytes) -> tuple[str, Size] | None:
    """Media type, width and height in pixels from a picture's header; None when it is not one we know."""
    for media_type, read in _READERS.items():
        try:
            size = read(data)
        except (struct.error, IndexError):
            continue  # cut off inside its header
        if size is not None and min(size) > 0:
            return media_type, size
    return None


def _png(data: bytes) -> Size | None:
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[12:16] != b"IHDR":
        return None
    return struct.unpack(">II", data[16:24])


def _gif(data: bytes) -> Size | None:
    return struct.unpack("<HH", data[6:10]) if data[:6] in {b"GIF87a", b"GIF89a"} else None


def _jpeg(data: bytes) -> Size | None:
    """Size from the first frame header (ITU T.81, B.2.2); segments before it are skipped by their length."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_A_SIZE:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return width, height
        (length,) = struct.unpack(">H", data[position + 2 : position + 4])
        position += 2 + length
    return None


def _webp(data: bytes) -> Size | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", data[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
}
