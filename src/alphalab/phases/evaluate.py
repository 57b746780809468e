"""Evaluate: build, review, test, attack, certify, seal. Nothing is scored for the board before the seal."""

from __future__ import annotations

import re

from alphalab._serde import dump, dumps
from alphalab.adapters import DomainAdapter
from alphalab.commands import Access, Command
from alphalab.errors import EvaluationUnsealed
from alphalab.evaluation import Certificate, Seal, make_seal
from alphalab.events import EvaluationRound, EvaluationSealed, Noticed
from alphalab.experiments import BASELINE_PREFIX, Score, Store
from alphalab.measurement import Finding
from alphalab.phases.trials import Trials
from alphalab.roles import Builder, CampaignContext, Critic, Hacker, Tester, package_problems
from alphalab.scorer import submission_digest
from alphalab.workspace import Workspace, write_atomic

MAX_ROUNDS = 5
_ENDING = re.compile(
    r"^Ran (?P<ran>\d+) tests? in \S+\n\nOK(?: \((?:.*\b)?skipped=(?P<skipped>\d+)\)| \(.*\))?$", re.MULTILINE
)

_BUILD = """\
Objective: {objective}

Write the evaluation package into `evaluation/`: `evaluation.json` must say exactly what the scorer does.{complaints}
"""
_REVIEW = """\
Objective: {objective}

Audit the evaluation in `evaluation/` and the scorer behind it for leakage, lookahead and metric errors.
"""
_TEST = """\
Objective: {objective}

Write `evaluation/tests/test_*.py` (unittest) for the evaluation in `evaluation/`. The harness runs them itself.
"""
_ATTACK = """\
Objective: {objective}

Try to score without solving the task.
"""


async def evaluate(campaign: CampaignContext) -> str:
    """Go through rounds until nothing blocks: no finding, no failing test, no attack, no canary that misbehaves.

    Returns:
        One sentence on what was certified.

    Raises:
        EvaluationUnsealed: Problems remain after the last round; names them.
    """
    complaints: tuple[str, ...] = ()
    trials = Trials(campaign=campaign)
    for number in range(1, MAX_ROUNDS + 1):
        findings = await _build_and_review(campaign, complaints)
        tests = await _test(campaign)
        await _attack(campaign, trials)
        certificate = await trials.certify(tests=tests, rounds=number)
        blocking = [finding.message for finding in findings if finding.severity == "blocking"]
        complaints = (*package_problems(campaign), *blocking, *certificate.problems)
        succeeded = sum(attack.verdict == "succeeded" for attack in certificate.attacks)
        campaign.emit(
            EvaluationRound(
                round=number, blocking=len(blocking), tests_passed=bool(tests["passed"]), attacks_succeeded=succeeded
            )
        )
        if not complaints:
            return _seal(campaign, certificate)
    listed = "".join(f"\n  - {line}" for line in complaints)
    raise EvaluationUnsealed(
        f"after {MAX_ROUNDS} rounds the evaluation still has problems, so no experiment is run:{listed}"
    )


async def _build_and_review(campaign: CampaignContext, complaints: tuple[str, ...]) -> tuple[Finding, ...]:
    objective = campaign.task.objective
    if complaints or package_problems(campaign):
        told = "".join(f"\n- {line}" for line in complaints)
        asked = _BUILD.format(objective=objective, complaints=f"\n\nThe last round found:{told}" if told else "")
        await campaign.roles[Builder.role_name].for_campaign(campaign).run(asked, task=campaign.task)
    critic = campaign.roles[Critic.role_name].for_campaign(campaign)
    await critic.run(_REVIEW.format(objective=objective), task=campaign.task)
    findings = critic.findings if isinstance(critic, Critic) else None
    if findings is None:
        findings = (Finding(severity="blocking", message="the Critic ended without a verdict"),)
    review = {"model": critic.model.name, "findings": [dump(finding) for finding in findings]}
    write_atomic(campaign.workspace.evaluation / "review.json", dumps(review, indent=2))
    return findings


async def _test(campaign: CampaignContext) -> dict[str, object]:
    """Have tests written where there are none, and run them: in the sandbox, by the harness, not by the Tester."""
    tests = campaign.workspace.evaluation / "tests"
    if not list(tests.glob("test_*.py")):
        await (
            campaign.roles[Tester.role_name]
            .for_campaign(campaign)
            .run(_TEST.format(objective=campaign.task.objective), task=campaign.task)
        )
    space = campaign.workspace
    command = Command(
        argv=("python", "-B", "-m", "unittest", "discover", "-s", str(tests), "-t", str(tests)),
        cwd=space.root,
        access=Access(readable=(space.evaluation, space.data, space.adapter), hidden=(space.private,)),
        time_limit_s=300,
    )
    result = await campaign.launcher.run(command)
    return {
        "passed": result.exit_code == 0 and _something_passed(result.stderr),
        "summary": result.stderr.strip()[-600:],
        "files": len(list(tests.glob("test_*.py"))),
    }


def _something_passed(report: str) -> bool:
    """Whether unittest's report ends well and at least one test was not skipped; a suite can exit 0 before it."""
    ending = _ENDING.search(report)
    return ending is not None and int(ending["ran"]) > int(ending["skipped"] or 0)


async def _attack(campaign: CampaignContext, trials: Trials) -> None:
    hacker = campaign.roles[Hacker.role_name].for_campaign(campaign, try_attack=trials.attack)
    await hacker.run(_ATTACK.format(objective=campaign.task.objective), task=campaign.task)


def put_on_record(store: Store, space: Workspace, adapter: DomainAdapter, certificate: Certificate, seal: Seal) -> None:
    """Enter a sealed evaluation and the scores of its baselines into a campaign's record."""
    store.put("evaluation", {"digest": seal.digest, "noise_floor": certificate.noise.floor})
    for baseline in adapter.baselines():
        store.record_score(
            Score(
                subject=f"{BASELINE_PREFIX}{baseline.name}",
                split="search",
                seed=0,
                attempt=0,
                outcome=certificate.baselines[baseline.name],
                evaluation=seal.digest,
                submission=submission_digest(space.adapter / baseline.folder),
                at=seal.sealed_at,
            )
        )


def _seal(campaign: CampaignContext, certificate: Certificate) -> str:
    space = campaign.workspace
    write_atomic(space.evaluation / "certificate.json", dumps(certificate, indent=2))
    seal = make_seal(space, campaign.adapter.options, at=campaign.clock.now())
    with campaign.store.transaction():
        put_on_record(campaign.store, space, campaign.adapter, certificate, seal)
        campaign.emit(
            EvaluationSealed(
                digest=seal.digest,
                noise_floor=certificate.noise.floor,
                attacks=len(certificate.attacks),
                canaries=len(certificate.canaries),
            )
        )
    if certificate.untried:
        campaign.emit(
            Noticed(
                level="warning",
                message=f"{len(certificate.untried)} attacks were left out: the sandbox tier {certificate.sandbox!r} "
                "isolates nothing, so they would have succeeded; scores rest on trust in who wrote the submissions",
                facts={"attacks": list(certificate.untried)},
            )
        )
    return (
        f"Sealed after {certificate.rounds} round(s): {len(certificate.canaries)} canaries behaved, "
        f"{len(certificate.attacks)} attacks failed, noise floor {certificate.noise.floor:.3g}."
    )
