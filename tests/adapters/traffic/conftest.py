"""A traffic adapter without prompts, small data, and where the real data are."""

import tomllib
from pathlib import Path

import attrs
import numpy as np
import pytest

from alphalab._serde import load
from alphalab.adapters import Manifest
from alphalab.adapters.registry import built_in_folder
from alphalab.adapters.traffic import TrafficAdapter, simulate
from alphalab.task import Task
from alphalab.testing.candidates import InProcessCandidateHost
from alphalab.workspace import Workspace

FOLDER = built_in_folder("traffic")


@pytest.fixture
def make_adapter():
    def make(**options) -> TrafficAdapter:
        manifest = load(tomllib.loads((FOLDER / "manifest.toml").read_text()), Manifest, strict=True)
        defaults = {name: option.default for name, option in manifest.options.items()}
        return TrafficAdapter(
            folder=FOLDER, manifest=manifest, domain_knowledge="", prompts={}, options=defaults | options
        )

    return make


@pytest.fixture
def network(tmp_path) -> Path:
    """A small series on disk: five sensors, eight weeks, with gaps."""
    series = simulate(sensors=5, days=70, seed=1)
    path = tmp_path / "network.npz"
    np.savez(path, values=series.values, sensor=np.array(series.sensors), time=series.time, synthetic=True)
    return path


@pytest.fixture
def prepared(make_adapter, network, tmp_path):
    """An adapter attached to a prepared workspace, with a host that runs submissions in this process."""
    adapter = make_adapter(context=168)
    workspace = Workspace(tmp_path / "run")
    adapter.prepare(Task(objective="forecast", data=network), workspace)
    return adapter.attach(workspace, InProcessCandidateHost())


@pytest.fixture
def submit(tmp_path):
    """Write a submission from the bodies of its two methods."""

    def write(predict: str, fit: str = "self.horizon = horizon", name: str = "submission") -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "forecaster.py").write_text(
            "import numpy as np\n\n\nclass Forecaster:\n"
            f"    def fit(self, history, *, horizon, seed):\n        {fit}\n\n"
            f"    def predict(self, context):\n        {predict}\n"
        )
        return folder

    return write


@pytest.fixture
def evolve():
    return attrs.evolve
