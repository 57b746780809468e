"""A domain that is scored in an instant: a submission names a number, and the score is its distance from a hidden one.

`write_adapter` makes a complete adapter folder with recipes, baselines, canaries and attacks; `ToyAdapter` scores it.
`InlineExecutor` runs scoring jobs in this process, `make_context` and `make_campaign` put everything together.
"""

import ast
import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import tomli_w
from attrs import define, field

import alphalab as al
from alphalab._clock import ManualClock
from alphalab._ids import digest
from alphalab._serde import dumps, loads
from alphalab.adapters import PROMPT_NAMES, DomainAdapter
from alphalab.events import EventBus
from alphalab.executors import Capacity, Executor, Job, JobState, JobStatus
from alphalab.experiments import Store
from alphalab.measurement import Failure, Measurement, Outcome
from alphalab.models.offline import OfflineModel
from alphalab.provenance import scoring_sources
from alphalab.roles import ROLES, CampaignContext
from alphalab.sandbox import get_sandbox
from alphalab.scorer import ScoreReport, ScoreSpec, open_scorer, run_spec
from alphalab.workspace import Workspace, write_atomic

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
QUESTIONS = 5
OBJECTIVE = "Name the hidden number; a smaller distance is better."

EXPLORATION = '''"""How does answer {number} look?"""
import base64, json, pathlib
name = "{name}"
pathlib.Path(f"exploration/plots/{{name}}.png").write_bytes(base64.b64decode("{png}"))
hint = json.loads(pathlib.Path("data/facts.json").read_text())["hint"]
finding = {{"title": name, "finding": f"The hint is {{hint}}.", "numbers": {{"hint": hint}}, "advice": "Stay near."}}
print(json.dumps({{**finding, "plot": f"{{name}}.png"}}))
'''
EVALUATION_TEST = """import json
import pathlib
import unittest


class Evaluation(unittest.TestCase):
    def test_the_goal_is_written_down(self):
        written = json.loads(pathlib.Path("evaluation/evaluation.json").read_text())
        self.assertEqual(written["goal"], "minimize")
"""


def answer(**parameters: Any) -> str:
    """A submission's source."""
    return f'"""An answer."""\n\nPARAMETERS = {parameters!r}\n'


def _number(default: float, low: float, high: float) -> dict[str, Any]:
    return {"kind": "float", "default": default, "low": low, "high": high}


