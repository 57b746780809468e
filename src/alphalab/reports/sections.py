"""From a report's data to its document: what is said, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from alphalab._version import __version__
from alphalab.experiments import BASELINE_PREFIX, Leaderboard, Row
from alphalab.models.offline import DISCLAIMER
from alphalab.playbook import HEADINGS, Lesson
from alphalab.reports.answers import answer_of
from alphalab.reports.blocks import Block, Document, Figure, Items, Paragraph, Section, Table, amount
from alphalab.reports.data import OFFLINE, ReportData
from alphalab.reports.evaluation import evaluation
from alphalab.reports.figures import convergence, forecasts
from alphalab.reports.resources import cost, environment, reproduce

Part = Callable[[ReportData], Iterator[Block]]


def document(data: ReportData) -> Document:
    """The whole report."""
    parts: tuple[tuple[str, str, Part], ...] = (
        ("What was asked", "asked", asked),
        ("Convergence", "convergence", course),
        ("Leaderboard", "leaderboard", leaderboard),
        ("Final split", "final", final),
        ("Forecasts and truth", "forecasts", forecasts),
        ("How it was evaluated", "evaluation", evaluation),
        ("What the data look like", "exploration", exploration),
        ("What was learned", "playbook", playbook),
        ("Failures and repairs", "failures", failures),
        ("Cost and time", "cost", cost),
        ("Environment", "environment", environment),
        ("How to run it again", "reproduce", reproduce),
    )
    sections = [Section(title=title, anchor=anchor, blocks=tuple(part(data))) for title, anchor, part in parts]
    last = f"{data.ended:%Y-%m-%d %H:%M} UTC" if data.ended else "nothing has happened yet"
    return Document(
        title=f"Campaign report: {data.adapter}",
        subtitle=data.objective,
        opening=tuple(opening(data)),
        sections=[section for section in sections if section.blocks],
        footer=f"alphalab {__version__}; last event {last}; workspace {data.workspace}",
    )


def opening(data: ReportData) -> Iterator[Block]:
    """What must not be overlooked, and the answer."""
    if not data.language_model:
        yield Paragraph(text=_no_language_model(data), kind="alert")
    elif OFFLINE in data.models:
        yield Paragraph(text="Some roles were played by the rule-based offline researcher, others by language models.")
    if data.synthetic:
        told = "The data are synthetic: they were simulated, so the scores say nothing about a real network."
        yield Paragraph(text=told, kind="alert")
    loose = [tier for tier in data.sandboxes if tier in ("none", "process")]
    if loose:
        told = f"Some scores were taken at the sandbox tier {', '.join(loose)}: the submissions were not isolated."
        yield Paragraph(text=told, kind="alert")
    if data.status["phase"] != "finished":
        yield Paragraph(text=f"The campaign is not finished: it is in phase {data.status['phase']!r}.", kind="alert")
    yield Paragraph(text=" ".join(answer_of(data)), kind="lead")


def _no_language_model(data: ReportData) -> str:
    if data.models == (OFFLINE,):
        return f"{DISCLAIMER} Its hypotheses, findings and lessons follow fixed rules."
    return "No agent has run yet, so no language model has been involved so far."


def asked(data: ReportData) -> Iterator[Block]:
    """Objective, data and adapter."""
    metric = data.metric
    order = "lower is better" if metric.goal == "minimize" else "higher is better"
    rows = [
        ("Objective", data.objective),
        ("Data", data.data or "none named"),
        ("Adapter", f"{data.adapter}: {data.summary}"),
        ("Metric", f"{metric.name}{f', {metric.unit}' if metric.unit else ''}, {order}"),
        ("Options", ", ".join(f"{name}={value!r}" for name, value in data.options.items()) or "none"),
        ("Models", ", ".join(data.models) or "none has run yet"),
        ("Sandbox", ", ".join(data.sandboxes) or "nothing has been scored yet"),
        ("Experiments", ", ".join(f"{count} {state}" for state, count in data.counts.items()) or "none yet"),
        ("Ended", data.status["stop_reason"] or "not yet"),
    ]
    yield Table(head=("", ""), rows=rows)
    if data.warnings:
        yield Items(lines=data.warnings)


def course(data: ReportData) -> Iterator[Block]:
    """Scores in the order in which they came."""
    if data.steps:
        yield convergence(data)


def leaderboard(data: ReportData) -> Iterator[Block]:
    """Everything scored on the search split."""
    if not data.search.rows:
        return
    yield _table(data, data.search)
    noise = data.search.noise_floor
    told = f"Differences up to {noise:.3g} are noise." if noise else "Scoring the reference again gave the same number."
    yield Paragraph(
        text=f"{told} With several seeds the value is their mean and the interval their envelope. The best of many "
        "looks better on the split it was chosen by than it is; the final split corrects that.",
        kind="faint",
    )


def final(data: ReportData) -> Iterator[Block]:
    """The finalists and the baselines on the split that nothing was chosen by."""
    if not data.final.rows:
        return
    scored = sum(not row.baseline for row in data.final.rows)
    again = " The campaign went on after that, and chose again." if scored > len(data.finalists) else ""
    yield Paragraph(text=f"Opened once for each of {amount(scored, 'experiment')} and the baselines.{again}")
    yield _table(data, data.final)
    rows = [
        (
            one.other.removeprefix(BASELINE_PREFIX),
            one.split,
            f"{one.difference:+.4g}",
            f"[{one.low:+.4g}, {one.high:+.4g}]",
            str(one.n),
            one.verdict,
        )
        for one in data.comparisons
    ]
    if rows and data.best:
        head = (f"{data.best.id} minus", "split", "difference", "95 % interval", "n", data.best.id)
        yield Table(head=head, rows=rows, numbers=(2, 3, 4), caption="Paired over the units of the split.")


def _table(data: ReportData, board: Leaderboard) -> Table:
    """A leaderboard; the sandbox has a column only when not all scores were taken under one."""
    metric = data.metric
    tiers = {row.sandbox for row in board.rows}
    unit = f" ({metric.unit})" if metric.unit else ""
    head = ("#", "id", "name", "family", f"{metric.name}{unit}", "95 % interval", "n", "seeds", "sandbox")
    rows = [_row(data, place, row) for place, row in enumerate(board.rows, start=1)]
    width = len(head) - (len(tiers) == 1)
    return Table(
        head=head[:width],
        rows=[cells[:width] for cells in rows],
        numbers=(0, 4, 5, 6, 7),
        strong=[index for index, row in enumerate(board.rows) if data.best and row.id == data.best.id],
        faint=[index for index, row in enumerate(board.rows) if row.baseline],
        caption=f"{board.split} split, sandbox {', '.join(sorted(tiers))}",
    )


def _row(data: ReportData, place: int, row: Row) -> tuple[str, ...]:
    role = {data.reference: ", the reference", data.floor: ", the floor"}.get(row.id, "")
    names = ("", f"{row.name}{role}", "baseline") if row.baseline else (row.id, row.name, row.family)
    interval = "" if row.low is None or row.high is None else f"[{row.low:.5g}, {row.high:.5g}]"
    return (str(place), *names, f"{row.value:.5g}", interval, str(row.n), str(row.seeds), row.sandbox)


def exploration(data: ReportData) -> Iterator[Block]:
    """The plots of the exploration with their findings."""
    for number, plot in enumerate(data.plots, start=1):
        yield Figure(
            name=f"plot-{number}",
            title=plot.title,
            caption=f"{plot.title}. {plot.finding} {plot.advice}".strip(),
            png=plot.data,
            width=plot.width,
            height=plot.height,
            file=plot.file,
        )


def playbook(data: ReportData) -> Iterator[Block]:
    """Lessons by kind, each with what it rests on."""
    for kind, heading in HEADINGS.items():
        lessons = [lesson for lesson in data.playbook.active if lesson.kind == kind]
        if lessons:
            yield Paragraph(text=f"{heading}:")
            yield Items(lines=[_lesson(lesson) for lesson in lessons])


def _lesson(lesson: Lesson) -> str:
    rests_on = ", ".join(lesson.evidence) or "no experiment yet"
    return f"{lesson.id}: {lesson.text} ({lesson.confidence} confidence; {rests_on})"


def failures(data: ReportData) -> Iterator[Block]:
    """Every experiment that failed at least once."""
    rows = [
        (one.experiment, one.name, "; ".join(failure[:400] for failure in one.failures), one.outcome)
        for one in data.troubles
    ]
    if rows:
        yield Table(head=("id", "name", "what failed", "what became of it"), rows=rows)
    elif data.steps:
        yield Paragraph(text="No experiment failed.")
