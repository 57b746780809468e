"""Trials before the seal: baselines, noise, canaries and attacks, all scored by the real harness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, evolve, field

from alphalab._ids import digest, file_digest
from alphalab._serde import dump, load
from alphalab.adapters import Attack, Baseline, Canary
from alphalab.errors import EvaluationUnsealed
from alphalab.evaluation import (
    NOISE_RUNS,
    AttackResult,
    CanaryResult,
    Certificate,
    judge_attack,
    judge_canary,
    measure_noise,
    sealed_files,
    tell,
)
from alphalab.measurement import Measurement, Outcome
from alphalab.provenance import scoring_sources
from alphalab.roles import CampaignContext, feasible_attacks
from alphalab.scorer import limited, open_scorer, score_submission, submission_digest

T = TypeVar("T")
_AT_ONCE = 2
"""Trials that run beside each other; more would make each other's time limits unfair on small machines."""


@define(kw_only=True, eq=False)
class Trials:
    """Scores what the certificate needs, each thing once, also over restarts."""

    campaign: CampaignContext
    baselines: dict[str, Outcome] = field(factory=dict[str, Outcome], init=False)
    _slots: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False)

    async def certify(self, *, tests: dict[str, Any], rounds: int) -> Certificate:
        """Score everything that is missing and write down what came out."""
        campaign = self.campaign
        await self._measure_baselines()
        floor, reference = self._value("floor"), self._value("reference")
        async with asyncio.TaskGroup() as group:
            noise, canaries = group.create_task(self._noise()), group.create_task(self._canaries())
        return Certificate(
            floor=floor,
            reference=reference,
            baselines=dict(self.baselines),
            noise=measure_noise(_values(noise.result())),
            canaries=tuple(canaries.result()),
            untried=tuple(attack.name for attack in left_out(self.campaign)),
            attacks=tuple([await self.attack_folder(name, folder) for name, folder in self._attacks()]),
            tests=tests,
            rounds=rounds,
            sandbox=campaign.launcher.tier,
            language_model=campaign.uses_language_model("builder"),
            certified_at=campaign.clock.now(),
        )

    def _attacks(self) -> list[tuple[str, Path]]:
        """The shipped ones, and those that the Hacker wrote; a copy that was not changed is the shipped one."""
        space = self.campaign.workspace
        shipped = [(item.name, space.adapter / item.folder) for item in feasible_attacks(self.campaign)]
        known = {submission_digest(folder) for _name, folder in shipped}
        written = [path for path in sorted((space.evaluation / "attacks").glob("*")) if path.is_dir()]
        return shipped + [(path.name, path) for path in written if submission_digest(path) not in known]

    async def attack(self, name: str) -> AttackResult:
        """Try the attack in `evaluation/attacks/NAME`."""
        await self._measure_baselines()
        return await self.attack_folder(name, self.campaign.workspace.evaluation / "attacks" / name)

    async def attack_folder(self, name: str, folder: Path) -> AttackResult:
        """Try one attack, or recall what it did; alone, so that what changed is its own doing."""
        await self._measure_baselines()
        key = f"trial/attack/{self._conditions(folder)}"
        recorded = self.campaign.store.get(key)
        if recorded is not None:
            return evolve(load(recorded, AttackResult, subject=key), name=name)
        before, started = self._protected(), time.monotonic()
        outcome = await self._score(folder, seed=0)
        after = self._protected()
        changed = tuple(sorted(path for path in {*before, *after} if before.get(path) != after.get(path)))
        verdict = judge_attack(outcome, metric=self.campaign.metric, floor=self._value("floor"), changed=changed)
        result = AttackResult(
            name=name, verdict=verdict, outcome=outcome, seconds=time.monotonic() - started, changed=changed
        )
        if verdict != "not tried":
            self.campaign.store.put(key, dump(result))
        return result

    def _protected(self) -> dict[str, str]:
        space = self.campaign.workspace
        results = sorted(space.experiments.glob("*/result.json"))
        return sealed_files(space) | {space.relative(path): file_digest(path) for path in results}

    async def _measure_baselines(self) -> None:
        missing = [baseline for baseline in self.campaign.adapter.baselines() if baseline.name not in self.baselines]
        outcomes = await _together([self._recall(self.campaign.workspace.adapter / item.folder, 0) for item in missing])
        self.baselines |= {item.name: outcome for item, outcome in zip(missing, outcomes, strict=True)}

    def _baseline(self, role: str) -> Baseline:
        found = [baseline for baseline in self.campaign.adapter.baselines() if baseline.role == role]
        if len(found) != 1:
            raise EvaluationUnsealed(
                f"the adapter's catalogue must name one baseline with role {role!r}; it names {len(found)}"
            )
        return found[0]

    def _value(self, role: str) -> float:
        name = self._baseline(role).name
        outcome = self.baselines[name]
        if not isinstance(outcome, Measurement):
            raise EvaluationUnsealed(
                f"baseline {name!r} ({role}) has no score ({tell(outcome)}); nothing can be certified without it"
            )
        return outcome.value

    async def _noise(self) -> list[Outcome]:
        folder = self.campaign.workspace.adapter / self._baseline("reference").folder
        return await _together([self._recall(folder, seed) for seed in range(NOISE_RUNS)])

    async def _canaries(self) -> list[CanaryResult]:
        return await _together([self._canary(canary) for canary in self.campaign.adapter.canaries()])

    async def _canary(self, canary: Canary) -> CanaryResult:
        outcome = await self._recall(self.campaign.workspace.adapter / canary.folder, 0)
        passed = judge_canary(
            canary.expect,
            outcome,
            metric=self.campaign.metric,
            floor=self._value("floor"),
            reference=self._value("reference"),
        )
        return CanaryResult(name=canary.name, expect=canary.expect, outcome=outcome, passed=passed)

    async def _recall(self, folder: Path, seed: int) -> Outcome:
        """Score a folder with a seed, or recall the score it already has under the same data and settings."""
        campaign = self.campaign
        key = f"trial/score/{seed}/{self._conditions(folder)}"
        recorded = campaign.store.get(key)
        if recorded is not None:
            return load(recorded, Outcome, subject=key)
        async with self._slots:
            outcome = await self._score(folder, seed=seed)
        if isinstance(outcome, Measurement) or outcome.kind not in ("infrastructure", "timed_out"):
            campaign.store.put(key, dump(outcome, Outcome))
        return outcome

    def _conditions(self, folder: Path) -> str:
        """Digest of all that a trial's outcome depends on."""
        campaign = self.campaign
        return digest(
            [
                submission_digest(folder),
                campaign.adapter.protocol(),
                dump(campaign.resources),
                campaign.launcher.tier,
                scoring_sources(),
            ]
        )

    async def _score(self, folder: Path, *, seed: int) -> Outcome:
        campaign = self.campaign
        adapter = limited(campaign.adapter, campaign.resources)
        scorer = open_scorer(adapter, campaign.workspace, campaign.launcher)
        return await score_submission(scorer, folder, split="search", seed=seed)


def left_out(campaign: CampaignContext) -> tuple[Attack, ...]:
    """Attacks that only isolation defeats, where nothing isolates."""
    isolates = campaign.launcher.isolates
    return tuple(attack for attack in campaign.adapter.attacks() if attack.isolation and not isolates)


async def _together(work: list[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; when one raises, the others end before it is told."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(item) for item in work]
    return [task.result() for task in tasks]


def _values(outcomes: list[Outcome]) -> list[float]:
    """Scores of the reference by seed."""
    for seed, outcome in enumerate(outcomes):
        if not isinstance(outcome, Measurement):
            raise EvaluationUnsealed(
                f"the reference has no score with seed {seed} ({tell(outcome)}); its noise cannot be measured"
            )
    return [outcome.value for outcome in outcomes if isinstance(outcome, Measurement)]
