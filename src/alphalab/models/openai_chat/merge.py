"""Putting together the pieces of a value that this library does not know; pure."""

from __future__ import annotations

from typing import Any, cast

_LABELS = frozenset({"index", "type", "id", "name", "format", "role", "signature"})
"""Said again with every piece, or only once; never in parts."""


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """An object with a further piece of it: texts grow, list entries with one `index` are the same, labels stay."""
    found = dict(old)
    for key, value in new.items():
        if value is None or value in ("", []):
            continue
        found[key] = value if key in _LABELS else _joined(found.get(key), value)
    return found


def _joined(old: Any, new: Any) -> Any:
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return merged(cast("dict[str, Any]", old), cast("dict[str, Any]", new))
    if isinstance(new, list):
        return _extended(cast("list[Any]", old) if isinstance(old, list) else [], cast("list[Any]", new))
    return new


def _extended(old: list[Any], new: list[Any]) -> list[Any]:
    found = list(old)
    for entry in new:
        index = cast("dict[str, Any]", entry).get("index") if isinstance(entry, dict) else None
        place = next((at for at, each in enumerate(found) if index is not None and each.get("index") == index), None)
        if place is None:
            found.append(entry)
        else:
            found[place] = merged(found[place], cast("dict[str, Any]", entry))
    return found
