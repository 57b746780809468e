"""Canaries do what they must, and attacks get nowhere, in the sandbox that campaigns use."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import attrs
import numpy as np
import pytest

from alphalab._serde import load
from alphalab.adapters import Catalogue
from alphalab.adapters.registry import built_in_folder
from alphalab.adapters.traffic import simulate
from alphalab.evaluation import SandboxedCandidateHost, judge_attack, judge_canary
from alphalab.measurement import Failure, Measurement
from alphalab.sandbox import BubblewrapSandbox
from alphalab.task import Task
from alphalab.testing.candidates import InProcessCandidateHost
from alphalab.workspace import Workspace

FOLDER = built_in_folder("traffic")
CATALOGUE = load(tomllib.loads((FOLDER / "recipes/catalogue.toml").read_text()), Catalogue, strict=True)
SLOW = ("allocates_in_children", "allocates_pieces")
LIMITS = {
    "hangs_import": {"start_limit_s": 1.0},
    "hangs_predict": {"call_limit_s": 0.5},
    "closes_pipes": {"call_limit_s": 0.5},
}
"""Attacks that are ended by the clock get a fast one."""


def attack_parameters():
    for attack in CATALOGUE.attack:
        name = attack.folder.removeprefix("attacks/")
        yield pytest.param(attack, id=name, marks=[pytest.mark.slow] if name in SLOW else [])


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Workspace:
    """A workspace as a campaign has it, with a neighbour and a database to go for."""
    workspace = Workspace(tmp_path_factory.mktemp("campaign"))
    series = simulate(sensors=5, days=70, seed=1)
    np.savez(workspace.root / "network.npz", values=series.values, sensor=np.array(series.sensors), time=series.time)
    workspace.database.write_bytes(b"rows")
    neighbour = workspace.experiment("exp-0001")
    neighbour.mkdir(parents=True)
    (neighbour / "result.json").write_text('{"value": 1.0}')
    return workspace


@pytest.fixture
def make_scoring(make_adapter, campaign, evolve):
    def make(host):
        adapter = make_adapter(context=168)
        adapter.prepare(Task(objective="forecast", data=campaign.root / "network.npz"), campaign)
        small = evolve(adapter.manifest.resources, memory_gib=1.0)
        adapter = evolve(adapter, manifest=evolve(adapter.manifest, resources=small))
        return adapter.attach(campaign, host)

    return make


def place(campaign: Workspace, folder: str) -> Path:
    """Put a submission where a campaign would have it."""
    target = campaign.submission("exp-0002")
    target.mkdir(parents=True, exist_ok=True)
    (target / "forecaster.py").write_bytes((FOLDER / folder / "forecaster.py").read_bytes())
    return target


def contents(campaign: Workspace) -> dict[str, bytes]:
    own = campaign.submission("exp-0002")
    return {str(p): p.read_bytes() for p in campaign.root.rglob("*") if p.is_file() and not p.is_relative_to(own)}


async def levels(scoring) -> tuple[float, float]:
    """What the floor and the reference score, in this process."""
    trusted = attrs.evolve(scoring, host=InProcessCandidateHost())
    floor = await trusted.score(FOLDER / "baselines/daily_naive", split="search", seed=0)
    reference = await trusted.score(FOLDER / "baselines/seasonal_naive", split="search", seed=0)
    assert isinstance(floor, Measurement)
    assert isinstance(reference, Measurement)
    assert reference.value < floor.value
    return floor.value, reference.value


def test_every_shipped_folder_is_named_once():
    named = [entry.folder for entry in (*CATALOGUE.canary, *CATALOGUE.attack)]
    present = {f"{kind}/{path.name}" for kind in ("canaries", "attacks") for path in (FOLDER / kind).iterdir()}
    assert sorted(named) == sorted(present)
    assert len({entry.name for entry in (*CATALOGUE.canary, *CATALOGUE.attack)}) == len(named)


@pytest.mark.parametrize("canary", CATALOGUE.canary, ids=lambda canary: canary.folder.removeprefix("canaries/"))
async def test_canaries_in_this_process(make_scoring, canary):
    scoring = make_scoring(InProcessCandidateHost())
    floor, reference = await levels(scoring)
    for split in ("search", "final") if canary.expect == "rejected" else ("search",):
        outcome = await scoring.score(FOLDER / canary.folder, split=split, seed=0)
        assert judge_canary(canary.expect, outcome, metric=scoring.manifest.metric, floor=floor, reference=reference)


class TestInTheSandbox:
    pytestmark = pytest.mark.bubblewrap

    @pytest.fixture
    def scoring(self, make_scoring):
        return make_scoring(SandboxedCandidateHost(BubblewrapSandbox()))

    @pytest.mark.parametrize("canary", CATALOGUE.canary, ids=lambda canary: canary.folder.removeprefix("canaries/"))
    async def test_canaries(self, scoring, canary):
        floor, reference = await levels(scoring)
        outcome = await scoring.score(FOLDER / canary.folder, split="search", seed=0)
        assert judge_canary(canary.expect, outcome, metric=scoring.manifest.metric, floor=floor, reference=reference)
        assert outcome.sandbox == "bubblewrap"

    @pytest.mark.parametrize("attack", list(attack_parameters()))
    async def test_attacks(self, scoring, campaign, attack):
        expected = await levels(scoring)
        submission = place(campaign, attack.folder)
        before = contents(campaign)
        limited = attrs.evolve(scoring, **LIMITS.get(attack.folder.removeprefix("attacks/"), {}))
        outcome = await limited.score(submission, split="search", seed=0)
        assert contents(campaign) == before
        verdict = judge_attack(outcome, metric=scoring.manifest.metric, floor=expected[0], changed=())
        assert verdict != "succeeded", outcome
        assert not isinstance(outcome, Failure) or outcome.kind not in ("infrastructure", "cancelled")
        assert await levels(scoring) == expected  # the scorer in this process is as it was

    async def test_what_is_remembered_is_forgotten_between_runs(self, scoring, campaign):
        submission = place(campaign, "attacks/remembers_runs")
        first, second = [await scoring.score(submission, split="search", seed=0) for _ in range(2)]
        assert first.value == second.value

    async def test_nothing_outlives_a_scoring(self, scoring, campaign):
        await scoring.score(place(campaign, "attacks/outlives_the_call"), split="search", seed=0)
        assert not processes_named("alphalab-attack")

    async def test_a_linked_submission_is_not_followed(self, scoring, campaign, tmp_path):
        honest = (FOLDER / "baselines/seasonal_naive/forecaster.py").read_text()
        for name, target in (("series.npz", campaign.private / "series.npz"), ("up", "../../..")):
            submission = tmp_path / name.partition(".")[0]
            submission.mkdir()
            (submission / "forecaster.py").write_text(honest)
            (submission / name).symlink_to(target)
            assert scoring.inspect_submission(submission)[0].severity == "blocking"
            outcome = await scoring.score(submission, split="search", seed=0)
            assert isinstance(outcome, Failure)
            assert outcome.kind == "forbidden"

    async def test_a_linked_entry_is_not_followed(self, scoring, tmp_path):
        submission = tmp_path / "submission"
        submission.mkdir()
        (submission / "forecaster.py").symlink_to(FOLDER / "baselines/seasonal_naive/forecaster.py")
        assert (await scoring.score(submission, split="search", seed=0)).kind == "forbidden"


class TestWithoutIsolation:
    """The attacks are real: where nothing keeps them from the data, they score."""

    @pytest.mark.parametrize("name", ["inspects_frames", "reads_private"])
    async def test_in_this_process(self, make_scoring, campaign, name):
        scoring = make_scoring(InProcessCandidateHost())
        assert (await scoring.score(place(campaign, f"attacks/{name}"), split="search", seed=0)).value == 0.0

    @pytest.mark.skipif(os.geteuid() != 0, reason="reading a parent's memory takes root or ptrace_scope=0")
    def test_in_a_child_of_the_same_user(self, make_scoring, campaign):
        make_scoring(InProcessCandidateHost())
        submission = place(campaign, "attacks/reads_parent")
        # In a process of its own, whose memory is small enough to be searched in no time.
        argv = [sys.executable, "-c", SCORE_WITHOUT_ISOLATION, str(campaign.root), str(submission)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        assert float(done.stdout) == 0.0


SCORE_WITHOUT_ISOLATION = """
import asyncio, sys, tomllib
from pathlib import Path
from alphalab._serde import load
from alphalab.adapters import Manifest
from alphalab.adapters.registry import built_in_folder
from alphalab.adapters.traffic import TrafficAdapter
from alphalab.evaluation import SandboxedCandidateHost
from alphalab.sandbox import ProcessSandbox
from alphalab.workspace import Workspace

