"""The Explorer: looks at the data before anything is built on them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from attrs import define

from alphalab.agents import Continue, Next, Turn
from alphalab.roles.base import RoleAgent
from alphalab.roles.context import CampaignContext
from alphalab.tools import ToolError
from alphalab.workspace import read_text_within

MIN_PLOTS = 5
"""Where there is a library to draw with; `alphalab[plots]` brings it."""
_PRODUCTS = ("report.md", "learnings.md")
LEARNINGS_LIMIT = 20_000
"""Characters of learnings.md: it is read by every later role."""


@define(kw_only=True, eq=False)
class Explorer(RoleAgent):
    """Keeps a plan, writes and runs scripts, looks at plots, and ends with a report and learnings."""

    role_name: ClassVar[str] = "explorer"
    prompt_name: ClassVar[str] = "explorer"
    looks_up: ClassVar[bool] = True

    @classmethod
    def writes(cls, campaign: CampaignContext, experiment: str | None) -> tuple[Path, ...]:
        """The exploration's folder."""
        _ = experiment
        return (campaign.workspace.exploration,)

    async def review_turn(self, turn: Turn) -> Next:
        """Finish only with a ticked plan, plots, a report and learnings of a bounded size."""
        if turn.finishes:
            problems = exploration_problems(self.campaign.workspace.exploration)
            if problems:
                return Continue(
                    "The exploration is not complete:\n" + "\n".join(f"- {problem}" for problem in problems)
                )
        return await super().review_turn(turn)


def exploration_problems(folder: Path) -> tuple[str, ...]:
    """What an exploration still lacks."""
    problems: list[str] = []
    plan = _read(folder, "plan.md")
    if not plan:
        problems.append("plan.md is missing or empty; keep a checklist of questions in it")
    elif "- [ ]" in plan:
        problems.append(
            "plan.md has items that are not ticked; answer them or tick them with the reason for leaving them"
        )
    if len(list((folder / "plots").glob("*.png"))) < MIN_PLOTS and find_spec("matplotlib") is not None:
        problems.append(f"plots/ holds fewer than {MIN_PLOTS} PNG plots")
    written = {name: _read(folder, name) for name in _PRODUCTS}
    problems += [f"{name} is missing or empty" for name, text in written.items() if not text]
    if len(written["learnings.md"]) > LEARNINGS_LIMIT:
        problems.append(
            f"learnings.md is longer than {LEARNINGS_LIMIT} characters; every later role reads it, so keep what matters"
        )
    return tuple(problems)


def _read(folder: Path, name: str) -> str:
    try:
        return read_text_within(folder / name, folder).strip()
    except ToolError:
        return ""
