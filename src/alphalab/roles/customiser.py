"""The Customiser: adapts a known domain's files to the data at hand."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import define

from alphalab._ids import tree_digests
from alphalab.adapters import DomainAdapter
from alphalab.adapters.base import CATALOGUE
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
for it. Do not change `adapter/manifest.toml` (metric, splits and layout are fixed) nor the baselines, canaries, attacks
and tests that ship with the adapter. Every number you write must come
from the data. The files are validated when you finish; you are told of every problem.
"""


@define(kw_only=True, eq=False)
class Customiser(RoleAgent):
    """Brings the adapter's words up to date with the data; its metric and layout stay as they are."""

    role_name: ClassVar[str] = "adapter"
    looks_up: ClassVar[bool] = True

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
        """Finish only with a valid folder that is unchanged in what decides about scores."""
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
        return changes_to_what_is_fixed(adapter, changed)


def changes_to_what_is_fixed(original: DomainAdapter, copy: DomainAdapter) -> tuple[str, ...]:
    """Where a copy departs from an adapter in what decides about scores, rather than in words."""
    same = {"manifest.toml": copy.manifest == original.manifest, CATALOGUE: copy.catalogue == original.catalogue}
    before, after = _certifying(original), _certifying(copy)
    same |= {name: before.get(name) == after.get(name) for name in sorted({*before, *after})}
    return tuple(f"{name} must stay as it was" for name, equal in same.items() if not equal)


def _certifying(adapter: DomainAdapter) -> dict[str, str]:
    return {
        f"{part}/{name}": digest
        for part in ("baselines", "canaries", "attacks", "tests")
        for name, digest in tree_digests(adapter.folder / part).items()
    }