folder = built_in_folder("traffic")
manifest = load(tomllib.loads((folder / "manifest.toml").read_text()), Manifest)
options = {name: option.default for name, option in manifest.options.items()} | {"context": 168}
adapter = TrafficAdapter(folder=folder, manifest=manifest, domain_knowledge="", prompts={}, options=options)
scoring = adapter.attach(Workspace(sys.argv[1]), SandboxedCandidateHost(ProcessSandbox()))
print(asyncio.run(scoring.score(Path(sys.argv[2]), split="search", seed=0)).value)
"""


def processes_named(prefix: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = path.read_text().strip()
        except OSError:  # it ended meanwhile
            continue
        found += [str(path)] if name.startswith(prefix) else []
    return found


@pytest.mark.data
@pytest.mark.bubblewrap
async def test_canaries_on_a_real_city(make_adapter, data_folder, tmp_path):
    path = data_folder / "berlin_traffic/berlin_2015_2016_hourly.npz"
    adapter = make_adapter(variable="flow", keep="keep")
    workspace = Workspace(tmp_path)
    adapter.prepare(Task(objective="forecast", data=path), workspace)
    scoring = adapter.attach(workspace, SandboxedCandidateHost(BubblewrapSandbox()))
    floor, reference = await levels(scoring)
    for canary in CATALOGUE.canary:
        outcome = await scoring.score(FOLDER / canary.folder, split="search", seed=0)
        assert judge_canary(canary.expect, outcome, metric=scoring.manifest.metric, floor=floor, reference=reference), (
            canary.name
        )
