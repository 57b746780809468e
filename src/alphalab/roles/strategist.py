"""The Strategist: decides what to try next."""

from __future__ import annotations

from typing import ClassVar

from attrs import define

from alphalab.roles.base import RoleAgent
from alphalab.roles.board_tools import playbook_tools, proposing_tools, reading_tools
from alphalab.task import Task
from alphalab.tools import Tool


@define(kw_only=True, eq=False)
class Strategist(RoleAgent):
    """Proposes experiments, cancels queued ones, keeps the playbook."""

    role_name: ClassVar[str] = "strategist"
    prompt_name: ClassVar[str] = "strategist"
    looks_up: ClassVar[bool] = True
    wanted: int = 1
    """Proposals the harness can take now."""

    def build_tools(self, task: Task | None) -> list[Tool]:
        """Board, playbook and recipes beside the common tools."""
        return [
            *super().build_tools(task),
            *reading_tools(self.campaign, wanted=self.wanted),
            *proposing_tools(self.campaign, self.model.name, wanted=self.wanted),
            *playbook_tools(self.campaign),
        ]
