"""What a report says, gathered from a campaign's record and folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from alphalab._serde import loads
from alphalab.errors import AlphaLabError
from alphalab.evaluation import Certificate, Seal, read_seal
from alphalab.events import AgentStarted, Noticed, Recorded
from alphalab.experiments import BASELINE_PREFIX, Experiment, ExperimentState, Store
from alphalab.measurement import Failure, Finding, Measurement, Metric
from alphalab.provenance import environment, machine
from alphalab.reports.data import ReportData, Step, Trouble
from alphalab.reports.evidence import Comparison, compare, example_panels
from alphalab.reports.plots import read_plots
from alphalab.workspace import Workspace

if TYPE_CHECKING:
    from alphalab.campaign import Campaign


def gather(campaign: Campaign) -> ReportData:
    """Read what is on record and on disk; parts that are not there yet stay empty.

    Raises:
        StoreError: Nothing has been run in this workspace.
    """
    space = Workspace(campaign.workspace)
    adapter, result = campaign.loaded_adapter(), campaign.result()
    roles = {baseline.role: f"{BASELINE_PREFIX}{baseline.name}" for baseline in adapter.baselines()}
    search = result.leaderboard
    best = result.best
    runner_up = next((row for row in search.rows if best and not row.baseline and row.id != best.id), None)
    with campaign.reading() as store:
        events = store.events(kinds=("campaign_started", "agent_started", "noticed"))
        experiments, scores = store.experiments(), store.scores()
        panels_split = "final" if best and best.measurements("final") else "search"
        return ReportData(
            workspace=space.root,
            objective=campaign.task.objective,
            data=campaign.task.data,
            adapter=adapter.manifest.name,
            summary=adapter.manifest.summary,
            options=adapter.options,
            config=space.config.read_text() if space.config.is_file() else "",
            metric=adapter.manifest.metric,
            models=_models(events),
            status=campaign.status(),
            began=events[0].at if events else None,
            ended=_last_time(store),
            search=search,
            final=result.final,
            floor=roles.get("floor", ""),
            reference=roles.get("reference", ""),
            best=best,
            runner_up=runner_up,
            finalists=tuple(experiment.id for experiment in result.finalists),
            comparisons=_comparisons(
                campaign, space, store, best, (runner_up.id if runner_up else "", *roles.values())
            ),
            steps=_steps(experiments),
            counts={state: count for state, count in store.counts().items() if count},
            protocol=_json(space.evaluation / "evaluation.json"),
            facts=_json(space.data / "facts.json"),
            certificate=_certificate(space),
            seal=_seal(space),
            review=_review(space),
            panels=example_panels(space, best.id, panels_split, campaign.seed) if best else (),
            panels_split=panels_split,
            plots=read_plots(space),
            playbook=result.playbook,
            troubles=_troubles(store, experiments, adapter.manifest.metric),
            usage=result.usage,
            usage_by_role=store.usage("role"),
            usage_by_phase=store.usage("phase"),
            sandboxes=sorted({score.outcome.sandbox for score in scores}),
            warnings=_warnings(events),
            environment=environment(),
            machine=machine(),
        )


def _models(events: Iterable[Recorded]) -> tuple[str, ...]:
    return tuple(sorted({recorded.event.model for recorded in events if isinstance(recorded.event, AgentStarted)}))


def _last_time(store: Store) -> datetime | None:
    newest = store.database.rows("SELECT at FROM events ORDER BY number DESC LIMIT 1")
    return datetime.fromisoformat(newest[0]["at"]) if newest else None


def _comparisons(
    campaign: Campaign, space: Workspace, store: Store, best: Experiment | None, others: Iterable[str]
) -> tuple[Comparison, ...]:
    if best is None:
        return ()
    sealed: dict[str, Any] = store.get("evaluation") or {}
    floor, metric = float(sealed.get("noise_floor", 0.0)), campaign.loaded_adapter().manifest.metric
    found: list[Comparison] = []
    for split in ("search", "final"):
        mine = _measured(store, best.id, split, campaign.seed)
        for other in dict.fromkeys(others):
            theirs = _measured(store, other, split, campaign.seed) if other else None
            if mine is None or theirs is None:
                continue
            pair = ((best.id, mine), (other, theirs))
            comparison = compare(space, metric, *pair, split=split, seed=campaign.seed, noise_floor=floor)
            found += [comparison] if comparison else []
    return tuple(found)


def _measured(store: Store, subject: str, split: str, seed: int) -> Measurement | None:
    scores = [score for score in store.scores(subject, split) if score.seed == seed]
    outcome = max(scores, key=lambda score: score.attempt).outcome if scores else None
    return outcome if isinstance(outcome, Measurement) else None


def _steps(experiments: Iterable[Experiment]) -> tuple[Step, ...]:
    """The first seed's score of every experiment that has one, by time."""
    found: list[tuple[datetime, Step]] = []
    for experiment in experiments:
        scores = [score for score in experiment.scores if score.split == "search"]
        good = [score for score in scores if isinstance(score.outcome, Measurement)]
        if not good or experiment.state in (ExperimentState.FAILED, ExperimentState.CANCELLED):
            continue
        latest = max(score.attempt for score in good)
        first = min((score for score in good if score.attempt == latest), key=lambda score: score.seed)
        outcome = cast("Measurement", first.outcome)
        step = Step(
            experiment=experiment.id, name=experiment.name, value=outcome.value, low=outcome.low, high=outcome.high
        )
        found.append((first.at, step))
    return tuple(step for _, step in sorted(found, key=lambda pair: pair[0]))


def _troubles(store: Store, experiments: Iterable[Experiment], metric: Metric) -> tuple[Trouble, ...]:
    found: list[Trouble] = []
    for experiment in experiments:
        kept: list[dict[str, Any]] = store.get(f"failures/{experiment.id}") or []
        failures = [f"{failure.get('kind')}: {failure.get('message')}" for failure in kept]
        if not failures and isinstance(experiment.failure, Failure):
            failures = [f"{experiment.failure.kind}: {experiment.failure.message}"]
        value = experiment.value("search")
        repaired = f"repaired; {metric.name} {value:.5g}" if value is not None else f"now {experiment.state.value}"
        outcome = "failed for good" if experiment.state is ExperimentState.FAILED else repaired
        if failures:
            found.append(Trouble(experiment=experiment.id, name=experiment.name, failures=failures, outcome=outcome))
    return tuple(found)


def _warnings(events: Iterable[Recorded]) -> tuple[str, ...]:
    told = [recorded.event for recorded in events if isinstance(recorded.event, Noticed)]
    return tuple(dict.fromkeys(event.message for event in told if event.level == "warning"))


def _json(path: Path) -> dict[str, Any]:
    """A JSON object on disk; empty when it is not there or something else, as agents write some of them."""
    try:
        value: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _certificate(space: Workspace) -> Certificate | None:
    path = space.evaluation / "certificate.json"
    try:
        return loads(path.read_text(), Certificate, subject=str(path))
    except (OSError, AlphaLabError):
        return None


def _seal(space: Workspace) -> Seal | None:
    try:
        return read_seal(space)
    except AlphaLabError:
        return None


def _review(space: Workspace) -> tuple[Finding, ...]:
    path = space.evaluation / "review.json"
    findings: Any = _json(path).get("findings")
    try:
        return loads(json.dumps(findings), tuple[Finding, ...], subject=str(path)) if findings else ()
    except AlphaLabError:
        return ()
