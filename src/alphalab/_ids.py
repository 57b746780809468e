"""Names and seeds that follow from what they stand for, so that a restart finds the same ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

EXPERIMENT_PREFIX = "exp-"


def experiment_id(number: int) -> str:
    """Id of the n-th experiment of a campaign, e.g. `exp-0007`."""
    return f"{EXPERIMENT_PREFIX}{number:04d}"


def digest(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form, hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative POSIX path; byte-code caches are left out.

    A link counts as the place it names and is not followed, so that neither its coming nor its going is missed.
    """
    found = {path.relative_to(folder): path for path in sorted(folder.rglob("*"))}
    return {
        name.as_posix(): digest({"link": str(path.readlink())}) if path.is_symlink() else file_digest(path)
        for name, path in found.items()
        if (path.is_symlink() or path.is_file()) and "__pycache__" not in name.parts
    }


def derive_seed(seed: int, *labels: str | int) -> int:
    """A 32-bit seed for one purpose, independent of the order in which others are drawn."""
    return int(digest([seed, *labels])[:8], 16)
