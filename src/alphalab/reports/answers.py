"""The answer of a campaign in a few sentences, each with its number, interval and n."""

from __future__ import annotations

from collections.abc import Iterator

from alphalab.experiments import Row
from alphalab.reports.blocks import amount
from alphalab.reports.data import ReportData
from alphalab.reports.evidence import Comparison


def answer_of(data: ReportData) -> tuple[str, ...]:
    """What came out: the best experiment on both splits, against baselines and against its runner-up."""
    row = data.row(data.best.id, "search") if data.best else None
    if row is None:
        return (f"Nothing has been scored yet; the campaign is in phase {data.status['phase']!r}.",)
    return (*_on_search(data, row), *_on_final(data), *_runner_up(data, row))


def _on_search(data: ReportData, row: Row) -> Iterator[str]:
    metric = data.metric
    others = amount(sum(not other.baseline for other in data.search.rows), "scored experiment")
    yield (
        f"{row.id}, {row.name} ({row.family}), is the best of {others}: {metric.name} {measured(row)} on the search "
        f"split, where {'lower' if metric.goal == 'minimize' else 'higher'} is better."
    )
    against = [
        f"{_gain(data, row, other)} the {kind} {other.name} ({other.value:.5g})"
        for kind, subject in _baselines(data)
        if (other := data.row(subject, "search"))
    ]
    if against:
        yield f"That is {' and '.join(against)}."
    ahead = [other for other in data.search.rows if other.baseline and metric.better(other.value, row.value)]
    if ahead:
        yield f"It does not beat the baseline {ahead[0].name}, which scores {ahead[0].value:.5g}."


def _on_final(data: ReportData) -> Iterator[str]:
    row = data.row(data.best.id, "final") if data.best else None
    if row is None:
        yield "The final split has not been opened yet; a score that an experiment was chosen by flatters it."
        return
    yield (
        f"On the final split, opened for it once, after the choice, it scores {measured(row)}; nothing was chosen by "
        "this number, so it is the one to quote."
    )
    for kind, subject in _baselines(data):
        other = data.row(subject, "final")
        if other is not None:
            told = f"{_gain(data, row, other)} the {kind} {other.name} ({other.value:.5g}"
            yield f"There it is {told}{_paired(data.compared(subject, 'final'))})."


def _runner_up(data: ReportData, row: Row) -> Iterator[str]:
    other = data.runner_up
    if other is None:
        return
    compared, noise = data.compared(other.id, "search"), data.search.noise_floor
    lead = abs(row.value - other.value)
    tie = compared.verdict == "tie" if compared else lead <= noise
    basis = _paired(compared).removeprefix("; ") if compared else f"noise floor {noise:.3g}"
    verdict = "a tie, the search split cannot tell the two apart" if tie else "more than noise"
    yield f"The runner-up {other.id}, {other.name}, is {lead:.3g} behind on the search split ({basis}): {verdict}."


def _baselines(data: ReportData) -> Iterator[tuple[str, str]]:
    """The baselines that a score is held against, by what they are."""
    yield from ((kind, subject) for kind, subject in (("reference", data.reference), ("floor", data.floor)) if subject)


def _gain(data: ReportData, row: Row, other: Row) -> str:
    gain = data.metric.gain(row.value, other.value)
    return f"{abs(gain):.1%} {'better' if gain >= 0 else 'worse'} than"


def measured(row: Row) -> str:
    """A value with its interval, its units and its seeds."""
    interval = (
        f"95 % interval [{row.low:.5g}, {row.high:.5g}], " if row.low is not None and row.high is not None else ""
    )
    return f"{row.value:.5g} ({interval}n={row.n}, {amount(row.seeds, 'seed')})"


def _paired(compared: Comparison | None) -> str:
    if compared is None:
        return ""
    interval = f"[{compared.low:+.3g}, {compared.high:+.3g}]"
    return f"; paired difference {compared.difference:+.3g}, 95 % interval {interval}, n={compared.n}"
