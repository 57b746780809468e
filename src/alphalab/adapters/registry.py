"""Adapters by name or by folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from alphalab.adapters.base import MANIFEST, DomainAdapter
from alphalab.errors import AdapterError

BUILT_IN = {"traffic": "alphalab.adapters.traffic:TrafficAdapter"}
"""Name to class, imported when asked for; a package can be extended by a folder of one's own."""


def load_adapter(
    source: str | Path | DomainAdapter,
    *,
    options: Mapping[str, Any] | None = None,
    kind: type[DomainAdapter] | None = None,
) -> DomainAdapter:
    """An adapter from a built-in name, a folder, or one that is already made.

    Args:
        source: `traffic`, a folder with a manifest, or an adapter, which is returned as it is.
        options: The adapter's settings by name.
        kind: Class for a folder; by default the built-in class whose name the manifest carries, else `DomainAdapter`.

    Raises:
        AdapterError: Unknown name, or everything that is wrong with the folder.
    """
    if isinstance(source, DomainAdapter):
        return source
    if str(source) in BUILT_IN:
        return built_in(str(source)).from_folder(built_in_folder(str(source)), options=options)
    folder = Path(source).expanduser()
    if (folder / MANIFEST).is_file():
        return (kind or _class_for(folder)).from_folder(folder, options=options)
    raise AdapterError(
        f"unknown adapter {str(source)!r}; built in: {', '.join(BUILT_IN)}; or pass a folder that holds {MANIFEST}"
    )


def class_path(kind: type[DomainAdapter]) -> str:
    """Where another process finds an adapter's class, as `module:name`.

    Raises:
        AdapterError: No other process can: it was made in a notebook, a script or a function.
    """
    path = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or "<locals>" in path:
        raise AdapterError(
            f"adapter class {kind.__qualname__!r} lives in {kind.__module__}, where the processes that score cannot "
            "find it; put it into a module of its own and import it from there"
        )
    return path


def import_class(path: str) -> type[DomainAdapter]:
    """The class that `class_path` named.

    Raises:
        AdapterError: Its module is not to be found from here.
    """
    module, _, name = path.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise AdapterError(
            f"adapter class {path!r} cannot be imported ({error}); run where its module can be found, e.g. from the "
            "folder of the script that made the campaign"
        ) from error
    return found


def built_in(name: str) -> type[DomainAdapter]:
    """Class of a built-in adapter."""
    return import_class(BUILT_IN[name])


def built_in_folder(name: str) -> Path:
    """Where a built-in adapter's files are."""
    return Path(__file__).parent / name


def _class_for(folder: Path) -> type[DomainAdapter]:
    """A folder customised from a built-in adapter keeps that adapter's behaviour, by the manifest's name."""
    name = str(tomllib.loads((folder / MANIFEST).read_text()).get("name"))
    return built_in(name) if name in BUILT_IN else DomainAdapter
