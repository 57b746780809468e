"""Trials before the seal: baselines, noise, canaries and attacks, all scored by the real harness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from alphalab._ids import digest, file_digest
from alphalab._serde import dump, load
from alphalab.adapters import Baseline, Canary
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
from alphalab.roles import CampaignContext
from alphalab.scorer import open_scorer, score_submission, submission_digest

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
        noise, canaries = await asyncio.gather(self._noise(), self._canaries())
        attacks = [
            await self.attack_folder(attack.name, campaign.workspace.adapter / attack.folder)
            for attack in campaign.adapter.attacks()
            if attack.quick
        ]
        extra = [path for path in sorted((campaign.workspace.evaluation / "attacks").glob("*")) if path.is_dir()]
        known = {attack.name for attack in attacks}
        attacks += [await self.attack_folder(path.name, path) for path in extra if path.name not in known]
        return Certificate(
            floor=self._value("floor"),
            reference=self._value("reference"),
            baselines=dict(self.baselines),
            noise=measure_noise(noise),
            canaries=tuple(canaries),
            attacks=tuple(attacks),
            tests=tests,
            rounds=rounds,
            sandbox=campaign.launcher.tier,
            language_model=campaign.model_for("builder").capabilities.is_language_model,
            certified_at=campaign.clock.now(),
        )

    async def attack(self, name: str) -> AttackResult:
        """Try the attack in `evaluation/attacks/NAME`."""
        await self._measure_baselines()
        return await self.attack_folder(name, self.campaign.workspace.evaluation / "attacks" / name)

    async def attack_folder(self, name: str, folder: Path) -> AttackResult:
        """Try one attack, or recall what it did; alone, so that what changed is its own doing."""
        await self._measure_baselines()
        key = f"trial/attack/{submission_digest(folder)}"
        recorded = self.campaign.store.get(key)
        if recorded is not None:
            return load(recorded, AttackResult, subject=key)
        before, started = self._protected(), time.monotonic()
        outcome = await self._score(folder, seed=0)
        after = self._protected()
        changed = tuple(sorted(path for path in {*before, *after} if before.get(path) != after.get(path)))
        verdict = judge_attack(outcome, metric=self.campaign.metric, floor=self._value("floor"), changed=changed)
        result = AttackResult(
            name=name, verdict=verdict, outcome=outcome, seconds=time.monotonic() - started, changed=changed
        )
        self.campaign.store.put(key, dump(result))
        return result

    def _protected(self) -> dict[str, str]:
        space = self.campaign.workspace
        results = sorted(space.experiments.glob("*/result.json"))
        return sealed_files(space) | {space.relative(path): file_digest(path) for path in results}

    async def _measure_baselines(self) -> None:
        missing = [baseline for baseline in self.campaign.adapter.baselines() if baseline.name not in self.baselines]
        outcomes = await asyncio.gather(
            *(self._recall(self.campaign.workspace.adapter / item.folder, 0) for item in missing)
        )
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

    async def _noise(self) -> list[float]:
        folder = self.campaign.workspace.adapter / self._baseline("reference").folder
        outcomes = await asyncio.gather(*(self._recall(folder, seed) for seed in range(NOISE_RUNS)))
        return [outcome.value for outcome in outcomes if isinstance(outcome, Measurement)]

    async def _canaries(self) -> list[CanaryResult]:
        return list(await asyncio.gather(*(self._canary(canary) for canary in self.campaign.adapter.canaries())))

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
        key = f"trial/score/{digest([submission_digest(folder), seed, campaign.adapter.protocol()])}"
        recorded = campaign.store.get(key)
        if recorded is not None:
            return load(recorded, Outcome, subject=key)
        outcome = await self._limited(self._score(folder, seed=seed))
        campaign.store.put(key, dump(outcome, Outcome))
        return outcome

    async def _limited(self, work: Coroutine[Any, Any, T]) -> T:
        async with self._slots:
            return await work

    async def _score(self, folder: Path, *, seed: int) -> Outcome:
        scorer = open_scorer(self.campaign.adapter, self.campaign.workspace, self.campaign.launcher)
        return await score_submission(scorer, folder, split="search", seed=seed)
