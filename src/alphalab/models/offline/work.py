"""Rules for a Worker: implement a recipe, repair it, analyse its score."""

from __future__ import annotations

import json
import re
from typing import Any

from alphalab.models.offline.script import Scene, Script, call

_NOTICEABLE = 0.005
"""Relative change of the metric below which a lesson says that a parameter does not matter."""
_PARAMETERS = re.compile(r"^PARAMETERS\b[^=]*=.*$", re.MULTILINE)


def implement(scene: Scene) -> Script:
    """Write the proposed recipe with the proposed parameters as the submission."""
    proposal: dict[str, Any] = (yield from call("read_proposal")).json or {}
    recipe: dict[str, Any] | None = (yield from call("read_recipe", name=proposal.get("recipe") or "")).json
    if recipe is None:
        yield from call(
            "abandon",
            reason=f"no recipe is named {proposal.get('recipe')!r}; the offline researcher writes recipes only",
        )
        return "Abandoned."
    yield from _write(scene, recipe, proposal["parameters"])
    return f"Implemented {recipe['name']} with {json.dumps(proposal['parameters'])}."


def _write(scene: Scene, recipe: dict[str, Any], parameters: dict[str, Any]) -> Script:
    source = _PARAMETERS.sub(lambda _match: f"PARAMETERS = {parameters!r}", recipe["source"], count=1)
    path = f"experiments/{scene.experiment}/submission/{recipe['entry']}"
    yield from call("write_file", path=path, content=source)
    yield from call(
        "shell", command=f"python -m py_compile {path} && rm -rf experiments/{scene.experiment}/submission/__pycache__"
    )
    return ""


def fix(scene: Scene) -> Script:
    """Apply the recipe's remedy for this kind of failure, or give up."""
    proposal: dict[str, Any] = (yield from call("read_proposal")).json or {}
    failure: dict[str, Any] = (yield from call("read_failure")).json or {}
    recipe: dict[str, Any] = (yield from call("read_recipe", name=proposal.get("recipe") or "")).json or {}
    parameters = dict(failure.get("parameters") or proposal.get("parameters", {}))
    remedy = _remedy(recipe, str(failure.get("kind")), parameters)
    if remedy is None:
        yield from call(
            "abandon", reason=f"no rule repairs {failure.get('kind')!r}: {failure.get('message', '')[:200]}"
        )
        return "Abandoned."
    changed, text = remedy
    yield from _write(scene, recipe, changed)
    yield from call("record_parameters", parameters=changed, reason=text)  # last: a repair cut off before is made again
    return f"After {failure.get('kind')}: {text}."


def _remedy(recipe: dict[str, Any], kind: str, parameters: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    for remedy in recipe.get("remedies", []):
        if kind not in remedy["when"]:
            continue
        scaled = {
            name: _scaled(parameters[name], factor, recipe["parameters"].get(name, {}))
            for name, factor in remedy["scale"].items()
            if name in parameters
        }
        changed = {**parameters, **scaled, **remedy["set"]}
        if changed != parameters:
            return changed, remedy["text"] or f"changed {', '.join(sorted({*scaled, *remedy['set']}))}"
    return None


def _scaled(value: float, factor: float, space: dict[str, Any]) -> float:
    """Scaled within the recipe's range, where it names one."""
    low, high = space.get("low"), space.get("high")
    raised = value * factor if low is None else max(low, value * factor)
    scaled = raised if high is None else min(high, raised)
    return max(1, round(scaled)) if isinstance(value, int) else scaled


def analyse(scene: Scene) -> Script:
    """Set the score beside the reference, the leader and the nearest relative; keep what follows as a lesson."""
    board: dict[str, Any] = (yield from call("read_board")).json or {}
    mine = next((card for card in board["experiments"] if card["id"] == scene.experiment), None)
    if mine is None or mine["value"] is None:
        return "Nothing to analyse: the board holds no score."
    lines = _debrief(mine, board)
    relative = _relative(mine, board)
    if relative is not None:
        lines.append(_comparison(mine, relative, board))
    yield from call("write_debrief", text="\n".join([f"# {mine['id']}: {mine['name']}", "", *lines, ""]))
    yield from _lesson(mine, relative, board)
    return lines[0]


def _debrief(mine: dict[str, Any], board: dict[str, Any]) -> list[str]:
    metric, reference = board["metric"], board["reference"]
    lines = [f"{metric['name']} {mine['value']:.5g} {metric['unit']} on the search split ({mine['seconds']:.1f} s)."]
    if reference:
        gain = _gain(mine["value"], reference["value"], metric["goal"])
        lines.append(f"{gain:+.1%} against {reference['name']} ({reference['value']:.5g}).")
    others = [card for card in board["experiments"] if card["value"] is not None and card["id"] != mine["id"]]
    if others:
        best = min(others, key=lambda card: card["value"] if metric["goal"] == "minimize" else -card["value"])
        gain = _gain(mine["value"], best["value"], metric["goal"])
        lines.append(f"{gain:+.1%} against the best other, {best['id']} ({best['value']:.5g}).")
    if mine["fixes"]:
        lines.append(f"It ran after {mine['fixes']} repair(s).")
    return lines


def _relative(mine: dict[str, Any], board: dict[str, Any]) -> dict[str, Any] | None:
    """The scored experiment of the same recipe that differs in the fewest parameters."""
    same = [
        card
        for card in board["experiments"]
        if card["recipe"] == mine["recipe"] and card["id"] < mine["id"] and card["value"] is not None
    ]
    return min(same, key=lambda card: (len(_differences(mine, card)), card["id"]), default=None)


def _differences(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted({*a["parameters"], *b["parameters"]})
    pairs = {name: (b["parameters"].get(name), a["parameters"].get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _comparison(mine: dict[str, Any], relative: dict[str, Any], board: dict[str, Any]) -> str:
    changes = ", ".join(
        f"{name} {_short(old)} → {_short(new)}" for name, (old, new) in _differences(mine, relative).items()
    )
    gain = _gain(mine["value"], relative["value"], board["metric"]["goal"])
    told = f"{gain:+.1%}" if abs(gain) >= _NOTICEABLE else f"no difference to speak of ({gain:+.1%})"
    return f"Against {relative['id']} ({relative['value']:.5g}): {changes or 'the same parameters'}; {told}."


def _lesson(mine: dict[str, Any], relative: dict[str, Any] | None, board: dict[str, Any]) -> Script:
    reference = board["reference"]
    if relative is not None and 0 < len(_differences(mine, relative)) <= 3:
        text = f"{mine['recipe']}: {_comparison(mine, relative, board)}"
        yield from call(
            "update_playbook", action="add", kind="finding", text=text, evidence=[relative["id"], mine["id"]]
        )
    elif relative is None and reference:
        gain = _gain(mine["value"], reference["value"], board["metric"]["goal"])
        kind = "finding" if gain > 0 else "do_not_attempt"
        told = f"{mine['value']:.5g}, {gain:+.1%} against {reference['name']}"
        text = f"Family {mine['family']}: {mine['recipe']} scores {told}."
        yield from call("update_playbook", action="add", kind=kind, text=text, evidence=[mine["id"]])
    if mine["fixes"] and mine["last_failure"]:
        text = (
            f"{mine['recipe']}: the parameters first proposed fail with {mine['last_failure']}; the repaired ones ran."
        )
        yield from call("update_playbook", action="add", kind="do_not_attempt", text=text, evidence=[mine["id"]])
    return ""


def _gain(value: float, reference: float, goal: str) -> float:
    return (reference - value) / abs(reference) * (1 if goal == "minimize" else -1) if reference else 0.0


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
