"""The seal: a hash over everything a score depends on, checked before every score."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from alphalab._ids import digest, file_digest, tree_digests
from alphalab._serde import dumps, loads
from alphalab.errors import ConfigError, EvaluationTampered, EvaluationUnsealed
from alphalab.provenance import environment, scoring_sources
from alphalab.workspace import Workspace, write_atomic

SEAL = "seal.json"
TRACES = "traces"
CONFIRM = "confirm"
"""Folders below `private/` that scoring itself writes; not part of the seal."""


@frozen(kw_only=True)
class Seal:
    """What was sealed."""

    digest: str
    """SHA-256 over all the rest but the time."""
    files: dict[str, str]
    """SHA-256 by path relative to the workspace."""
    scorer: dict[str, str]
    """SHA-256 of the library's own sources that a score depends on, by path below `alphalab/`."""
    environment: dict[str, Any]
    options: dict[str, Any]
    """The adapter's options in force."""
    sealed_at: datetime


def sealed_files(workspace: Workspace) -> dict[str, str]:
    """Digests of the files a score depends on: package, visible and held-out data, manifest and baselines."""
    baselines = tree_digests(workspace.adapter / "baselines")
    found = {f"adapter/baselines/{name}": value for name, value in baselines.items()}
    for folder in (workspace.evaluation, workspace.data, workspace.private):
        found |= {f"{folder.name}/{name}": value for name, value in tree_digests(folder).items() if _counts(name)}
    manifest = workspace.adapter / "manifest.toml"
    found["adapter/manifest.toml"] = file_digest(manifest) if manifest.is_file() else "absent"
    return found


def _counts(name: str) -> bool:
    return name != SEAL and not name.startswith((f"{TRACES}/", f"{CONFIRM}/"))


def make_seal(workspace: Workspace, options: Mapping[str, Any], *, at: datetime) -> Seal:
    """Hash the evaluation as it is now, write `evaluation/seal.json`, and take away write permission."""
    files, scorer, facts = sealed_files(workspace), scoring_sources(), environment()
    total = digest([files, scorer, facts, dict(options)])
    seal = Seal(digest=total, files=files, scorer=scorer, environment=facts, options=dict(options), sealed_at=at)
    write_atomic(_path(workspace), dumps(seal, indent=2))
    for path in (_path(workspace), *(workspace.root / name for name in files)):
        if not path.is_symlink():  # what a link leads to is not ours
            path.chmod(0o444)
    return seal


def read_seal(workspace: Workspace) -> Seal:
    """The seal on disk.

    Raises:
        EvaluationUnsealed: There is none.
        EvaluationTampered: It cannot be read.
    """
    path = _path(workspace)
    if not path.is_file():
        raise EvaluationUnsealed(
            f"{path} is missing: this evaluation has not been sealed; run the evaluate phase first"
        )
    try:
        return loads(path.read_text(), Seal, subject=str(path))
    except (ConfigError, UnicodeDecodeError) as error:
        raise _tampered(f"evaluation/{SEAL}", f"it cannot be read any more ({error})") from error


def verify_seal(workspace: Workspace, expected: str | None = None) -> Seal:
    """Check that nothing a score depends on has changed.

    Args:
        workspace: Where the evaluation is.
        expected: Digest the campaign recorded when it sealed; catches a seal that was rewritten.

    Raises:
        EvaluationTampered: Names the first file that differs.
        EvaluationUnsealed: There is no seal.
    """
    seal = read_seal(workspace)
    if expected is not None and seal.digest != expected:
        raise _tampered(f"evaluation/{SEAL}", "it is not the seal that this campaign recorded")
    _require_same(seal.files, sealed_files(workspace), "")
    _require_same(seal.scorer, scoring_sources(), "alphalab/")
    if seal.environment != environment():
        raise _tampered("the Python environment", f"sealed with {seal.environment}, now {environment()}")
    if seal.digest != digest([seal.files, seal.scorer, seal.environment, seal.options]):
        raise _tampered(f"evaluation/{SEAL}", "its digest does not fit its content")
    return seal


def _require_same(sealed: Mapping[str, str], now: Mapping[str, str], prefix: str) -> None:
    for name in sorted({*sealed, *now}):
        if sealed.get(name) != now.get(name):
            change = "is new" if name not in sealed else "is gone" if name not in now else "changed"
            raise _tampered(f"{prefix}{name}", f"it {change} after the evaluation was sealed")


def _tampered(path: str, why: str) -> EvaluationTampered:
    advice = "restore it, or evaluate again in a new workspace; scores of two evaluations cannot be compared"
    return EvaluationTampered(f"{path}: {why}; {advice}", path=path)


def _path(workspace: Workspace) -> Path:
    return workspace.evaluation / SEAL
