"""Pictures made as small as providers take them, with Pillow."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

from alphalab.errors import ToolError

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 1568
"""Pixels; Anthropic scales larger ones down itself and refuses some, so more only costs bytes."""
MAX_BYTES = 3_900_000
"""Largest picture that all providers take: Anthropic's models on other clouds count 5 MiB after base64."""
MAX_PIXELS = 50_000_000
"""A transparent picture of that size takes 1.1 s and 450 MiB to scale, any other one half of it."""
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "PNG", "image/webp": "WEBP"}
_PLAIN = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
_SCALABLE = frozenset({"I;16", "L", "RGB", "RGBA"})
_ORIENTATION = 0x0112
"""EXIF's tag of how the camera was held; 1 is upright."""
_ONE_AT_A_TIME = threading.Lock()
"""Calls of one turn run side by side; so the memory is that of one picture."""
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
    # Pillow warns of damage that it can live with; where warnings are errors, the picture is refused.
    damage = (Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError, Warning)
    try:
        with _ONE_AT_A_TIME, Image.open(io.BytesIO(data)) as opened:
            upright = opened.getexif().get(_ORIENTATION, 1) == 1
            opened.draft(None, (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))  # lets a large JPEG be decoded at a fraction
            opened.load()
            if upright and opened.size == size and _fits(opened, data):
                return data, media_type, size
            picture = ImageOps.exif_transpose(_scaled(opened))
    except damage as error:
        raise ToolError(f"{name!r} is cut off or damaged: {error}; save it again") from error
    return _encoded(picture, _FORMATS[media_type], name)


def _fits(image: Image, data: bytes) -> bool:
    frames: Any = getattr(image, "n_frames", 1)
    return max(image.size) <= LONGEST_SIDE and len(data) <= MAX_BYTES and image.mode in _PLAIN and frames == 1


def _eight_bits(image: Image) -> Image:
    """RGB or RGBA; 16-bit grey keeps its range instead of being clipped at 255."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L").convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _scaled(image: Image) -> Image:
    # Scaling comes before every step that copies: of 50 million pixels each copy is 200 MB.
    picture = image if image.mode in _SCALABLE else _eight_bits(image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return _eight_bits(picture)


def _encoded(image: Image, form: str, name: str) -> Sent:
    for kind, options in ((form, {}), ("JPEG", {"quality": 85})):
        stream = io.BytesIO()
        (_on_white(image) if kind == "JPEG" else image).save(stream, kind, **options)
        if stream.tell() <= MAX_BYTES:
            return stream.getvalue(), f"image/{kind.lower()}", image.size
    raise ToolError(f"{name!r} is more than {MAX_BYTES} bytes even when scaled down; save it smaller")


def _on_white(image: Image) -> Image:
    """As it looks on paper; JPEG has no transparency, and what lies under it is often black."""
    if image.mode != "RGBA":
        return image
    paper = image.copy()
    paper.paste((255, 255, 255, 255), (0, 0, *image.size))
    paper.alpha_composite(image)
    return paper.convert("RGB")
