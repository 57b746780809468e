"""The certificate: proof, before sealing, that an evaluation tells good submissions from bad ones."""

from __future__ import annotations

from datetime import datetime
from math import sqrt
from statistics import fmean, stdev
from typing import Any, Literal

from attrs import field, frozen

from alphalab.measurement import Failure, Measurement, Metric, Outcome

NOISE_RUNS = 5
"""Seeds the noise floor rests on, at least."""
_T_975 = {4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""Student's t at 97.5 % by degrees of freedom."""
_TIE = 1e-9
"""Relative difference below which two scores are the same number summed in another order."""

AttackVerdict = Literal["rejected", "no better than the floor", "succeeded", "not tried"]


@frozen(kw_only=True)
class CanaryResult:
    """What a submission with a known outcome really did."""

    name: str
    expect: str
    outcome: Outcome
    passed: bool


@frozen(kw_only=True)
class AttackResult:
    """What an attack achieved."""

    name: str
    verdict: AttackVerdict
    outcome: Outcome
    seconds: float
    changed: tuple[str, ...] = field(default=(), converter=tuple)
    """Protected files that it changed; any of them is a success of the attack."""


@frozen(kw_only=True)
class Noise:
    """Repeated scores of the reference with different seeds."""

    values: tuple[float, ...] = field(converter=tuple)
    mean: float
    sd: float
    floor: float
    """Differences of two single scores up to this are noise at 95 %: t · √2 · sd. Zero when seeds change nothing; what
    the finite split leaves open is in each score's own interval."""


@frozen(kw_only=True)
class Certificate:
    """Everything that was tried before sealing."""

    floor: float
    """Score of the trivial baseline; what does not beat it has learned nothing."""
    reference: float
    """Score of the baseline that improvement is measured against."""
    baselines: dict[str, Outcome]
    """Every baseline's score on the search split, by name."""
    noise: Noise
    canaries: tuple[CanaryResult, ...] = field(converter=tuple)
    attacks: tuple[AttackResult, ...] = field(converter=tuple)
    untried: tuple[str, ...] = field(default=(), converter=tuple)
    """Attacks that were left out because the sandbox isolates nothing: each would have succeeded."""
    tests: dict[str, Any]
    """Count and result of the evaluation's own test suite."""
    rounds: int
    sandbox: str
    language_model: bool
    """Whether a language model built and reviewed it."""
    certified_at: datetime

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it must not be sealed; empty when it may."""
        found = [
            f"canary {canary.name!r}: expected {canary.expect}, got {tell(canary.outcome)}"
            for canary in self.canaries
            if not canary.passed
        ]
        found += [
            f"attack {attack.name!r} succeeded: {tell(attack.outcome)} {', '.join(attack.changed)}"
            for attack in self.attacks
            if attack.verdict == "succeeded"
        ]
        found += [
            f"attack {attack.name!r} could not be tried: {tell(attack.outcome)}"
            for attack in self.attacks
            if attack.verdict == "not tried"
        ]
        found += [] if self.tests.get("passed") else [f"the evaluation's tests fail: {self.tests.get('summary', '')}"]
        return tuple(found)


def measure_noise(values: list[float]) -> Noise:
    """Noise of repeated scores.

    Args:
        values: At least `NOISE_RUNS` of them.
    """
    sd = stdev(values)
    return Noise(values=tuple(values), mean=fmean(values), sd=sd, floor=_T_975[len(values) - 1] * sqrt(2) * sd)


def judge_canary(expect: str, outcome: Outcome, *, metric: Metric, floor: float, reference: float) -> bool:
    """Whether a canary did what it must."""
    if isinstance(outcome, Failure):
        return expect in ("rejected", "not_better_than_floor") and outcome.kind != "infrastructure"
    value = outcome.value
    return {
        "rejected": False,
        "passes": True,
        "not_better_than_floor": not clearly_better(metric, value, floor),
        "worse_than_reference": clearly_better(metric, reference, value),
        "better_than_reference": clearly_better(metric, value, reference),
    }[expect]


def judge_attack(outcome: Outcome, *, metric: Metric, floor: float, changed: tuple[str, ...]) -> AttackVerdict:
    """Whether an attack got anywhere: a score better than the floor, or a protected file changed.

    One that the machine failed was not tried, and nothing is known of it.
    """
    if changed:
        return "succeeded"
    if isinstance(outcome, Measurement):
        return "succeeded" if clearly_better(metric, outcome.value, floor) else "no better than the floor"
    return "not tried" if outcome.kind == "infrastructure" else "rejected"


def clearly_better(metric: Metric, a: float, b: float) -> bool:
    """Better by more than rounding."""
    return metric.better(a, b) and abs(a - b) > _TIE * max(abs(a), abs(b))


def tell(outcome: Outcome) -> str:
    """An outcome in a few words."""
    if isinstance(outcome, Measurement):
        return f"score {outcome.value:.5g}"
    return f"{outcome.kind}: {outcome.message}"
