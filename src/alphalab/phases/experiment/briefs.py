"""What each role is told when it is called: the part that changes from call to call."""

from __future__ import annotations

from alphalab.roles import CampaignContext
from alphalab.workspace import read_text_within

_LEARNINGS = 8_000
"""Characters of the learnings that a Worker is shown; the whole is on disk."""


def proposing(campaign: CampaignContext, wanted: int) -> str:
    """For the Strategist."""
    notes: list[str] = campaign.store.get("steer") or []
    steer = (
        "\n\nThe person who runs this campaign says, and you must answer it in your summary:\n"
        + "\n".join(f"- {note}" for note in notes)
        if notes
        else ""
    )
    return (
        f"Objective: {campaign.task.objective}\n\n"
        f"The board can take {wanted} more experiment(s) now; propose up to that many. "
        f"Read the board first.{steer}\n\n{_shared(campaign)}"
    )


def implementing(campaign: CampaignContext, experiment_id: str) -> str:
    """For the Implementer."""
    proposal = campaign.store.experiment(experiment_id).proposal
    return (
        f"Write the submission for {experiment_id} into `experiments/{experiment_id}/submission/`.\n\n"
        f"{proposal.name} ({proposal.family}): {proposal.hypothesis}\n\n{proposal.spec}\n\n{_shared(campaign)}"
    )


def fixing(campaign: CampaignContext, experiment_id: str) -> str:
    """For the Fixer."""
    failure = campaign.store.experiment(experiment_id).failure
    told = f"{failure.kind}: {failure.message}" if failure else "no failure is on record"
    return (
        f"{experiment_id} failed. Repair `experiments/{experiment_id}/submission/`; logs are in "
        f"`experiments/{experiment_id}/logs/`.\n\n{told}\n\n{_shared(campaign)}"
    )


def analysing(campaign: CampaignContext, experiment_id: str) -> str:
    """For the Analyst."""
    asked = f"{experiment_id} has a score. Write its debrief and keep what follows from it as a lesson."
    return f"{asked}\n\n{_shared(campaign)}"


def reporting(campaign: CampaignContext, number: int) -> str:
    """For the Reporter."""
    return (
        f"Objective: {campaign.task.objective}\n\nWrite milestone report {number} to `{milestone(number)}`: where the "
        "campaign stands, what worked, what did not, what comes next."
    )


def milestone(number: int) -> str:
    """Path of a milestone report, relative to the workspace."""
    return f"reports/milestone-{number:03d}.md"


def _shared(campaign: CampaignContext) -> str:
    folder = campaign.workspace.exploration
    learnings = folder / "learnings.md"
    text = read_text_within(learnings, folder, limit=_LEARNINGS) if learnings.is_file() else ""
    return f"# Learnings from the data\n\n{text}\n\n# Playbook\n\n{campaign.playbook.render()}"
