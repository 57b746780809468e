"""The Worker: one task on one experiment at a time. Workers talk to each other through the playbook only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from attrs import define, field

from alphalab._serde import dump
from alphalab.agents import Continue, Next, Turn
from alphalab.messages import Message
from alphalab.roles.base import RoleAgent
from alphalab.roles.board_tools import playbook_tools, reading_tools
from alphalab.roles.common import last_call
from alphalab.roles.context import CampaignContext
from alphalab.task import Task
from alphalab.tools import Tool, ToolError, tool
from alphalab.workspace import write_atomic


@define(kw_only=True, eq=False)
class _Worker(RoleAgent):
    abandoned: str | None = field(default=None, init=False)
    """Why it gave the experiment up."""

    def recall(self, messages: Sequence[Message]) -> None:
        """That the experiment was given up."""
        made = last_call(messages, "abandon") if self.abandoned is None else None
        if made is not None:
            self.abandoned = str(made["reason"])

    def build_tools(self, task: Task | None) -> list[Tool]:
        """The common tools, the board, the playbook's text and the proposal."""
        return [*super().build_tools(task), *reading_tools(self.campaign), *self._own_tools()]

    def _own_tools(self) -> list[Tool]:
        @tool(parallel=True)
        async def read_proposal() -> str:
            """Show the proposal of your experiment, as JSON."""
            return json.dumps(dump(self.campaign.store.experiment(self.about).proposal))

        @tool
        async def abandon(reason: str) -> str:
            """Give the experiment up; it counts as failed.

            Args:
                reason: What makes it impossible.
            """
            self.abandoned = reason
            return "Noted; call finish."

        return [read_proposal, abandon]

    @property
    def about(self) -> str:
        """Id of the experiment."""
        if self.experiment is None:
            raise ToolError("this Worker was started without an experiment")
        return self.experiment


@define(kw_only=True, eq=False)
class _Author(_Worker):
    """A Worker that writes the submission."""

    @classmethod
    def writes(cls, campaign: CampaignContext, experiment: str | None) -> tuple[Path, ...]:
        """The experiment's submission."""
        return (campaign.workspace.submission(experiment),) if experiment else ()

    async def review_turn(self, turn: Turn) -> Next:
        """Finish only with a submission that passes inspection, or after giving up."""
        if turn.finishes:
            self.recall(turn.history.messages)
        if turn.finishes and self.abandoned is None:
            findings = self.campaign.adapter.inspect_submission(self.campaign.workspace.submission(self.about))
            blocking = [finding.message for finding in findings if finding.severity == "blocking"]
            if blocking:
                return Continue("The submission is not complete:\n" + "\n".join(f"- {line}" for line in blocking))
        return await super().review_turn(turn)


@define(kw_only=True, eq=False)
class Implementer(_Author):
    """Turns a proposal into a submission."""

    role_name: ClassVar[str] = "implementer"
    prompt_name: ClassVar[str] = "implementer"


@define(kw_only=True, eq=False)
class Fixer(_Author):
    """Repairs a submission that failed, with the failure in view."""

    role_name: ClassVar[str] = "fixer"
    prompt_name: ClassVar[str] = "fixer"

    def _own_tools(self) -> list[Tool]:
        @tool(parallel=True)
        async def read_failure() -> str:
            """Show how the last attempt failed and the parameters it ran with, as JSON."""
            experiment = self.campaign.store.experiment(self.about)
            failure: dict[str, Any] = dump(experiment.failure) if experiment.failure else {}
            return json.dumps({**failure, "parameters": self.campaign.parameters(self.about)})

        @tool
        async def record_parameters(parameters: dict[str, Any], reason: str) -> str:
            """Put on record the parameters the repaired submission runs with, when they are not the proposed ones.

            Args:
                parameters: All of them, by name.
                reason: What the change does.
            """
            self.campaign.store.put(f"parameters/{self.about}", parameters)
            return f"Recorded: {reason[:200]}"

        return [*super()._own_tools(), read_failure, record_parameters]


@define(kw_only=True, eq=False)
class Analyst(_Worker):
    """Explains a score and adds what follows from it to the playbook."""

    role_name: ClassVar[str] = "analyst"
    prompt_name: ClassVar[str] = "analyst"

    def _own_tools(self) -> list[Tool]:
        @tool
        async def write_debrief(text: str) -> str:
            """Write the debrief of your experiment; calling it again replaces the earlier one.

            Args:
                text: Markdown: what was expected, what came out with numbers from the board, what follows.
            """
            write_atomic(self.campaign.workspace.experiment(self.about) / "debrief.md", text)
            return f"experiments/{self.about}/debrief.md is written."

        return [*super()._own_tools(), write_debrief, *playbook_tools(self.campaign)]

    async def review_turn(self, turn: Turn) -> Next:
        """Finish only with a debrief."""
        if turn.finishes and not (self.campaign.workspace.experiment(self.about) / "debrief.md").is_file():
            return Continue(f"experiments/{self.about}/debrief.md is missing; call write_debrief first.")
        return await super().review_turn(turn)
