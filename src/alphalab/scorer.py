"""The trusted scorer: a submission folder in, a measurement or a failure out.

Also a job: `python -m alphalab.scorer SPEC.json` scores one submission in a process of its own, wherever an executor
starts it, and leaves the outcome beside the specification by rename. The candidate runs in a sandboxed child of it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen

from alphalab._ids import digest, tree_digests
from alphalab._serde import dumps, loads
from alphalab.adapters import DomainAdapter, import_class, load_adapter
from alphalab.commands import Launcher
from alphalab.errors import AdapterError
from alphalab.evaluation import SandboxedCandidateHost
from alphalab.measurement import Failure, Measurement, Outcome
from alphalab.provenance import scoring_sources
from alphalab.resources import Resources
from alphalab.sandbox import get_sandbox
from alphalab.workspace import Workspace, write_atomic


@frozen(kw_only=True)
class ScoreSpec:
    """One scoring job."""

    adapter: str
    """Folder of its files."""
    adapter_class: str
    """`module:name` of the class with the behaviour."""
    options: dict[str, Any] = field(factory=dict[str, Any])
    workspace: str
    submission: str
    submission_digest: str
    """Of the folder when it was handed in."""
    split: str
    seed: int
    sandbox: str
    """Tier the candidate must run under, e.g. `bubblewrap`."""
    resources: Resources
    """Of the candidate."""
    trace: str | None = None
    report: str
    """Where the `ScoreReport` goes."""


@frozen(kw_only=True)
class ScoreReport:
    """What a scoring job leaves: the outcome, and what it is the outcome of."""

    submission: str
    """Digest of the folder that was scored."""
    split: str
    seed: int
    outcome: Outcome
    sources: str
    """Digest of the sources of this library that made it."""


def submission_digest(folder: Path) -> str:
    """SHA-256 over the files of a submission."""
    return digest(tree_digests(folder))


def open_scorer(
    adapter: DomainAdapter, workspace: Workspace, launcher: Launcher, *, trace: Path | None = None
) -> DomainAdapter:
    """An adapter that can score what was prepared in a workspace.

    Raises:
        AdapterError: It has no executable scorer.
    """
    if not adapter.scores:
        raise AdapterError(
            f"adapter {adapter.manifest.name!r} has no executable scorer; subclass DomainAdapter and add score()"
        )
    return adapter.attach(workspace, SandboxedCandidateHost(launcher), trace=trace)


async def score_submission(scorer: DomainAdapter, submission: Path, *, split: str, seed: int) -> Outcome:
    """Inspect a submission, score it, and hold the score against the metric's plausible range.

    Args:
        scorer: From `open_scorer`.
        submission: Folder that holds what the manifest's layout asks for.
        split: `search` or `final`.
        seed: Passed to the candidate.
    """
    for finding in scorer.inspect_submission(submission):
        if finding.severity == "blocking":
            kind = "missing_file" if "missing" in finding.message else "forbidden"
            return Failure(kind=kind, message=finding.message, details={"file": finding.file, "line": finding.line})
    outcome = await scorer.score(submission, split=split, seed=seed)
    metric = scorer.manifest.metric
    if isinstance(outcome, Measurement) and not metric.plausible(outcome.value):
        message = f"{metric.name} {outcome.value!r} lies outside the plausible range [{metric.low}, {metric.high}]"
        return Failure(kind="implausible", message=message, seconds=outcome.seconds, sandbox=outcome.sandbox)
    return outcome


def limited(adapter: DomainAdapter, resources: Resources) -> DomainAdapter:
    """The same adapter with other resources for its candidates than its manifest's."""
    return attrs.evolve(adapter, manifest=attrs.evolve(adapter.manifest, resources=resources))


async def run_spec(spec: ScoreSpec) -> Outcome:
    """Score what a specification names."""
    submission = Path(spec.submission)
    if submission_digest(submission) != spec.submission_digest:
        return Failure(kind="forbidden", message="the submission changed after it was handed in")
    adapter = load_adapter(spec.adapter, options=spec.options, kind=import_class(spec.adapter_class))
    trace = Path(spec.trace) if spec.trace else None
    adapter = limited(adapter, spec.resources)
    scorer = open_scorer(adapter, Workspace(spec.workspace), get_sandbox(spec.sandbox), trace=trace)
    return await score_submission(scorer, submission, split=spec.split, seed=spec.seed)


def _leave(_number: int, _frame: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def main(path: str) -> int:
    """Run one scoring job; the exit code says whether an outcome was written, not whether it is good."""
    signal.signal(signal.SIGTERM, _leave)
    spec: ScoreSpec = loads(Path(path).read_text(), ScoreSpec, subject=path)
    outcome = asyncio.run(run_spec(spec))
    report = ScoreReport(
        submission=spec.submission_digest,
        split=spec.split,
        seed=spec.seed,
        outcome=outcome,
        sources=digest(scoring_sources()),
    )
    write_atomic(Path(spec.report), dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
