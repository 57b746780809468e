"""What happens while a model writes: pieces for those who watch, and a note on record when it has to begin again."""

from __future__ import annotations

from attrs import define

from alphalab._redaction import Redaction
from alphalab.events import LivePieces, Noticed
from alphalab.messages import Delta
from alphalab.roles.common import SAID
from alphalab.roles.context import CampaignContext


@define(kw_only=True, eq=False)
class Streaming:
    """Takes the deltas of one agent."""

    campaign: CampaignContext
    agent: str
    pieces: LivePieces

    @classmethod
    def of(cls, campaign: CampaignContext, *, agent: str, role: str, experiment: str | None) -> Streaming:
        """For one agent of a campaign."""
        pieces = LivePieces(
            agent=agent, role=role, experiment=experiment, publish=campaign.stream, clock=campaign.clock
        )
        return cls(campaign=campaign, agent=agent, pieces=pieces)

    def take(self, delta: Delta) -> None:
        """Pass one delta on; waiting for a provider is put on record."""
        if delta.kind == "restart":
            reason = Redaction.of_environment().text(delta.text)[:SAID]
            self.campaign.emit(Noticed(level="warning", message=f"{self.agent}: {reason}", facts={"agent": self.agent}))
        self.pieces.take(delta)

    def flush(self) -> None:
        """Show what is left of an answer that is complete."""
        self.pieces.flush()
