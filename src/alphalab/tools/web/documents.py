"""What a server sent, as text: which kind it is, its characters, and what a child process reads out of it."""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import re
import sys
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from alphalab.errors import ToolError

Kind = Literal["html", "pdf", "text"]
MEMORY_BYTES = 2 << 30
"""Address space of the process that reads a document; a page of 20 MB takes 260 MB of it."""
_TEXTS = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/toml",
        "application/x-ndjson",
        "application/x-sh",
        "application/x-tex",
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/csv",
    }
)
_UNNAMED = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-download", "*/*"})
_EXTRACT = Path(__file__).with_name("extract.py")
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")


def _encodable(text: str) -> str:
    # Halves of surrogate pairs, which PDFs hold and UTF-8 does not, would fail later, when a model is asked.
    return text.encode(errors="replace").decode()


@frozen(kw_only=True)
class Document:
    """What can be read in a document."""

    title: str = field(default="", converter=_encodable)
    text: str = field(converter=_encodable)
    note: str = ""
    """What is missing, in our words."""


def kind_named(content_type: str) -> Kind | None:
    """Kind by a Content-Type header; None where it says nothing and the bytes must tell.

    Raises:
        ToolError: It is of a kind that cannot be read as text.
    """
    media_type = content_type.split(";", maxsplit=1)[0].strip().lower()
    if media_type in {"text/html", "application/xhtml+xml"}:
        return "html"
    if media_type in {"application/pdf", "application/x-pdf"}:
        return "pdf"
    if media_type.startswith("text/") or media_type in _TEXTS or media_type.endswith(("+json", "+xml")):
        return "text"
    if media_type in _UNNAMED:
        return None
    raise ToolError(
        f"it is of type {media_type[:100]!r}; only HTML, PDF, plain text, JSON, CSV and the like can be read"
    )


def kind_seen(data: bytes, named: Kind | None) -> Kind:
    """Kind by the first bytes, where they say something else than the header or the header says nothing."""
    start = data[:1024].lstrip().lower()
    if start.startswith(b"%pdf-"):
        return "pdf"
    if named is not None:
        return named
    return "html" if re.match(rb"(<!--.*?-->\s*)*<(!doctype html|html)\b", start, re.DOTALL) else "text"


_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WESTERN = frozenset({"ascii", "iso8859-1"})
"""What authors who name these mean is windows-1252, as the WHATWG's encoding standard says."""
_CHARSETS = re.compile(r"(utf-(8|16|32)|iso8859|cp\d|windows|koi8|mac-|gb|big5|euc|shift_jis|iso2022|johab|hz|tis).*")


def decoded(data: bytes, content_type: str, kind: Kind) -> str:
    """Characters, by byte order mark, header, `meta` of HTML, then UTF-8, then windows-1252, which never fails.

    Raises:
        ToolError: It is not text.
    """
    text = _decoded(data, _charset(data, content_type, kind))
    if "\x00" in text and kind == "text":
        raise ToolError("it holds bytes that are not text; only HTML, PDF, plain text, JSON and CSV can be read")
    return text


def _decoded(data: bytes, charset: str | None) -> str:
    if charset is not None:
        return data.decode(charset, "replace").removeprefix("\ufeff")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _charset(data: bytes, content_type: str, kind: Kind) -> str | None:
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    found = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type, re.IGNORECASE)
    if found is None and kind == "html":
        found = re.search(r"<meta[^>]+charset\s*=\s*[\"']?([\w.:-]+)", data[:4096].decode("latin-1"), re.IGNORECASE)
    return _known(found[1]) if found else None


def _known(charset: str) -> str | None:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    if name in _WESTERN:
        return "cp1252"
    # Python's list also has compressors and escapes (zip, punycode), which no page means.
    return name if _CHARSETS.fullmatch(name) and name != "utf-8" else None


async def read_document(data: bytes, content_type: str, *, address: str, seconds: float) -> Document:
    """Text of a document.

    Args:
        data: Its bytes.
        content_type: What the server said about them.
        address: Where they come from; links are relative to it.
        seconds: How long reading may take.

    Raises:
        ToolError: It cannot be read.
    """
    kind = kind_seen(data, kind_named(content_type))
    if kind == "pdf":
        return await _extracted(data, kind, address, seconds)
    text = decoded(data, content_type, kind)
    if kind == "text":
        return Document(text=text, note="" if text.strip() else "there is nothing in it")
    return await _extracted(text.encode(errors="replace"), kind, address, seconds)


async def _extracted(data: bytes, kind: Kind, address: str, seconds: float) -> Document:
    arguments = [kind, address, f"{max(seconds, 1.0):.0f}", str(MEMORY_BYTES)]
    # -P: this folder must not come before the standard library, one of whose modules is named http.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", str(_EXTRACT), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        printed, _ = await process.communicate(data)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ToolError(f"reading this {kind} document took too long or too much memory (exit {process.returncode})")
    found = json.loads(printed)
    if "problem" in found:
        raise ToolError(f"this {kind} document cannot be read: {found['problem']}")
    return Document(**found)


def _environment() -> dict[str, str]:
    # No keys for a process that reads strangers' files; the path of modules, for pypdf.
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
