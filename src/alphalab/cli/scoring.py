"""`alphalab score`: the trusted evaluator on one submission folder, outside of any campaign."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import evolve

from alphalab._sync import run_blocking
from alphalab.adapters import DomainAdapter, Manifest, load_adapter
from alphalab.errors import ConfigError
from alphalab.measurement import Measurement, Metric, Outcome
from alphalab.resources import Resources
from alphalab.sandbox import Sandbox, get_sandbox
from alphalab.scorer import limited, open_scorer, score_submission
from alphalab.task import Task
from alphalab.workspace import Workspace


def score(arguments: Namespace) -> int:
    """Score a submission; a rejection is a result too, so both exit 0."""
    adapter = _adapter(arguments)
    submission = Path(arguments.submission).expanduser().absolute()
    if not submission.is_dir():
        raise ConfigError(f"submission {arguments.submission!r} is not a folder; name the one that holds its files")
    task = Task(objective=f"score {submission.name}", data=arguments.data)
    problems = adapter.check_task(task)
    if problems:
        raise ConfigError.of(f"data {arguments.data!r}", problems)
    sandbox = get_sandbox(arguments.sandbox)
    if not sandbox.isolates:
        print("alphalab: nothing is isolated; the submission can read and write your files", file=sys.stderr)
    outcome = _score(adapter, task, submission, sandbox, arguments)
    told = as_json(outcome, adapter.manifest.metric, split=arguments.split, seed=arguments.seed)
    print(json.dumps(told, allow_nan=False) if arguments.json else _sentence(told, adapter.manifest.metric))
    return 0


def _score(adapter: DomainAdapter, task: Task, submission: Path, sandbox: Sandbox, arguments: Namespace) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="alphalab-score-") as folder:  # for its owner only: it holds the targets
        workspace = Workspace(folder)
        adapter.prepare(task, workspace)
        scorer = open_scorer(limited(adapter, _resources(adapter, arguments)), workspace, sandbox)
        return run_blocking(score_submission(scorer, submission, split=arguments.split, seed=arguments.seed))


def _resources(adapter: DomainAdapter, arguments: Namespace) -> Resources:
    own = adapter.manifest.resources
    given = arguments.time_limit
    return own if given is None else evolve(own, time_limit=timedelta(seconds=given))


def as_json(outcome: Outcome, metric: Metric, *, split: str, seed: int) -> dict[str, Any]:
    """An outcome as the command line prints it."""
    asked = {"split": split, "seed": seed, "seconds": outcome.seconds, "sandbox": outcome.sandbox}
    if isinstance(outcome, Measurement):
        metrics = {metric.name: outcome.value, **outcome.secondary}
        interval = {"low": outcome.low, "high": outcome.high, "n": outcome.n}
        return {"status": "scored", "metrics": metrics, **interval, **asked}
    return {"status": "rejected", "kind": outcome.kind, "message": outcome.message, **asked}


def _sentence(told: dict[str, Any], metric: Metric) -> str:
    if told["status"] == "rejected":
        return f"rejected, {told['kind']}: {told['message']} ({told['seconds']:.1f} s, sandbox {told['sandbox']})"
    unit = f" {metric.unit}" if metric.unit else ""
    value = told["metrics"][metric.name]
    interval = f", 95 % interval [{told['low']:.5g}, {told['high']:.5g}]" if told["low"] is not None else ""
    others = "".join(f", {name} {number:.5g}" for name, number in told["metrics"].items() if name != metric.name)
    return (
        f"{metric.name} {value:.5g}{unit}{interval}, n={told['n']}{others} "
        f"({told['split']} split, {told['seconds']:.1f} s, sandbox {told['sandbox']})"
    )


def _adapter(arguments: Namespace) -> DomainAdapter:
    adapter = load_adapter(arguments.adapter)
    options = parse_options(arguments.option, adapter.manifest)
    return load_adapter(arguments.adapter, options=options) if options else adapter


def parse_options(given: list[str], manifest: Manifest) -> dict[str, Any]:
    """Options from `NAME=VALUE`, read as the kind that the manifest declares.

    Raises:
        ConfigError: Lists those that are not of that form.
    """
    problems = [
        f"option {text!r} must read NAME=VALUE" for text in given if not text.partition("=")[0] or "=" not in text
    ]
    if problems:
        raise ConfigError.of("score", problems)
    pairs = [(name, value) for name, _, value in (text.partition("=") for text in given)]
    return {
        name: _typed(value, manifest.options[name].kind if name in manifest.options else "str") for name, value in pairs
    }


def _typed(text: str, kind: str) -> Any:
    """The value, or the text as it is when it is not of that kind; the adapter says so with all else."""
    if kind == "bool":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    if kind in ("int", "float"):
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            return text
    return text