def recipe(name: str, family: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    words = {"file": f"{name}.py", "summary": f"Answers {name}.", "hypothesis": f"The number lies {name}."}
    return {"name": name, "family": family, **words, "parameters": parameters, **more}


RECIPES = (
    recipe("near", "guess", {"x": _number(0.8, 0.0, 1.0)}),
    recipe("far", "guess", {"x": _number(1.2, 1.0, 3.0)}),
    recipe(
        "moody",
        "mood",
        {"x": _number(0.6, 0.0, 1.0), "mode": {"kind": "choice", "default": "fail", "choices": ["good", "fail"]}},
        remedies=[{"when": ["crashed"], "set": {"mode": "good"}, "text": "Cheer up."}],
    ),
    recipe("needy", "none", {"x": _number(0.3, 0.0, 1.0)}, requires=["no_such_module_anywhere"]),
)
BASELINES = (("floor", {"x": 2.3}, "floor"), ("reference", {"x": 1.3}, "reference"), ("other", {"x": 1.8}, "baseline"))
CANARIES = (
    ("silent", {"mode": "fail"}, "rejected"),
    ("wild", {"x": 9.0}, "not_better_than_floor"),
    ("same", {"x": 1.3}, "passes"),
    ("shifted", {"x": 1.5}, "worse_than_reference"),
    ("known", {"x": 0.4}, "better_than_reference"),
)
ATTACKS = (("loud", {"x": 7.0}), ("dead", {"mode": "fail"}))


def write_adapter(
    folder: Path,
    *,
    recipes: tuple[dict[str, Any], ...] = RECIPES,
    baselines: Any = BASELINES,
    canaries: Any = CANARIES,
    attacks: Any = ATTACKS,
    test: str = EVALUATION_TEST,
    **manifest: Any,
) -> Path:
    """The 11 files, and everything that ships beside them."""
    (folder / "prompts").mkdir(parents=True)
    for name in PROMPT_NAMES:
        (folder / f"prompts/{name}.md").write_text(f"You are the {name}. $objective ($metric, $goal) $experiment\n")
    (folder / "domain_knowledge.md").write_text("# Numbers\n\nThere is one hidden number.\n")
    (folder / "manifest.toml").write_text(tomli_w.dumps({**MANIFEST, **manifest}))
    catalogue: dict[str, list[dict[str, Any]]] = {"recipe": list(recipes), "baseline": [], "canary": [], "attack": []}
    for name, parameters, role in baselines:
        _entry(folder, catalogue["baseline"], "baselines", name, parameters, role=role)
    for name, parameters, expect in canaries:
        _entry(folder, catalogue["canary"], "canaries", name, parameters, expect=expect)
    for name, parameters in attacks:
        _entry(folder, catalogue["attack"], "attacks", name, parameters)
    write_atomic(folder / "recipes/catalogue.toml", tomli_w.dumps(catalogue))
    for item in recipes:
        write_atomic(folder / f"recipes/{item['file']}", answer(x=0.0))
    for number in range(QUESTIONS):
        name, png = f"{number:02d}_question", base64.b64encode(PNG).decode()
        write_atomic(folder / f"recipes/explore/{name}.py", EXPLORATION.format(number=number, name=name, png=png))
    write_atomic(folder / "tests/test_evaluation.py", test)
    return folder


def _entry(folder: Path, listed: list[dict[str, Any]], kind: str, name: str, parameters: Any, **more: str) -> None:
    listed.append({"name": name, "folder": f"{kind}/{name}", "summary": f"Answers {parameters}.", **more})
    write_atomic(folder / f"{kind}/{name}/answer.py", answer(**parameters))


MANIFEST: dict[str, Any] = {
    "name": "toy",
    "version": 1,
    "summary": "Guess a number.",
    "seeds": 2,
    "metric": {"name": "distance", "goal": "minimize", "unit": "steps", "low": 0.0, "high": 100.0},
    "submission": {"entry": "answer.py", "required": ["answer.py"], "contract": "PARAMETERS = {'x': number}"},
    "resources": {"cpus": 1, "time_limit": 60},
    "options": {"hidden": {"kind": "float", "default": 0.3, "description": "The number.", "low": -5.0, "high": 5.0}},
}


@define(kw_only=True, eq=False)
class ToyAdapter(DomainAdapter):
    """Scores without running anything."""

    def prepare(self, task: al.Task, workspace: Workspace) -> dict[str, Any]:
        """Hide the number."""
        facts = {"name": "toy", "hint": 0.5, "train": {"missing_share": 0.0, "count": 12}}
        hidden = {"search": self.options["hidden"], "final": self.options["hidden"] + 0.01}
        write_atomic(workspace.private / "hidden.json", json.dumps(hidden))
        write_atomic(workspace.data / "facts.json", json.dumps(facts))
        return facts

    def protocol(self) -> dict[str, Any]:
        """Metric, splits and units."""
        return {**super().protocol(), "train": [0, 10], "search": [10, 50], "final": [50, 90], "units": {"search": 40}}

    async def score(self, submission: Path, *, split: str, seed: int) -> Outcome:
        """Distance of `x` from the hidden number, and a little noise that depends on the seed."""
        assert self.workspace is not None
        source = re.search(r"^PARAMETERS = (.*)$", (submission / "answer.py").read_text(), re.MULTILINE)
        if source is None:
            return Failure(kind="protocol", message="there is no line PARAMETERS = {...}")
        parameters = ast.literal_eval(source.group(1))
        await asyncio.sleep(parameters.get("pause", 0))
        if parameters.get("mode") == "fail":
            return Failure(kind="crashed", message="this mode fails")
        if parameters.get("mode") == "broken machine":
            return Failure(kind="infrastructure", message="the machine failed")
        if parameters.get("mode") == "meddle":
            write_atomic(self.workspace.data / "facts.json", "{}")
        hidden = json.loads((self.workspace.private / "hidden.json").read_text())[split]
        value = abs(parameters["x"] - hidden) + 0.001 * (seed % 3)
        return Measurement(value=value, low=value - 0.01, high=value + 0.01, n=40, seconds=0.5, sandbox="toy")


@define(kw_only=True, eq=False)
class InlineExecutor(Executor):
    """Runs scoring jobs in this process; they end with it."""

    slots: int = 2
    jobs: dict[str, "asyncio.Task[JobStatus]"] = field(factory=dict, init=False)

    async def submit(self, job: Job) -> str:
        """Start scoring."""
        if job.key not in self.jobs:
            self.jobs[job.key] = asyncio.create_task(self._run(job))
        return job.key

    async def _run(self, job: Job) -> JobStatus:
        spec: ScoreSpec = loads(Path(job.command[-1]).read_text(), ScoreSpec)
        try:
            outcome = await run_spec(spec)
        except asyncio.CancelledError:
            return JobStatus(state=JobState.CANCELLED, reason="asked for")
        place = {"submission": spec.submission_digest, "split": spec.split, "seed": spec.seed}
        report = ScoreReport(**place, outcome=outcome, sources=digest(scoring_sources()))
        write_atomic(Path(spec.report), dumps(report))
        return JobStatus(state=JobState.SUCCEEDED, exit_code=0)

    async def poll(self, ids: Any) -> dict[str, JobStatus]:
        """States."""
        return {job: self._status(job) for job in ids}

    def _status(self, job: str) -> JobStatus:
        if job not in self.jobs:
            return JobStatus(state=JobState.LOST, reason="unknown")
        task = self.jobs[job]
        return task.result() if task.done() else JobStatus(state=JobState.RUNNING)

    async def cancel(self, ids: Any) -> None:
        """End them."""
        for job in ids:
            self.jobs[job].cancel()
        await asyncio.gather(*(self.jobs[job] for job in ids), return_exceptions=True)

    async def find(self, key: str) -> str | None:
        """Known jobs are those of this object."""
        return key if key in self.jobs else None

    async def capacity(self) -> Capacity:
        """As many as it was told."""
        return Capacity(slots=self.slots)

    async def wait_any(self, ids: Any) -> dict[str, JobStatus]:
        """Woken by the first job that ends."""
        if ids:
            await asyncio.wait([self.jobs[job] for job in ids], return_when=asyncio.FIRST_COMPLETED)
        return {job: self._status(job) for job in ids if self.jobs[job].done()}


def make_campaign(folder: Path, *, adapter: Path | None = None, **changes: Any) -> al.Campaign:
    """A campaign on the toy domain in `folder / "run"`."""
    source = adapter or folder / "adapter"
    if not source.exists():
        write_adapter(source)
    options = changes.pop("adapter_options", {})
    arguments: dict[str, Any] = {
        "task": al.Task(objective=OBJECTIVE),
        "adapter": ToyAdapter.from_folder(source, options=options),
        "adapter_options": options,
        "workspace": folder / "run",
        "budget": al.Budget(experiments=4),
        "executor": InlineExecutor(),
        "sandbox": "none",
    }
    return al.Campaign(**{**arguments, **changes})


def make_context(folder: Path, *, model: Any = None, sandbox: str = "none", **changes: Any) -> CampaignContext:
    """The services of a campaign whose adapter and data are in place, with a record in memory."""
    if not (folder / "adapter").exists():
        write_adapter(folder / "adapter")
    space, launcher = Workspace(folder / "run"), get_sandbox(sandbox)
    adapter = ToyAdapter.from_folder(folder / "adapter")
    adapter.save(space.adapter)
    adapter = open_scorer(ToyAdapter.from_folder(space.adapter), space, launcher)
    task = changes.pop("task", al.Task(objective=OBJECTIVE))
    adapter.prepare(task, space)
    clock = ManualClock()
    arguments: dict[str, Any] = {
        "task": task,
        "workspace": space,
        "adapter": adapter,
        "store": Store.in_memory(clock=clock, bus=EventBus()),
        "launcher": launcher,
        "sandbox": sandbox,
        "models": {"default": (model or OfflineModel(),)},
        "roles": ROLES,
        "budget": al.Budget(experiments=8),
        "resources": adapter.manifest.resources,
        "clock": clock,
    }
    return CampaignContext(**{**arguments, **changes})
