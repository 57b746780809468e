"""The Customiser: adapts a known domain's files to the data at hand."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import define

from alphalab.adapters import DomainAdapter
from alphalab.agents import Continue, Next, Turn
from alphalab.errors import AdapterError
from alphalab.roles.base import RoleAgent
from alphalab.roles.context import CampaignContext
from alphalab.task import Task

_PROMPT = """\
You adapt a ready-made research adapter to one data set. Its 11 files are in `adapter/`; measured facts of the data are
in `data/facts.json`, the visible part of the data beside it. Bring `adapter/domain_knowledge.md` up to date: every role
of the campaign reads it. Add what the facts say about this data set (size, units, seasonality, gaps, what a naive
forecast scores), correct what does not hold for it, and sharpen the prompts in `adapter/prompts/` where the data call
for it. Do not change `adapter/manifest.toml`: metric, splits and layout are fixed. Every number you write must come
from the data. The files are validated when you finish; you are told of every problem.
"""


@define(kw_only=True, eq=False)
class Customiser(RoleAgent):
    """Brings the adapter's words up to date with the data; its metric and layout stay as they are."""

    role_name: ClassVar[str] = "adapter"

    @classmethod
    def writes(cls, campaign: CampaignContext, experiment: str | None) -> tuple[Path, ...]:
        """The adapter's folder."""
        _ = experiment
        return (campaign.workspace.adapter,)

    def role_prompt(self, task: Task | None) -> str:
        """Fixed: it is about the files that hold the other prompts."""
        _ = task
        return _PROMPT

    async def review_turn(self, turn: Turn) -> Next:
        """Finish only with a valid folder whose manifest is unchanged."""
        if turn.finishes:
            problems = self._problems()
            if problems:
                return Continue("The adapter is not valid yet:\n" + "\n".join(f"- {problem}" for problem in problems))
        return await super().review_turn(turn)

    def _problems(self) -> tuple[str, ...]:
        adapter = self.campaign.adapter
        try:
            changed = DomainAdapter.from_folder(self.campaign.workspace.adapter, options=adapter.options)
        except AdapterError as error:
            return error.problems
        same = (
            changed.manifest.metric == adapter.manifest.metric
            and changed.manifest.submission == adapter.manifest.submission
        )
        return () if same else ("manifest.toml: metric and submission layout must stay as they were",)
