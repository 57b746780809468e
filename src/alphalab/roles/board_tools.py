"""Tools over the board, the playbook and the recipes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any, Literal

from alphalab._serde import dump
from alphalab.errors import ConfigError, StoreError
from alphalab.experiments import ExperimentState, Proposal
from alphalab.playbook import Change, Lesson, Playbook, check_evidence
from alphalab.roles.board import board_view
from alphalab.roles.context import CampaignContext
from alphalab.tools import Tool, ToolContext, ToolError, tool
from alphalab.workspace import read_text_within, write_atomic

_ACTIONS: dict[str, Change] = {"add": "added", "revise": "revised", "retire": "retired"}


def reading_tools(campaign: CampaignContext, *, wanted: int = 0) -> list[Tool]:
    """Tools that look at the board, the playbook and the recipes."""

    @tool(parallel=True)
    async def read_board() -> str:
        """Show every experiment with its state, parameters and score, the leaders and the remaining budget, as JSON."""
        return json.dumps(board_view(campaign, wanted=wanted), allow_nan=False)

    @tool(parallel=True)
    async def read_playbook() -> str:
        """Show the lessons of this campaign."""
        return campaign.playbook.render()

    @tool(parallel=True)
    async def read_recipe(name: str = "") -> str:
        """Show one of the adapter's worked approaches with its source, or list all of them, as JSON.

        Args:
            name: A recipe's name; empty lists all, without sources.
        """
        return json.dumps(_recipes(campaign, name))

    return [read_board, read_playbook, read_recipe]


def _recipes(campaign: CampaignContext, name: str) -> Any:
    recipes = {recipe.name: recipe for recipe in campaign.adapter.recipes()}
    if not name:
        return [
            {**dump(recipe), "missing": [module for module in recipe.requires if _is_missing(module)]}
            for recipe in recipes.values()
        ]
    if name not in recipes:
        raise ToolError(f"no recipe is named {name!r}; known: {', '.join(recipes) or 'none'}")
    source = read_text_within(campaign.workspace.recipes / recipes[name].file, campaign.workspace.recipes)
    return {**dump(recipes[name]), "entry": campaign.adapter.manifest.submission.entry, "source": source}


def _is_missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:  # the package that the module would be in
        return True


def proposing_tools(campaign: CampaignContext, author: str, *, wanted: int) -> list[Tool]:
    """Tools that put experiments onto the board, in the name of a model, and take queued ones off it.

    Args:
        campaign: Whose board.
        author: Name of the model.
        wanted: Most proposals that this turn may make.
    """
    accepted: list[str] = []

    @tool
    async def propose_experiment(
        name: str,
        family: str,
        hypothesis: str,
        spec: str = "",
        recipe: str | None = None,
        parameters: dict[str, Any] | None = None,
        kind: Literal["explore", "exploit", "ablate", "combine", "replicate"] = "explore",
        parents: list[str] | None = None,
        expected_effect: str = "",
    ) -> str:
        """Put one experiment onto the board. A repetition or one beyond the budget is refused.

        Args:
            name: Short name.
            family: Group of approaches it belongs to, e.g. "linear".
            hypothesis: What you expect and why, in one or two sentences.
            spec: What to build, precise enough for somebody who knows only this text; may be empty with a recipe.
            recipe: Name of an adapter recipe to start from.
            parameters: Settings, by name.
            kind: Why it is run.
            parents: Experiments it follows from.
            expected_effect: Size of the effect you predict.
        """
        if len(accepted) >= wanted:
            raise ToolError(f"the board takes {wanted} proposal(s) in this turn and has them; call finish")
        if recipe is None and not spec.strip():
            raise ToolError("say what to build: give a spec, or name a recipe")
        _require_known(campaign, recipe, parents or [])
        try:
            proposal = Proposal(
                name=name,
                family=family,
                hypothesis=hypothesis,
                spec=spec,
                recipe=recipe,
                parameters=parameters or {},
                kind=kind,
                parents=tuple(parents or ()),
                expected_effect=expected_effect,
            )
            experiment = campaign.store.propose(proposal, author=author, limit=campaign.budget.experiments)
        except (ConfigError, StoreError) as error:
            raise ToolError(str(error)) from error
        accepted.append(experiment.id)
        return f"{experiment.id} is on the board."

    @tool
    async def cancel_experiment(experiment_id: str, reason: str) -> str:
        """Take an experiment that has not started to run off the board.

        Args:
            experiment_id: Id on the board, e.g. "exp-0007".
            reason: Why it is not worth running.
        """
        try:
            experiment = campaign.store.experiment(experiment_id)
        except StoreError as error:
            raise ToolError(str(error)) from error
        if experiment.state not in (ExperimentState.PROPOSED, ExperimentState.READY):
            raise ToolError(f"{experiment_id} is {experiment.state}; only proposed and ready ones can be cancelled")
        if campaign.cancel is None:
            campaign.store.move(experiment_id, experiment.state, ExperimentState.CANCELLED, reason=reason)
            return f"{experiment_id} is cancelled."
        campaign.cancel(experiment_id, reason)
        return f"{experiment_id} leaves the board, unless its job starts first; then the job is ended."

    return [propose_experiment, cancel_experiment]


def _require_known(campaign: CampaignContext, recipe: str | None, parents: list[str]) -> None:
    recipes = [item.name for item in campaign.adapter.recipes()]
    known = [experiment.id for experiment in campaign.store.experiments()]
    if recipe is not None and recipe not in recipes:
        raise ToolError(f"no recipe is named {recipe!r}; known: {', '.join(recipes) or 'none, so give a spec'}")
    unknown = [parent for parent in parents if parent not in known]
    if unknown:
        raise ToolError(f"no experiment {', '.join(unknown)} to follow from; known: {', '.join(known) or 'none yet'}")


def playbook_tools(campaign: CampaignContext) -> list[Tool]:
    """The tool that changes the playbook."""

    @tool
    async def update_playbook(
        context: ToolContext,
        action: Literal["add", "revise", "retire"],
        text: str = "",
        kind: Literal["finding", "do_not_attempt", "method", "open_question"] = "finding",
        evidence: list[str] | None = None,
        lesson: str = "",
        confidence: Literal["low", "medium", "high"] = "medium",
        scope: str = "",
    ) -> str:
        """Add, revise or retire one lesson that later agents will read.

        Args:
            action: What to do.
            text: The lesson in one or two sentences, with numbers.
            kind: What sort of lesson; "do_not_attempt" is as valuable as a finding.
            evidence: Ids of the experiments it rests on.
            lesson: Id of the lesson to revise or retire.
            confidence: How sure the evidence makes it.
            scope: Where it holds, if not everywhere.
        """
        problems = check_evidence(tuple(evidence or ()), {experiment.id for experiment in campaign.store.experiments()})
        if problems:
            raise ToolError("; ".join(problems))
        before = campaign.playbook
        changed = _changed(before, action, lesson, text, kind, tuple(evidence or ()), confidence, scope, context.role)
        event = _difference(before, changed).changed(_ACTIONS[action])
        campaign.emit(event)
        write_atomic(campaign.workspace.playbook, changed.render())
        return f"{event.lesson} {event.action}."

    return [update_playbook]


def _changed(
    playbook: Playbook,
    action: str,
    lesson: str,
    text: str,
    kind: Any,
    evidence: tuple[str, ...],
    confidence: Any,
    scope: str,
    author: str,
) -> Playbook:
    try:
        if action == "add":
            return playbook.add(
                kind=kind, text=text, evidence=evidence, confidence=confidence, scope=scope, author=author
            )
        if action == "revise":
            return playbook.revise(lesson, text=text, evidence=evidence, confidence=confidence)
        return playbook.retire(lesson)
    except (KeyError, ValueError) as error:
        raise ToolError(str(error)) from error


def _difference(before: Playbook, after: Playbook) -> Lesson:
    known = set(before.lessons)
    return next(lesson for lesson in after.lessons if lesson not in known)
