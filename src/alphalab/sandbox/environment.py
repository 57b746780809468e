"""What a command finds around it: variables by allow-list, and the Python it runs with."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import alphalab

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED = ("TZ", "CUDA_VISIBLE_DEVICES")
"""Of the caller's own variables: its time zone, and the GPUs a scheduler gave it."""


def scrubbed(home: Path, temporary: Path, chosen: Mapping[str, str]) -> dict[str, str]:
    """Environment of a command; of the caller's own only `TZ` and `CUDA_VISIBLE_DEVICES` pass through.

    Args:
        home: Home folder, below which caches and settings go.
        temporary: Folder for temporary files.
        chosen: The command's own variables; they win.
    """
    python = Path(sys.executable).parent if sys.executable else None
    environment = {
        "PATH": f"{python}:{_SYSTEM_PATH}" if python else _SYSTEM_PATH,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "MPLCONFIGDIR": str(home / ".config" / "matplotlib"),
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return environment | passed | dict(chosen)


def python_folders() -> tuple[Path, ...]:
    """Folders that the running Python needs for itself, its installed packages and this library."""
    prefixes = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    if sys.executable:  # a link into an installation that the prefixes name by another path
        prefixes.add(Path(sys.executable).resolve().parent.parent)
    packages = {Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    library = {Path(alphalab.__file__).parent}
    wanted = {path for folder in prefixes | packages | library for path in (folder.absolute(), folder.resolve())}
    return tuple(sorted(path for path in wanted if path.is_dir() and len(path.parts) > 1))
