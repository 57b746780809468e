"""The answer of a campaign in a few sentences, each with its number, interval and n."""

from __future__ import annotations

from collections.abc import Iterator

from alphalab.experiments import BASELINE_PREFIX, Row
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
    order = "lower" if metric.goal == "minimize" else "higher"
    yield (
        f"The best experiment is {row.id}, {row.name} ({row.family}): {metric.name} {measured(row)} on the search "
        f"split ({order} is better)."
    )
    named = [(f"the {kind} {_plain(subject)}", data.row(subject, "search")) for kind, subject in _baselines(data)]
    against = [
        f"{metric.gain(row.value, other.value):+.1%} against {name} ({other.value:.5g})"
        for name, other in named
        if other
    ]
    if against:
        yield f"That is {' and '.join(against)} on the same split."
    ahead = [other for other in data.search.rows if other.baseline and metric.better(other.value, row.value)]
    if ahead:
        yield f"It does not beat the baseline {ahead[0].name}, which scores {ahead[0].value:.5g}."


def _on_final(data: ReportData) -> Iterator[str]:
    assert data.best is not None, "only asked when there is a best experiment"
    row = data.row(data.best.id, "final")
    if row is None:
        yield "The final split has not been opened yet; a score that an experiment was chosen by flatters it."
        return
    yield (
        f"On the final split, which was opened once, after the choice, it scores {measured(row)}; this is the number "
        "to quote, as nothing was chosen by it."
    )
    for kind, subject in _baselines(data):
        other, compared = data.row(subject, "final"), data.compared(subject, "final")
        if other is not None:
            told = f"; {_paired(compared)}" if compared else ""
            gain = f"{data.metric.gain(row.value, other.value):+.1%}"
            yield f"There the {kind} {_plain(subject)} scores {other.value:.5g} ({gain}){told}."


def _runner_up(data: ReportData, row: Row) -> Iterator[str]:
    other = data.runner_up
    if other is None:
        return
    compared = data.compared(other.id, "search")
    lead = abs(row.value - other.value)
    tie = compared.verdict == "tie" if compared else lead <= data.search.noise_floor
    basis = _paired(compared) if compared else f"the noise floor is {data.search.noise_floor:.3g}"
    verdict = "this is a tie: the search split cannot tell the two apart" if tie else "it is ahead of more than noise"
    yield f"The runner-up {other.id}, {other.name}, is {lead:.3g} behind; {basis}: {verdict}."


def _baselines(data: ReportData) -> Iterator[tuple[str, str]]:
    """The baselines that a score is held against, by what they are."""
    yield from ((kind, subject) for kind, subject in (("reference", data.reference), ("floor", data.floor)) if subject)


def measured(row: Row) -> str:
    """A value with its interval, its units and its seeds."""
    interval = (
        f", 95 % interval [{row.low:.5g}, {row.high:.5g}]" if row.low is not None and row.high is not None else ""
    )
    return f"{row.value:.5g}{interval} over {amount(row.n, 'unit')} and {amount(row.seeds, 'seed')}"


def _paired(compared: Comparison | None) -> str:
    if compared is None:
        return ""
    interval = f"[{compared.low:+.3g}, {compared.high:+.3g}]"
    return f"paired difference {compared.difference:+.3g}, 95 % interval {interval}, n={compared.n}"


def _plain(subject: str) -> str:
    return subject.removeprefix(BASELINE_PREFIX)
