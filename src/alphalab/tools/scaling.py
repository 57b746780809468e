"""Pictures made as small as providers take them, with Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from alphalab.errors import ToolError

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 1568
"""Pixels; Anthropic scales larger ones down itself and refuses some, so more only costs bytes."""
MAX_BYTES = 5_000_000
"""Largest picture that all providers take."""
MAX_PIXELS = 89_478_485
"""Pillow's own bound against decompression bombs: a quarter of a gigabyte at three bytes each."""
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "PNG", "image/webp": "WEBP"}
_PLAIN = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
Sent = tuple[bytes, str, tuple[int, int]]


def fitted(data: bytes, media_type: str, size: tuple[int, int], *, name: str) -> Sent:
    """A picture as it can be sent: unchanged where it fits, else scaled down; the first frame of several.

    Raises:
        ToolError: It is damaged or too large to decode, or needs Pillow and that is not installed.
    """
    if size[0] * size[1] > MAX_PIXELS:
        raise ToolError(f"{name!r} has {size[0]} x {size[1]} pixels, more than {MAX_PIXELS} in all; save it smaller")
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415 - an extra, loaded when a picture is looked at
    except ImportError as error:
        if max(size) <= LONGEST_SIDE and len(data) <= MAX_BYTES:
            return data, media_type, size
        raise ToolError(
            f"{name!r} ({size[0]} x {size[1]} pixels, {len(data)} bytes) is too large to send and Pillow, which scales "
            "it down, is not installed (pip install 'alphalab[plots]'); save it smaller, e.g. with a lower dpi"
        ) from error
    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            if _fits(opened, data):
                return data, media_type, size
            picture = _eight_bits(ImageOps.exif_transpose(opened))
    except (*bombs, OSError, SyntaxError, ValueError, EOFError) as error:
        raise ToolError(f"{name!r} is cut off or damaged: {error}; save it again") from error
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return _encoded(picture, _FORMATS[media_type], name)


def _fits(image: Image, data: bytes) -> bool:
    frames: Any = getattr(image, "n_frames", 1)
    return max(image.size) <= LONGEST_SIDE and len(data) <= MAX_BYTES and image.mode in _PLAIN and frames == 1


def _eight_bits(image: Image) -> Image:
    """RGB or RGBA; 16-bit grey keeps its range instead of being clipped at 255."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L").convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encoded(image: Image, form: str, name: str) -> Sent:
    for kind, options in ((form, {}), ("JPEG", {"quality": 85})):
        stream = io.BytesIO()
        flat = image.convert("RGB") if kind == "JPEG" else image
        flat.save(stream, kind, **options)
        if stream.tell() <= MAX_BYTES:
            return stream.getvalue(), f"image/{kind.lower()}", image.size
    raise ToolError(f"{name!r} is more than {MAX_BYTES} bytes even when scaled down; save it smaller")
