"""Where a number came from: code, packages, machine."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from alphalab._ids import digest, tree_digests
from alphalab._version import __version__

_PACKAGES = ("numpy", "torch", "triton", "attrs", "cattrs", "fsspec", "anthropic", "openai")


_SCORING = ("scorer.py", "evaluation/", "sandbox/", "adapters/", "candidates.py", "commands.py", "measurement.py")
_SCORING_ALSO = ("_serde.py", "_ids.py", "_statistics.py", "resources.py", "workspace.py")


@cache
def sources() -> dict[str, str]:
    """SHA-256 of every source file of this library as installed, by path below `alphalab/`."""
    return tree_digests(Path(__file__).parent)


@cache
def package_digest() -> str:
    """SHA-256 over all sources of this library."""
    return digest(sources())


@cache
def scoring_sources() -> dict[str, str]:
    """Those of the library's sources that a score depends on: a change elsewhere does not touch what was measured."""
    return {name: value for name, value in sources().items() if name.startswith((*_SCORING, *_SCORING_ALSO))}


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
        "processor": platform.processor() or platform.machine(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
