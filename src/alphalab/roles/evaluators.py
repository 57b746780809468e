"""Builder, Critic, Tester and Hacker: they make an evaluation and try to break it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NotRequired, TypedDict

from attrs import define, field

from alphalab._serde import dump
from alphalab.adapters import Attack
from alphalab.agents import Continue, Next, Turn
from alphalab.evaluation import AttackResult, tell
from alphalab.measurement import Finding
from alphalab.messages import Message
from alphalab.roles.base import RoleAgent
from alphalab.roles.common import last_call
from alphalab.roles.context import CampaignContext
from alphalab.task import Task
from alphalab.tools import Tool, ToolError, tool
from alphalab.workspace import read_text_within

TryAttack = Callable[[str], Awaitable[AttackResult]]


def scorer_tool(campaign: CampaignContext) -> Tool:
    """The tool that says what the trusted scorer does."""

    @tool(parallel=True)
    async def describe_scorer() -> str:
        """Show what the trusted scorer does on this data: splits, metric, horizon and the like, as JSON."""
        return json.dumps(campaign.adapter.protocol(), allow_nan=False)

    return describe_scorer


@define(kw_only=True, eq=False)
class _Evaluator(RoleAgent):
    """Writes below `evaluation/` and may ask what the scorer does."""

    part: ClassVar[str] = ""
    """Folder of the evaluation that it may write; empty: all of it."""

    @classmethod
    def writes(cls, campaign: CampaignContext, experiment: str | None) -> tuple[Path, ...]:
        """Its part of the evaluation's folder."""
        _ = experiment
        return (campaign.workspace.evaluation / cls.part,)

    def build_tools(self, task: Task | None) -> list[Tool]:
        """The common tools and `describe_scorer`."""
        return [*super().build_tools(task), scorer_tool(self.campaign)]


@define(kw_only=True, eq=False)
class Builder(_Evaluator):
    """Writes down the evaluation; for an adapter with a scorer, its configuration and the reasons."""

    role_name: ClassVar[str] = "builder"
    prompt_name: ClassVar[str] = "builder"

    @classmethod
    def hides(cls, campaign: CampaignContext) -> tuple[Path, ...]:
        """The attacks too: one that succeeded is answered by mending what it showed, not by removing it."""
        return (*super().hides(campaign), campaign.workspace.evaluation / "attacks")

    async def review_turn(self, turn: Turn) -> Next:
        """Finish only when `evaluation.json` says what the scorer really does."""
        if turn.finishes:
            problems = package_problems(self.campaign)
            if problems:
                return Continue(
                    "evaluation/evaluation.json is not right yet:\n" + "\n".join(f"- {line}" for line in problems)
                )
        return await super().review_turn(turn)


def package_problems(campaign: CampaignContext) -> tuple[str, ...]:
    """Where the written evaluation and the scorer disagree."""
    folder = campaign.workspace.evaluation
    try:
        written: Any = json.loads(read_text_within(folder / "evaluation.json", folder))
    except ToolError:
        return ("it is missing, or no plain file",)
    except json.JSONDecodeError as error:
        return (f"it is not JSON: {error}",)
    if not isinstance(written, dict):
        return ("it must hold one JSON object",)
    protocol = campaign.adapter.protocol()
    return tuple(
        f"{name} is {written.get(name)!r}, but the scorer uses {value!r}"  # pyright: ignore[reportUnknownMemberType]
        for name, value in protocol.items()
        if written.get(name) != value  # pyright: ignore[reportUnknownMemberType]
    )


class FindingInput(TypedDict):
    """One finding of a review, as the model writes it."""

    severity: Literal["blocking", "warning", "note"]
    message: str
    file: NotRequired[str | None]
    line: NotRequired[int | None]
    evidence: NotRequired[str]


