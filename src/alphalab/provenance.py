"""Where a number came from: code, packages, machine."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from alphalab._ids import digest, tree_digests
from alphalab._version import __version__

_PACKAGES = ("numpy", "torch", "triton", "attrs", "cattrs", "fsspec", "anthropic", "openai")


@cache
def package_digest() -> str:
    """SHA-256 over the source files of this library as installed."""
    root = Path(__file__).parent
    return digest({name: value for name, value in tree_digests(root).items() if not name.endswith(".pyc")})


def environment() -> dict[str, Any]:
    """Versions and machine facts that a score depends on; the same on every call in one environment."""
    return {
        "alphalab": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
    }


def machine() -> dict[str, Any]:
    """What the machine is, for reports; not part of any hash."""
    return {
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "executable": sys.executable,
        "processor": platform.processor() or platform.machine(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
