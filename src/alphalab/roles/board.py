"""The board as agents read it."""

from __future__ import annotations

from typing import Any

from alphalab.experiments import Experiment, ExperimentState
from alphalab.measurement import Measurement
from alphalab.roles.context import CampaignContext

LEADERS = 5


def board_view(campaign: CampaignContext, *, wanted: int = 0) -> dict[str, Any]:
    """The whole board as JSON.

    Args:
        campaign: Whose board.
        wanted: How many proposals the harness can take now.
    """
    experiments = campaign.store.experiments()
    cards = [_card(campaign, experiment) for experiment in experiments]
    scored = [card for card in cards if card["value"] is not None]
    reference = campaign.baseline("reference")
    limit = campaign.budget.experiments
    used = sum(experiment.state is not ExperimentState.CANCELLED for experiment in experiments)
    return {
        "objective": campaign.task.objective,
        "metric": {"name": campaign.metric.name, "goal": campaign.metric.goal, "unit": campaign.metric.unit},
        "reference": {"name": reference[0], "value": reference[1].value} if reference else None,
        "budget": {"experiments": limit, "used": used, "remaining": None if limit is None else limit - used},
        "wanted": wanted,
        "leaders": sorted(scored, key=lambda card: (campaign.metric.sort_key(card["value"]), card["id"]))[:LEADERS],
        "experiments": cards,
    }


def _card(campaign: CampaignContext, experiment: Experiment) -> dict[str, Any]:
    failures = campaign.failures(experiment.id)
    measurements = experiment.measurements("search")
    first: Measurement | None = measurements[0] if measurements else None
    return {
        "id": experiment.id,
        "name": experiment.name,
        "family": experiment.family,
        "recipe": experiment.proposal.recipe,
        "parameters": campaign.parameters(experiment.id),
        "parents": list(experiment.proposal.parents),
        "state": str(experiment.state),
        "value": experiment.value("search"),
        "low": first.low if first else None,
        "high": first.high if first else None,
        "seconds": first.seconds if first else None,
        "fixes": experiment.fixes,
        "last_failure": failures[-1]["kind"] if failures else None,
        "message": experiment.failure.message if experiment.failure else None,
    }
