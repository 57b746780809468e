"""The traffic domain: reads and splits the series, and scores forecasts of it."""

from __future__ import annotations

import ast
import asyncio
import io
import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from attrs import define

from alphalab.adapters.base import DomainAdapter
from alphalab.adapters.traffic.data import Series, load_series
from alphalab.adapters.traffic.facts import measure_facts
from alphalab.adapters.traffic.scorer import ForecastScorer
from alphalab.adapters.traffic.splits import SCORED, Plan, length_problem, make_plan, stride_problem
from alphalab.adapters.traffic.tables import Array, Reading, quoted
from alphalab.candidates import CandidateSpec
from alphalab.errors import AdapterError, ConfigError
from alphalab.measurement import Finding, Outcome
from alphalab.resources import ProcessLimits
from alphalab.task import Task
from alphalab.workspace import Workspace, write_atomic

TRAIN = "train.npz"
FACTS = "facts.json"
SERIES = "series.npz"


@define(kw_only=True, eq=False)
class TrafficAdapter(DomainAdapter):
    """Forecasts of many related series, judged by RMSE on held-out hours."""

    time_limit_s: float | None = None
    """For fit and all forecasts of one scoring; None: the manifest's time limit."""
    call_limit_s: float = 60.0
    """For one forecast."""
    start_limit_s: float = 60.0
    """For importing and constructing a submission."""

    def check_task(self, task: Task) -> tuple[str, ...]:
        """Everything that would keep `prepare` from working; empty when nothing would."""
        try:
            self._load(task)
        except ConfigError as error:
            return error.problems
        return ()

    def prepare(self, task: Task, workspace: Workspace) -> dict[str, Any]:
        """Split the series in order of time; write `data/` for everyone and `private/` for the harness.

        Writes `data/train.npz` (`values` float32 `[hours, sensors]`, `sensor`, `time` when known),
        `data/facts.json`, and `private/series.npz` (the whole series and where its splits end).

        Raises:
            ConfigError: Everything that is wrong with the data and the options.
        """
        series, plan = self._load(task)
        facts = measure_facts(series, plan, period=self.options["period"])
        write_atomic(
            workspace.private / SERIES, _npz(series, len(series.values), splits=[plan.train_end, plan.search_end])
        )
        write_atomic(workspace.data / TRAIN, _npz(series, plan.train_end))
        write_atomic(workspace.data / FACTS, json.dumps(facts, indent=2, allow_nan=False) + "\n")
        return facts

    def protocol(self) -> dict[str, Any]:
        """What the scorer does on the prepared data; bounds in steps of the series, ends exclusive."""
        plan = self._prepared_plan()
        return {
            **super().protocol(),
            "unit": self.manifest.metric.unit,
            "train": [0, plan.train_end],
            "search": list(plan.bounds("search")),
            "final": list(plan.bounds("final")),
            "horizon": plan.horizon,
            "context": plan.context,
            "stride": plan.stride,
            "period": self.options["period"],
            "units": {split: len(plan.origins(split)) for split in SCORED},
            "missing_targets": "masked",
        }

    async def score(self, submission: Path, *, split: str, seed: int) -> Outcome:
        """Score one submission; cancelling ends the candidate before this returns.

        Raises:
            ConfigError: The split is not one that is scored.
            AdapterError: Nothing was prepared, or no workspace is attached.
        """
        if self.host is None:
            raise AdapterError("the traffic adapter has no host for candidates; call attach(workspace, host) first")
        scorer = self._scorer()
        spec = CandidateSpec(
            submission=submission,
            module=Path(self.manifest.submission.entry).stem,
            attribute="Forecaster",
            limits=ProcessLimits(memory_gib=self.manifest.resources.memory_gib),
            threads=self.manifest.resources.cpus,
        )
        scoring = asyncio.create_task(asyncio.to_thread(scorer.score, self.host, spec, split=split, seed=seed))
        try:
            return await asyncio.shield(scoring)
        except asyncio.CancelledError:
            await asyncio.to_thread(scorer.cancel)
            await asyncio.gather(scoring, return_exceptions=True)
            raise

    def inspect_submission(self, submission: Path) -> tuple[Finding, ...]:
        """Required files, size, links and Python syntax; the code is not run."""
        findings = list(super().inspect_submission(submission))
        paths = sorted(submission.rglob("*"))
        findings += [_link_finding(path, submission) for path in paths if path.is_symlink()]
        files = [path for path in paths if path.is_file() and not path.is_symlink()]
        size = sum(path.stat().st_size for path in files) / 2**20
        if size > self.manifest.submission.max_mib:
            message = f"the folder has {size:.1f} MiB; at most {self.manifest.submission.max_mib:g} MiB are allowed"
            findings.append(Finding(severity="blocking", message=message))
        findings += [
            finding for path in files if path.suffix == ".py" for finding in _syntax_findings(path, submission)
        ]
        return tuple(findings)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _load(self, task: Task) -> tuple[Series, Plan]:
        """The series and its plan, after every check at the door."""
        problems = self._option_problems()
        if task.data is None:
            raise ConfigError.of(
                "task data", [*problems, "task.data is not set; give a file or URL of the series to forecast"]
            )
        try:
            series = load_series(task.data, self._reading())
        except ConfigError as error:
            raise ConfigError.of(task.data, [*problems, *error.problems]) from error
        plan = self._plan(len(series.values))
        problems += self._fit_problems(series, plan)
        if problems:
            raise ConfigError.of(task.data, problems)
        return _drop_unmeasured(series, plan), plan

    def _reading(self) -> Reading:
        return Reading(**{name: self.options[name] for name in ("variable", "keep", "delimiter", "header", "missing")})

    def _plan(self, hours: int) -> Plan:
        names = ("period", "horizon", "context", "stride")
        return make_plan(hours, self.manifest.splits, **{name: self.options[name] for name in names})

    def _option_problems(self) -> list[str]:
        found = stride_problem(self.options["horizon"], self.options["stride"])
        return [found] if found else []

    def _fit_problems(self, series: Series, plan: Plan) -> list[str]:
        """Whether the options fit the series."""
        period = self.options["period"]
        day = series.steps_per_day
        problems: list[str] = []
        if day is not None and day > 1 and period % day:
            problems.append(
                f"times are {series.step} apart, {day} steps a day, but option period={period}; set period={day}"
            )
        too_short = length_problem(plan, self.manifest.splits, period=period)
        if too_short:
            return [*problems, too_short]
        if np.isnan(series.values[: plan.train_end]).all():
            return [*problems, f"all values of the train split (the first {plan.train_end} steps) are missing"]
        for split in SCORED:
            origins = plan.origins(split)
            targets = series.values[origins[0] : origins[-1] + plan.horizon]
            if np.isnan(targets).all():
                problems.append(f"the {split} split has no measured target, so nothing can be scored; bring more data")
        return problems

    def _prepared(self) -> Path:
        if self.workspace is None:
            raise AdapterError("the traffic adapter has no workspace; call attach(workspace, host) first")
        path = self.workspace.private / SERIES
        if not path.is_file():
            raise AdapterError(f"{path} is not there; call prepare(task, workspace) first")
        return path

    def _prepared_plan(self) -> Plan:
        with np.load(self._prepared(), allow_pickle=False) as stored:
            train_end, search_end = stored["splits"].tolist()
            hours = int(stored["hours"])
        return attrs.evolve(self._plan(hours), train_end=train_end, search_end=search_end)

    def _scorer(self) -> ForecastScorer:
        plan = self._prepared_plan()
        with np.load(self._prepared(), allow_pickle=False) as stored:
            values = stored["values"]
            times = stored["time"] if "time" in stored.files else None
        limit = self.manifest.resources.time_limit
        seconds = self.time_limit_s if self.time_limit_s is not None else limit.total_seconds() if limit else 600.0
        return ForecastScorer(
            values=values,
            plan=plan,
            metric=self.manifest.metric,
            period=self.options["period"],
            time_limit_s=seconds,
            call_limit_s=self.call_limit_s,
            start_limit_s=self.start_limit_s,
            trace=self.trace,
            times=times,
        )


