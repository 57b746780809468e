"""The Reporter: tells people where the campaign stands."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import define

from alphalab.roles.base import RoleAgent
from alphalab.roles.board_tools import reading_tools
from alphalab.roles.context import CampaignContext
from alphalab.task import Task
from alphalab.tools import Tool


@define(kw_only=True, eq=False)
class Reporter(RoleAgent):
    """Writes milestone reports."""

    role_name: ClassVar[str] = "reporter"
    prompt_name: ClassVar[str] = "reporter"

    @classmethod
    def writes(cls, campaign: CampaignContext, experiment: str | None) -> tuple[Path, ...]:
        """The reports' folder."""
        _ = experiment
        return (campaign.workspace.reports,)

    def build_tools(self, task: Task | None) -> list[Tool]:
        """Board, playbook and recipes beside the common tools."""
        return [*super().build_tools(task), *reading_tools(self.campaign)]
