"""Rules for a Strategist: every family once, then random draws, then refinement around the leaders."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from alphalab.models.offline.script import Scene, Script, call

EXPLORE_SHARE = 0.6
"""Share of the budget after which proposals refine leaders instead of drawing at random."""
_TRIES = 40


def propose(scene: Scene) -> Script:
    """Propose as many experiments as the board asks for."""
    board: dict[str, Any] = (yield from call("read_board")).json or {}
    yield from call("read_playbook")
    listed: list[dict[str, Any]] = (yield from call("read_recipe", name="")).json or []
    recipes = [entry for entry in listed if not entry["missing"]]
    if not recipes:
        return "The adapter ships no recipe that can run here; nothing to propose."
    accepted: list[str] = []
    refused = 0
    while len(accepted) < board["wanted"] and refused < _TRIES:
        number = len(board["experiments"]) + len(accepted)
        # Drawn by the experiment's number and not by the turn, so that a draw does not depend on how turns fell.
        proposal = _next(recipes, board, number, scene.rng(number, refused))
        reply = yield from call("propose_experiment", **proposal)
        if reply.is_error:
            refused += 1
        else:
            accepted.append(f"{proposal['name']}: {proposal['hypothesis']}")
            refused = 0
    return "\n".join([f"Proposed {len(accepted)} experiment(s).", *accepted])


def _next(recipes: list[dict[str, Any]], board: dict[str, Any], number: int, rng: Random) -> dict[str, Any]:
    tried = {card["recipe"] for card in board["experiments"]}
    untried = [recipe for recipe in recipes if recipe["name"] not in tried]
    planned = number - len(board["experiments"])
    if planned < len(untried):
        return _default(untried[planned])
    total = board["budget"]["experiments"] or 50
    leaders = [card for card in board["leaders"] if any(recipe["name"] == card["recipe"] for recipe in recipes)]
    if number < EXPLORE_SHARE * total or not leaders or rng.random() < 0.15:
        return _random(rng.choice(recipes), rng)
    leader = leaders[min(len(leaders) - 1, int(rng.expovariate(1.2)))]
    recipe = next(recipe for recipe in recipes if recipe["name"] == leader["recipe"])
    return _refined(recipe, leader, rng)


def _default(recipe: dict[str, Any]) -> dict[str, Any]:
    parameters = {name: space["default"] for name, space in recipe["parameters"].items()}
    return _proposal(recipe, parameters, "explore", recipe["hypothesis"])


def _random(recipe: dict[str, Any], rng: Random) -> dict[str, Any]:
    parameters = {name: _draw(space, rng) for name, space in recipe["parameters"].items()}
    hypothesis = f"Another point of {recipe['name']}, drawn at random, may do better than its defaults."
    return _proposal(recipe, parameters, "explore", hypothesis)


def _refined(recipe: dict[str, Any], leader: dict[str, Any], rng: Random) -> dict[str, Any]:
    spaces = recipe["parameters"]
    parameters = {name: leader["parameters"].get(name, space["default"]) for name, space in spaces.items()}
    changed = rng.sample(sorted(spaces), k=min(len(spaces), 1 + (rng.random() < 0.5)))
    for name in changed:
        parameters[name] = _step(spaces[name], parameters[name], rng)
    hypothesis = f"Close to {leader['id']} ({leader['value']:.5g}), changing {' and '.join(changed)} may still help."
    return _proposal(recipe, parameters, "exploit", hypothesis, parents=[leader["id"]])


def _proposal(
    recipe: dict[str, Any], parameters: dict[str, Any], kind: str, hypothesis: str, parents: list[str] | None = None
) -> dict[str, Any]:
    return {
        "name": recipe["name"],
        "family": recipe["family"],
        "hypothesis": hypothesis,
        "recipe": recipe["name"],
        "parameters": parameters,
        "kind": kind,
        "parents": parents or [],
    }


def _draw(space: dict[str, Any], rng: Random) -> Any:
    if space["kind"] == "choice":
        return rng.choice(space["choices"])
    return _number(space, rng.random())


def _step(space: dict[str, Any], value: Any, rng: Random) -> Any:
    """A neighbour: another choice, or a normal step of a sixth of the range."""
    if space["kind"] == "choice":
        return rng.choice([choice for choice in space["choices"] if choice != value] or [value])
    return _number(space, min(1.0, max(0.0, _place(space, value) + rng.gauss(0, 1 / 6))))


def _number(space: dict[str, Any], place: float) -> float:
    low, high = float(space["low"]), float(space["high"])
    value = (
        math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
        if space["log"]
        else low + place * (high - low)
    )
    if space["kind"] == "int":
        return round(min(high, max(low, value)))
    return min(high, max(low, float(f"{value:.4g}")))  # four digits can lie outside of a range that has more


def _place(space: dict[str, Any], value: float) -> float:
    low, high = float(space["low"]), float(space["high"])
    if low == high:
        return 0.0
    if space["log"]:
        return (math.log(max(value, low)) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)