def _drop_unmeasured(series: Series, plan: Plan) -> Series:
    """Leave out sensors without a value in the train split: nothing could be learned about them."""
    empty: Array = np.asarray(np.isnan(series.values[: plan.train_end]).all(axis=0))
    if not empty.any():
        return series
    dropped = [series.sensors[index] for index in np.flatnonzero(empty)]
    note = f"{len(dropped)} sensor(s) without a value in the train split were left out: {quoted(dropped)}"
    return attrs.evolve(
        series,
        values=series.values[:, ~empty],
        sensors=[series.sensors[index] for index in np.flatnonzero(~empty)],
        notes=(*series.notes, note),
    )


def _npz(series: Series, rows: int, *, splits: list[int] | None = None) -> bytes:
    """The first rows as an archive; members carry no time stamp, so equal input gives equal bytes."""
    arrays: dict[str, Any] = {"values": series.values[:rows], "sensor": np.array(series.sensors)}
    time = series.time
    if time is not None:
        arrays["time"] = time[:rows]
    if series.synthetic:
        arrays["synthetic"] = np.array(True)
    if splits is not None:
        arrays |= {"splits": np.array(splits), "hours": np.array(rows)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _link_finding(path: Path, submission: Path) -> Finding:
    name = path.relative_to(submission).as_posix()
    message = f"{name!r} is a symbolic link to {str(path.readlink())!r}; a submission holds plain files only"
    return Finding(severity="blocking", message=message, file=name)


def _syntax_findings(path: Path, submission: Path) -> tuple[Finding, ...]:
    name = path.relative_to(submission).as_posix()
    try:
        ast.parse(path.read_bytes(), filename=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        message = f"{name} is not valid Python: {getattr(error, 'msg', None) or type(error).__name__}"
        return (Finding(severity="blocking", message=message, file=name, line=line),)
    return ()