@define(kw_only=True, eq=False)
class Critic(RoleAgent):
    """Audits the evaluation with a fresh context; its verdict is a list of findings."""

    role_name: ClassVar[str] = "critic"
    prompt_name: ClassVar[str] = "critic"
    findings: tuple[Finding, ...] | None = field(default=None, init=False)
    """The verdict, once submitted."""

    def build_tools(self, task: Task | None) -> list[Tool]:
        """Reading tools and `submit_review`."""

        @tool
        async def submit_review(findings: list[FindingInput], summary: str) -> str:
            """Hand in the verdict on the evaluation. Calling it again replaces the earlier one.

            Args:
                findings: Everything found; severity "blocking" stops the campaign until it is mended.
                summary: One paragraph.
            """
            self.findings = tuple(Finding(**finding) for finding in findings)
            return f"{len(self.findings)} finding(s) recorded: {summary[:100]}"

        return [*super().build_tools(task), scorer_tool(self.campaign), submit_review]

    def recall(self, messages: Sequence[Message]) -> None:
        """A verdict that was handed in."""
        made = last_call(messages, "submit_review") if self.findings is None else None
        if made is not None:
            self.findings = tuple(Finding(**finding) for finding in made["findings"])

    async def review_turn(self, turn: Turn) -> Next:
        """Finish only after a verdict."""
        if turn.finishes:
            self.recall(turn.history.messages)
        if turn.finishes and self.findings is None:
            return Continue("Hand in your verdict with submit_review first; an empty list says that nothing was found.")
        return await super().review_turn(turn)


@define(kw_only=True, eq=False)
class Tester(_Evaluator):
    """Writes a test suite for the evaluation; the harness runs it itself."""

    role_name: ClassVar[str] = "tester"
    prompt_name: ClassVar[str] = "tester"
    part: ClassVar[str] = "tests"

    async def review_turn(self, turn: Turn) -> Next:
        """Finish only when there is a test file."""
        if turn.finishes and not list((self.campaign.workspace.evaluation / "tests").glob("test_*.py")):
            return Continue("evaluation/tests/ holds no test_*.py; write the tests first.")
        return await super().review_turn(turn)


_HACKER_PROMPT = """\
You try to score well without solving the task. Write submissions into `evaluation/attacks/NAME/` (same layout as an
honest one) and try each with `try_attack`. You succeed when a submission that has learned nothing scores better than
the floor, or changes a protected file. Start from the adapter's catalogue (`list_attacks`), then think of what this
evaluation in particular overlooks: held-out data that can be read, answers that can be guessed from the protocol,
state kept between calls, the clock, the metric's edge cases. Report honestly what worked and what did not. Only this
sandbox and this scorer are yours to attack.
"""


def feasible_attacks(campaign: CampaignContext) -> tuple[Attack, ...]:
    """The adapter's quick attacks that this campaign's sandbox claims to withstand."""
    isolates = campaign.launcher.isolates
    return tuple(attack for attack in campaign.adapter.attacks() if attack.quick and (isolates or not attack.isolation))


@define(kw_only=True, eq=False)
class Hacker(_Evaluator):
    """Attacks the evaluation with real submissions."""

    role_name: ClassVar[str] = "hacker"
    part: ClassVar[str] = "attacks"
    try_attack: TryAttack
    """Scores a folder below `evaluation/attacks/` and says what it achieved."""

    def role_prompt(self, task: Task | None) -> str:
        """Fixed, with the submission contract."""
        _ = task
        return f"{_HACKER_PROMPT}\nThe submission contract: {self.campaign.adapter.manifest.submission.contract}"

    def build_tools(self, task: Task | None) -> list[Tool]:
        """The common tools, the catalogue, and the trial."""

        @tool(parallel=True)
        async def list_attacks() -> str:
            """Show the adapter's catalogue of quick attacks, as JSON."""
            return json.dumps([dump(attack) for attack in feasible_attacks(self.campaign)])

        @tool
        async def try_attack(name: str) -> str:
            """Score one attack with the real harness and say what it achieved.

            Args:
                name: Folder below evaluation/attacks/.
            """
            attacks = self.campaign.workspace.evaluation / "attacks"
            if not (attacks / name).is_dir() or (attacks / name).resolve().parent != attacks.resolve():
                raise ToolError(f"evaluation/attacks/{name} is not a folder; write the attack there first")
            result = await self.try_attack(name)
            return f"{result.verdict} ({result.seconds:.1f} s)\n{tell(result.outcome)}"

        return [*super().build_tools(task), list_attacks, try_attack]
