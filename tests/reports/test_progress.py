import io
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from rich.console import Console

from alphalab.events import (
    EVENT_TAGS,
    AgentFinished,
    AgentStarted,
    EvaluationSealed,
    ExperimentMoved,
    ExperimentProposed,
    ExperimentScored,
    Noticed,
    PhaseStarted,
    Recorded,
    ToolCalled,
)
from alphalab.measurement import Failure, Measurement, Metric
from alphalab.messages import Usage
from alphalab.reports import Progress

START = datetime(2026, 1, 1, tzinfo=UTC)


def progress(**options):
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False, **options)
    return Progress(console=console, metric=Metric(name="rmse", goal="minimize")), stream


def tell(sink, *events, seconds=0):
    for number, event in enumerate(events):
        sink(Recorded(number=number, at=START + timedelta(seconds=seconds), event=event))


def proposed(name="Ridge"):
    return ExperimentProposed(experiment="exp-0001", name=name, family="linear", hypothesis="h")


def scored(value, *, subject="exp-0001", split="search", seed=0):
    return ExperimentScored(experiment=subject, split=split, seed=seed, outcome=Measurement(value=value))


def moved(source, target, reason=""):
    return ExperimentMoved(experiment="exp-0001", source=source, target=target, reason=reason)


def test_a_log_has_one_line_per_event_that_matters():
    sink, stream = progress()
    tool = ToolCalled(agent="a", role="explorer", tool="shell", arguments="{}", ok=True, summary="", seconds=0.1)
    tell(sink, PhaseStarted(phase="experiment"), proposed(), tool, moved("queued", "running"))
    tell(sink, scored(9.0), seconds=65)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "  0:00  = experiment"
    assert "exp-0001 proposed: Ridge (linear)" in lines[1]
    assert "exp-0001 runs: Ridge" in lines[2]
    assert lines[3] == "  1:05  * exp-0001 scored rmse 9, new best (Ridge)"
    assert len(lines) == 4


def test_only_what_is_better_is_a_new_best():
    sink, _ = progress()
    assert "new best" in sink.line(scored(9.0))
    assert "new best" not in sink.line(scored(9.5, subject="exp-0002"))
    assert "new best" in sink.line(scored(8.5, subject="exp-0003"))


def test_a_score_taken_again_or_elsewhere_is_no_new_best():
    sink, _ = progress()
    tell(sink, proposed(), moved("analyzing", "done"))
    assert sink.line(scored(1.0, seed=1)) == "  exp-0001 again, seed 1: rmse 1 (Ridge)"
    assert "on the final split: rmse 1" in sink.line(scored(1.0, split="final"))
    assert "baseline Naive: rmse 1" in sink.line(scored(1.0, subject="baseline:Naive"))
    assert sink.best is None


def test_failures_say_why_and_a_repair_is_told_apart_from_an_end():
    sink, _ = progress()
    outcome = Failure(kind="crashed", message="x")
    assert sink.line(ExperimentScored(experiment="exp-0001", split="search", seed=0, outcome=outcome)) is None
    assert sink.line(moved("scoring", "fixing", "gave NaN")) == "! exp-0001 failed and is mended: gave NaN"
    assert sink.line(moved("fixing", "failed")) == "x exp-0001 failed for good"


def test_the_seal_is_told_with_its_counts():
    sink, _ = progress()
    line = sink.line(EvaluationSealed(digest="abcdef" * 10, noise_floor=0.25, attacks=36, canaries=11))
    assert line == "* evaluation sealed: 11 canaries behaved, 36 attacks failed, noise floor 0.25 (abcdefabcdef)"


def test_texts_of_agents_are_neither_markup_nor_control_codes():
    sink, stream = progress()
    tell(sink, proposed("[red]\x1b[2J\nbad"), Noticed(message="[/] [link=http://x]" + "y" * 500))
    told = stream.getvalue()
    assert "[red] [2J bad" in told
    assert "\x1b" not in told
    assert "[link=http://x]" in told
    assert "..." in told


@pytest.mark.parametrize("event", [object(), None, "text", 3])
def test_unknown_events_are_passed_over(event):
    sink, stream = progress()
    tell(sink, event)
    assert stream.getvalue() == ""


def example(kind):
    values = {"usage": Usage(), "outcome": Measurement(value=1.0), "seconds": 1.0, "noise_floor": 0.1}
    numbers = dict.fromkeys(("turns", "attempt", "seed", "round", "blocking", "attacks_succeeded", "attacks"), 1)
    given = {**values, **numbers, "canaries": 1, "version": 1, "resumed": True, "ok": True, "tests_passed": True}
    return kind(**{a.name: given.get(a.name, "text") for a in attrs.fields(kind) if a.default is attrs.NOTHING})


@pytest.mark.parametrize("kind", EVENT_TAGS.values(), ids=list(EVENT_TAGS))
def test_every_event_is_told_or_passed_over(kind):
    sink, _ = progress(force_terminal=True)
    with sink:
        tell(sink, example(kind))


def test_a_terminal_has_a_status_line_with_the_agents_at_work():
    sink, stream = progress(force_terminal=True)
    with sink:
        tell(sink, proposed(), AgentStarted(agent="a", role="implementer", model="m", experiment="exp-0001"))
        assert sink._at_work() == "implementer exp-0001 | 1 proposed"
        tell(sink, AgentFinished(agent="a", role="implementer", stop_reason="finished", turns=1, usage=Usage()))
        assert sink._at_work() == "no agent at work | 1 proposed"
    assert "exp-0001 proposed" in stream.getvalue()


def test_it_knows_what_a_campaign_has_on_record(finished):
    sink = Progress.of(finished)
    assert sink.best == finished.leaderboard().best.value
    assert sink.names["exp-0001"] == finished.experiment("exp-0001").name
    assert sink.metric.name == "rmse"


def test_it_knows_nothing_of_a_campaign_that_has_not_begun(begun):
    (begun.workspace / "state.db").unlink()
    assert Progress.of(begun).best is None
