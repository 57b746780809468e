"""Rules for adapting to a domain and exploring its data."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from alphalab.models.offline.script import Scene, Script, call

_SECTION = "## Measured on this data"
_EXPLORE = "adapter/recipes/explore"
_KNOWLEDGE = "adapter/domain_knowledge.md"


def customise(_scene: Scene) -> Script:
    """Add the measured facts of the data to the domain knowledge."""
    knowledge = (yield from call("shell", command=f"cat {_KNOWLEDGE}")).text
    facts = (yield from call("shell", command="cat data/facts.json")).text
    if _SECTION in knowledge:
        return "The domain knowledge already holds the facts of this data."
    lines = [f"- {name.replace('_', ' ')}: {_plain(value)}" for name, value in _leaves(_json_in(facts))]
    section = "\n".join(["", _SECTION, "", "Computed from the train split.", "", *lines, ""])
    append = f"cat {_KNOWLEDGE} - > adapter/.knowledge <<'END'\n{section}\nEND\nmv adapter/.knowledge {_KNOWLEDGE}"
    yield from call("shell", command=append)
    return f"Added {len(lines)} measured facts to the domain knowledge."


def explore(_scene: Scene) -> Script:
    """Work through the adapter's exploration scripts: run, look, note, tick; then write both reports."""
    listing = yield from call("shell", command=f"ls {_EXPLORE}")
    names = [PurePosixPath(line).stem for line in listing.text.split() if line.endswith(".py")]
    plan = yield from call("shell", command="cat exploration/plan.md 2>/dev/null || true")
    if "- [" not in plan.text:
        yield from _write_plan(names)
    for name in names:
        if f"- [x] {name}" not in plan.text:
            yield from _investigate(name)
    findings: list[dict[str, Any]] = []
    for name in names:
        note = yield from call("shell", command=f"cat exploration/notes/{name}.json")
        findings.append(_json_in(note.text))
    yield from call("write_file", path="exploration/report.md", content=_report(names, findings))
    yield from call("write_file", path="exploration/learnings.md", content=_learnings(findings))
    return f"Answered {len(names)} questions about the data; see exploration/report.md."


def _write_plan(names: list[str]) -> Script:
    questions: list[str] = []
    for name in names:
        head = yield from call("shell", command=f"head -n 1 {_EXPLORE}/{name}.py")
        question = next((line for line in head.text.splitlines() if '"""' in line), name).strip().strip('"')
        questions.append(f"- [ ] {name}: {question}")
    yield from call("write_file", path="exploration/plan.md", content="\n".join(["# Plan", "", *questions, ""]))
    return ""


def _investigate(name: str) -> Script:
    script = f"exploration/scripts/{name}.py"
    yield from call(
        "shell", command=f"mkdir -p exploration/scripts exploration/plots && cp {_EXPLORE}/{name}.py {script}"
    )
    result = yield from call("shell", command=f"python {script} --data data --out exploration")
    finding: dict[str, Any] = _json_in(result.text) or {
        "title": name,
        "finding": f"The script gave no result: {result.text[-300:]}",
        "numbers": {},
        "advice": "",
        "plot": None,
    }
    plot = yield from call("shell", command=f"ls exploration/plots/{name}.png 2>/dev/null || true")
    if f"{name}.png" in plot.text:
        yield from call("view_image", path=f"exploration/plots/{name}.png")
    yield from call("write_file", path=f"exploration/notes/{name}.json", content=json.dumps(finding, indent=2))
    yield from call("write_file", path=f"exploration/notes/{name}.md", content=_note(name, finding))
    yield from call("edit_file", path="exploration/plan.md", old=f"- [ ] {name}", new=f"- [x] {name}")
    return ""


def _note(name: str, finding: dict[str, Any]) -> str:
    numbers = "\n".join(
        f"- {key.replace('_', ' ')}: {_plain(value)}" for key, value in _leaves(finding.get("numbers", {}))
    )
    return (
        f"# {finding.get('title', name)}\n\n{finding.get('finding', '')}\n\n{numbers}\n\n{finding.get('advice', '')}\n"
    )


def _report(names: list[str], findings: list[dict[str, Any]]) -> str:
    parts = ["# What the data look like", ""]
    for name, finding in zip(names, findings, strict=True):
        parts += [f"## {finding.get('title', name)}", "", str(finding.get("finding", "")), ""]
        parts += [f"![{finding.get('title', name)}](plots/{name}.png)", ""] if finding.get("plot") else []
        parts += [f"For modelling: {finding['advice']}", ""] if finding.get("advice") else []
    return "\n".join(parts)


def _learnings(findings: list[dict[str, Any]]) -> str:
    lines = [f"- {finding.get('finding', '')} {finding.get('advice', '')}".rstrip() for finding in findings]
    return "\n".join(["# Learnings", "", *lines, ""])


def _json_in(text: str) -> Any:
    """The JSON object between the first brace and the last, or an empty one."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1]) if start >= 0 else {}
    except json.JSONDecodeError:
        return {}


def _leaves(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict):
            found += _leaves(item, f"{name}, ")  # pyright: ignore[reportUnknownArgumentType]
        else:
            found.append((name, item))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value[:8])  # pyright: ignore[reportUnknownVariableType]
    return str(value)
