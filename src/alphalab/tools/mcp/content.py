"""What a server answers, as blocks for a model."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from alphalab.errors import ToolError
from alphalab.messages import ImageBlock, TextBlock
from alphalab.tools.images import MAX_BYTES, image_size
from alphalab.tools.untrusted import untrusted

Blocks = tuple[TextBlock | ImageBlock, ...]


def blocks_of(answer: Mapping[str, Any], *, source: str) -> Blocks:
    """Blocks of a `CallToolResult`, whose text is marked as coming from outside.

    Args:
        answer: The result as the protocol has it.
        source: Whose it is, for the marks.

    Raises:
        ToolError: The server says that the call failed; the message is what it says, marked likewise.
    """
    found = tuple(_block(each) for each in answer.get("content") or ())
    structured = answer.get("structuredContent")
    if structured is not None and not any(isinstance(block, TextBlock) for block in found):
        # Servers repeat it as text for clients that do not know it; only where they do not is it needed.
        found = (*found, TextBlock(text=json.dumps(structured, ensure_ascii=False)))
    if answer.get("isError"):
        said = _joined(found)
        raise ToolError(untrusted(said, source=source) if said else "the server says that the call failed, and not why")
    return _marked(found, source)


def _marked(blocks: Blocks, source: str) -> Blocks:
    # Texts that follow each other get one pair of marks: some servers send a block for every item of a list.
    found: list[TextBlock | ImageBlock] = []
    for is_text, run in groupby(blocks, key=lambda block: isinstance(block, TextBlock)):
        together = tuple(run)
        found += [TextBlock(text=untrusted(_joined(together), source=source))] if is_text else together
    return tuple(found)


def _joined(blocks: Blocks) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


def _block(content: Mapping[str, Any]) -> TextBlock | ImageBlock:
    kind = content.get("type")
    if kind == "text":
        return TextBlock(text=content["text"])
    if kind == "image":
        return _picture(content["data"], content.get("mimeType", "?"))
    if kind == "resource":
        return _resource(content["resource"])
    if kind == "resource_link":
        return TextBlock(text=f"[resource {content.get('name', '')!r} at {content['uri']}]")
    return TextBlock(text=f"[{kind} of type {content.get('mimeType', '?')}, which cannot be shown]")


def _resource(resource: Mapping[str, Any]) -> TextBlock | ImageBlock:
    if "text" in resource:
        return TextBlock(text=f"[{resource['uri']}]\n{resource['text']}")
    media_type = str(resource.get("mimeType", "?"))
    if media_type.startswith("image/"):
        return _picture(resource["blob"], media_type)
    return TextBlock(text=f"[{resource['uri']}: bytes of type {media_type}, which cannot be shown]")


def _picture(encoded: str, media_type: str) -> TextBlock | ImageBlock:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return TextBlock(text=f"[a picture of type {media_type} whose base64 is broken]")
    known = image_size(data) if len(data) <= MAX_BYTES else None
    if known is None:
        return TextBlock(
            text=f"[a picture of type {media_type} with {len(data)} bytes, which cannot be shown: only PNG, JPEG, GIF "
            f"and WebP up to {MAX_BYTES} bytes can]"
        )
    kind, (width, height) = known
    return ImageBlock(data=data, media_type=kind, width=width, height=height)
