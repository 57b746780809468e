"""One small campaign that was really run, and boards made by hand."""

from datetime import UTC, datetime

import pytest

from alphalab.budget import Budget
from alphalab.campaign import Campaign
from alphalab.campaign.config import write_config
from alphalab.campaign.opening import describe
from alphalab.events import CampaignStarted
from alphalab.experiments import ExperimentState, Proposal, Score, Store
from alphalab.measurement import Measurement
from alphalab.task import Task
from alphalab.testing.campaigns import small_campaign

S = ExperimentState
DONE = (S.IMPLEMENTING, S.READY, S.QUEUED, S.RUNNING, S.SCORING, S.SCORED, S.ANALYZING, S.DONE)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Campaign:
    """A campaign that has ended; only to be read."""
    campaign = small_campaign(tmp_path_factory.mktemp("small"))
    campaign.run_sync()
    return campaign


@pytest.fixture
def begun(tmp_path) -> Campaign:
    """A campaign that has just started: a configuration and one event."""
    campaign = Campaign(
        task=Task(objective="Lower the error.", data="data.npz"),
        adapter="traffic",
        workspace=tmp_path / "run",
        budget=Budget(experiments=5),
    )
    write_config(tmp_path / "run" / "campaign.toml", describe(campaign, campaign.loaded_adapter()))
    with Store.open(tmp_path / "run" / "state.db") as store:
        store.append(CampaignStarted(objective="Lower the error.", adapter="traffic", version="0", resumed=False))
    return campaign


@pytest.fixture
def add():
    """Put an experiment with one score on a campaign's board."""

    def put(campaign: Campaign, value: float, name: str = "idea", **measured) -> str:
        with Store.open(campaign.workspace / "state.db") as store:
            proposal = Proposal(name=name, family="family", hypothesis="it helps", spec=f"{name} {value}")
            experiment = store.propose(proposal, author="offline")
            for source, target in zip((S.PROPOSED, *DONE), DONE, strict=False):
                store.move(experiment.id, source, target)
            score(store, experiment.id, Measurement(value=value, sandbox="bubblewrap", **measured))
        return experiment.id

    return put


def score(store: Store, subject: str, outcome, split: str = "search") -> None:
    store.record_score(
        Score(
            subject=subject,
            split=split,
            seed=0,
            attempt=0 if subject.startswith("baseline:") else 1,
            outcome=outcome,
            evaluation="e",
            submission="s",
            at=datetime.now(UTC),
        )
    )
