"""What came of a campaign, as values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from alphalab.errors import NotFound
from alphalab.events import CampaignStopped
from alphalab.experiments import Experiment, Leaderboard
from alphalab.messages import Usage
from alphalab.phases import PREPARING, active_time
from alphalab.playbook import Playbook

if TYPE_CHECKING:
    from alphalab.campaign.campaign import Campaign


@frozen(kw_only=True)
class CampaignResult:
    """The product of a campaign."""

    best: Experiment | None
    """The finalist with the best mean on the search split; the best experiment before there are finalists."""
    finalists: tuple[Experiment, ...] = field(converter=tuple)
    """Run again with new seeds and scored once on the final split."""
    leaderboard: Leaderboard
    """On the search split."""
    final: Leaderboard
    """On the final split: finalists and baselines."""
    playbook: Playbook
    usage: Usage
    stop_reason: str | None
    """`converged`, `budget`, `experiments`, `stopped` or `unhealthy`; None while it is not over."""
    report_path: Path | None

    def __str__(self) -> str:
        best = f"{self.best.id} {self.best.name}" if self.best else "nothing scored"
        return f"{best}; stopped: {self.stop_reason or 'not yet'}\n\n{self.leaderboard}"

    def _repr_html_(self) -> str:
        return self.leaderboard.to_html()


def result_of(campaign: Campaign) -> CampaignResult:
    """Read a campaign's product from its record."""
    leaderboard = campaign.leaderboard()
    with campaign.reading() as store:
        names: list[str] = store.get("finalists") or []
        finalists = [store.experiment(name) for name in names]
        stopped = store.events(kinds=("campaign_stopped",))
        usage = store.usage()
    assert isinstance(usage, Usage)
    report = campaign.workspace / "reports" / "report.html"
    last = stopped[-1].event if stopped else None
    return CampaignResult(
        best=_best(campaign, leaderboard, finalists),
        finalists=tuple(finalists),
        leaderboard=leaderboard,
        final=campaign.leaderboard(split="final"),
        playbook=campaign.playbook,
        usage=usage,
        stop_reason=last.reason if isinstance(last, CampaignStopped) else None,
        report_path=report if report.is_file() else None,
    )


def _best(campaign: Campaign, leaderboard: Leaderboard, finalists: list[Experiment]) -> Experiment | None:
    metric = leaderboard.metric
    scored = [(value, experiment) for experiment in finalists if (value := experiment.value("search")) is not None]
    if scored:
        # One that failed with some seed is not preferred to one that ran with all of them, however good its luck.
        most = max(len(experiment.measurements("search")) for _value, experiment in scored)
        complete = [pair for pair in scored if len(pair[1].measurements("search")) == most]
        return min(complete, key=lambda pair: (metric.sort_key(pair[0]), pair[1].id))[1]
    try:
        return campaign.experiment(leaderboard.best.id) if leaderboard.best else None
    except NotFound:
        return None


def status_of(campaign: Campaign) -> dict[str, Any]:
    """Phase, counts, best and cost as one JSON object."""
    result = result_of(campaign)
    with campaign.reading() as store:
        counts = {state: count for state, count in store.counts().items() if count}
        done = [name for name in PREPARING if store.get(f"phase/{name}") is not None]
        ended = store.get("phase/experiment") is not None
        last = store.events(since=max(0, _last_number(store) - 1))
        seconds = active_time(store, last[-1].at).total_seconds() if last else 0.0
    phase = "finished" if ended else "experiment" if len(done) == len(PREPARING) else list(PREPARING)[len(done)]
    row = next((row for row in result.leaderboard.rows if result.best and row.id == result.best.id), None)
    return {
        "workspace": str(campaign.workspace),
        "phase": phase,
        "stop_reason": result.stop_reason if ended else None,
        "experiments": counts,
        "best": {"id": row.id, "metric": result.leaderboard.metric.name, "value": row.value} if row else None,
        "cost_usd": result.usage.cost_usd,
        "seconds": round(seconds, 3),
    }


def _last_number(store: Any) -> int:
    return int(store.database.rows("SELECT coalesce(max(number), 0) AS n FROM events")[0]["n"])
