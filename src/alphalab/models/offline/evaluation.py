"""Rules for building an evaluation, reviewing it, testing it and attacking it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from alphalab.models.offline.script import Scene, Script, call

_PACKAGE = "evaluation/evaluation.json"
_RUN_TESTS = "python -m unittest discover -s evaluation/tests -t evaluation/tests"


def build(_scene: Scene) -> Script:
    """Configure the adapter's own scorer: write down what it does and why."""
    protocol: dict[str, Any] = (yield from call("describe_scorer")).json or {}
    yield from call("write_file", path=_PACKAGE, content=json.dumps(protocol, indent=2, sort_keys=True) + "\n")
    lines = [f"- {name}: {json.dumps(value)}" for name, value in sorted(protocol.items())]
    text = "\n".join(["# Evaluation", "", "The adapter's trusted scorer, configured as follows.", "", *lines, ""])
    yield from call("write_file", path="evaluation/README.md", content=text)
    return "Configured the adapter's trusted scorer for this data."


def criticise(_scene: Scene) -> Script:
    """Hold the written evaluation against what the scorer says of itself and against the data."""
    written = (yield from call("shell", command=f"cat {_PACKAGE}")).text
    protocol: dict[str, Any] = (yield from call("describe_scorer")).json or {}
    facts = (yield from call("shell", command="cat data/facts.json")).text
    findings = [
        *_disagreements(_object(written), protocol),
        *_order(protocol),
        *_size(protocol),
        *_gaps(_object(facts)),
    ]
    yield from call("submit_review", findings=findings, summary=f"{len(findings)} finding(s) by rule.")
    blocking = sum(finding["severity"] == "blocking" for finding in findings)
    return f"Reviewed the evaluation: {blocking} blocking finding(s)."


def _disagreements(written: dict[str, Any], protocol: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        _finding("blocking", f"{name} is {written.get(name)!r} in the package, but the scorer uses {value!r}")
        for name, value in protocol.items()
        if written.get(name) != value
    ]


def _order(protocol: dict[str, Any]) -> list[dict[str, Any]]:
    bounds = [protocol[name] for name in ("train", "search", "final") if name in protocol]
    return [
        _finding("blocking", f"split [{earlier[0]}, {earlier[1]}) reaches into [{later[0]}, {later[1]})")
        for earlier, later in pairwise(bounds)
        if earlier[1] > later[0]
    ]


def _size(protocol: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if protocol.get("stride", 1) < protocol.get("horizon", 1):
        found.append(_finding("blocking", "stride is below horizon: a context would show targets still to be answered"))
    for name, count in protocol.get("units", {}).items():
        if count < 20:
            found.append(
                _finding("warning", f"the {name} split has only {count} independent units; its interval will be wide")
            )
    return found


def _gaps(facts: dict[str, Any]) -> list[dict[str, Any]]:
    share = facts.get("train", {}).get("missing_share", 0.0)
    if not share:
        return []
    return [
        _finding(
            "note",
            f"{share:.1%} of the train split is missing; targets that are missing must be masked, not scored as zero",
        )
    ]


def _finding(severity: str, message: str) -> dict[str, Any]:
    return {"severity": severity, "message": message, "file": _PACKAGE}


def test(_scene: Scene) -> Script:
    """Install the adapter's test suite for its evaluation and run it."""
    yield from call("shell", command="mkdir -p evaluation/tests && cp adapter/tests/test_*.py evaluation/tests/")
    result = yield from call("shell", command=f"{_RUN_TESTS} 2>&1 | tail -n 15")
    return f"Ran the evaluation's tests:\n{result.text[-400:]}"


def attack(_scene: Scene) -> Script:
    """Try every quick attack of the adapter's catalogue against the real scorer."""
    attacks: list[dict[str, Any]] = (yield from call("list_attacks")).json or []
    lines: list[str] = []
    for entry in attacks:
        name = PurePosixPath(entry["folder"]).name
        yield from call(
            "shell", command=f"mkdir -p evaluation/attacks && cp -r adapter/{entry['folder']} evaluation/attacks/"
        )
        verdict = yield from call("try_attack", name=name)
        lines.append(f"{name}: {verdict.text.splitlines()[0]}")
    return "\n".join([f"Tried {len(attacks)} attacks.", *lines])


def _object(text: str) -> dict[str, Any]:
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1]) if start >= 0 else {}
    except json.JSONDecodeError:
        return {}
