"""Plots of the exploration, with what was found in them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from alphalab.workspace import Workspace

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST = 16
_MOST_BYTES = 2_000_000
"""Of one picture: the page carries them all."""
_MOST_CHARS = 2_000


@frozen(kw_only=True)
class Plot:
    """One picture with its finding."""

    file: str
    """Relative to the workspace."""
    data: bytes
    width: int
    height: int
    title: str
    finding: str
    advice: str


def read_plots(space: Workspace) -> tuple[Plot, ...]:
    """The PNG files of `exploration/plots/`, in the order of their names, each with its note where there is one."""
    folder = space.exploration / "plots"
    found = [_plot(path, space) for path in sorted(folder.glob("*.png"))[:_MOST]]
    return tuple(plot for plot in found if plot is not None)


def _plot(path: Path, space: Workspace) -> Plot | None:
    data = _own_bytes(path, space)
    if data is None or not data.startswith(_PNG) or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    note = _note(space.exploration / "notes" / f"{path.stem}.json", space)
    return Plot(
        file=space.relative(path),
        data=data,
        width=width,
        height=height,
        title=note.get("title") or path.stem.replace("_", " "),
        finding=note.get("finding", ""),
        advice=note.get("advice", ""),
    )


def _note(path: Path, space: Workspace) -> dict[str, str]:
    data = _own_bytes(path, space)
    try:
        value: Any = json.loads(data or b"{}")
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(key): str(item)[:_MOST_CHARS] for key, item in cast("dict[Any, Any]", value).items()}


def _own_bytes(path: Path, space: Workspace) -> bytes | None:
    """A file that really lies in the exploration's folder: an agent could leave a link to something private."""
    real = path.resolve()
    if not real.is_relative_to(space.exploration.resolve()) or not real.is_file():
        return None
    return real.read_bytes() if real.stat().st_size <= _MOST_BYTES else None
