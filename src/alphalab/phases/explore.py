"""Explore: the data are looked at before anything is built on them."""

from __future__ import annotations

from alphalab.errors import AlphaLabError
from alphalab.roles import CampaignContext, Explorer, exploration_problems

_PROMPT = """\
Objective: {objective}

The visible part of the data is in `data/` (start with `data/facts.json`). Work in `exploration/`: keep `plan.md` as a
checklist and tick items as you answer them, write scripts to `scripts/`, plots to `plots/` (look at each with
`view_image`), a note after each finding to `notes/`. End with `report.md` for people and `learnings.md` for later
roles. If `plan.md` is already there, an earlier run was interrupted: go on from it. {suggestion}
"""


async def explore(campaign: CampaignContext) -> str:
    """Let the Explorer work until its plan is done.

    Raises:
        AlphaLabError: It ended without a complete exploration.
    """
    scripts = sorted((campaign.workspace.recipes / "explore").glob("*.py"))
    suggestion = f"`adapter/recipes/explore/` holds {len(scripts)} scripts to start from." if scripts else ""
    role = campaign.roles[Explorer.role_name].for_campaign(campaign)
    result = await role.run(
        _PROMPT.format(objective=campaign.task.objective, suggestion=suggestion), task=campaign.task
    )
    problems = exploration_problems(campaign.workspace.exploration)
    if problems:
        raise AlphaLabError(
            f"the exploration ended ({result.stop_reason}) without being complete: {'; '.join(problems)}. "
            f"See {campaign.workspace.transcripts}; run the campaign again to go on from its plan"
        )
    plots = len(list((campaign.workspace.exploration / "plots").glob("*.png")))
    return f"{result.text.splitlines()[0] if result.text else 'Explored the data.'} {plots} plots."
