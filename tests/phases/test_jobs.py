"""What the answer of an executor means for an experiment."""

from datetime import UTC, datetime, timedelta

import pytest

from alphalab._ids import digest
from alphalab._serde import dumps
from alphalab.errors import EvaluationTampered, ToolError
from alphalab.executors import Capacity, JobState, JobStatus
from alphalab.measurement import Measurement
from alphalab.phases.experiment.jobs import ScoringJob, outcome_of
from alphalab.phases.session import slots_for
from alphalab.provenance import scoring_sources
from alphalab.resources import Resources
from alphalab.scorer import ScoreReport
from alphalab.workspace import read_text_within

DONE = JobStatus(state=JobState.SUCCEEDED, exit_code=0)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def job(tmp_path):
    fields = {"subject": "exp-0001", "submission": tmp_path / "submission", "digest": "abc", "folder": tmp_path}
    return ScoringJob(**fields, key="k", split="search", seed=0)


def write(job, **changes):
    fields = {"submission": "abc", "split": "search", "seed": 0, "sources": digest(scoring_sources())}
    report = ScoreReport(**{**fields, **changes}, outcome=Measurement(value=1.0))
    job.report.write_text(dumps(report))


def test_a_report_about_this_submission_counts(job):
    write(job)
    assert outcome_of(job, DONE) == Measurement(value=1.0)


@pytest.mark.parametrize("change", [{"submission": "other"}, {"split": "final"}, {"seed": 1}])
def test_a_report_about_something_else_does_not(job, change):
    write(job, **change)
    assert outcome_of(job, DONE).kind == "infrastructure"


def test_a_report_by_other_sources_stops_the_campaign(job):
    write(job, sources="other")
    with pytest.raises(EvaluationTampered, match="installation changed"):
        outcome_of(job, DONE)


@pytest.mark.parametrize("text", ["", "{", "[]", "\udcff"])
def test_a_damaged_report_is_nobodys_fault(job, text):
    job.report.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert outcome_of(job, DONE).kind == "infrastructure"


def test_success_without_a_report_is_no_success(job):
    assert outcome_of(job, DONE).kind == "infrastructure"


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        (JobState.TIMED_OUT, "", "timed_out"),
        (JobState.CANCELLED, "", "cancelled"),
        (JobState.FAILED, "memory limit of 4 GiB", "out_of_memory"),
        (JobState.FAILED, "exit code 1", "infrastructure"),
        (JobState.LOST, "", "infrastructure"),
        (JobState.PREEMPTED, "", "infrastructure"),
    ],
)
def test_every_bad_end_has_its_kind_and_its_time(job, state, reason, kind):
    write(job)  # a report beside a bad end is not believed
    status = JobStatus(state=state, reason=reason, started_at=START, ended_at=START + timedelta(seconds=5))
    outcome = outcome_of(job, status)
    assert (outcome.kind, outcome.seconds) == (kind, 5.0)


@pytest.mark.parametrize(
    ("resources", "capacity", "slots"),
    [
        (Resources(cpus=1), Capacity(slots=16, cpus=16), 16),
        (Resources(cpus=4), Capacity(slots=16, cpus=16), 4),
        (Resources(gpus=1), Capacity(slots=16, cpus=16, gpus=1), 1),
        (Resources(gpus=0.5), Capacity(slots=16, cpus=16, gpus=2), 4),
        (Resources(cpus=64), Capacity(slots=16, cpus=16), 1),
        (Resources(gpus=1), Capacity(slots=8), 8),
    ],
)
def test_slots_are_jobs_that_really_fit(resources, capacity, slots):
    assert slots_for(resources, capacity) == slots


def test_text_of_agents_is_read_only_where_they_may_write(tmp_path):
    inside, secret = tmp_path / "inside", tmp_path / "secret"
    inside.mkdir()
    secret.write_text("key")
    (inside / "link").symlink_to(secret)
    (inside / "note").write_bytes(b"caf\xe9 " * 10)
    assert read_text_within(inside / "note", inside, limit=5) == "caf\ufffd "
    for name in ("link", "../secret", "absent", "."):
        with pytest.raises(ToolError):
            read_text_within(inside / name, inside)
