"""What the verbs work on: data, submissions, and a campaign that the command line itself has run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alphalab.adapters.registry import built_in_folder
from alphalab.adapters.traffic import write_simulated
from alphalab.cli import main
from alphalab.testing.campaigns import small_adapter


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    return write_simulated(tmp_path_factory.mktemp("data") / "data.npz", sensors=6, days=100, seed=2)


@pytest.fixture
def honest(tmp_path) -> Path:
    """The seasonal naive forecast as a submission."""
    folder = tmp_path / "honest"
    folder.mkdir()
    source = built_in_folder("traffic") / "baselines" / "seasonal_naive" / "forecaster.py"
    (folder / "forecaster.py").write_text(source.read_text())
    return folder


@pytest.fixture
def call(capsys):
    """Run a command in this process: its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def call_json(call):
    """Run a command with `--json`, which must print one object and nothing else on stdout."""

    def run(*arguments: object) -> dict:
        code, out, err = call(*arguments, "--json")
        assert code == 0, err
        assert out.count("\n") == 1
        return json.loads(out)

    return run


CONFIG = """
adapter = "adapter"
models = "offline"
workspace = "runs/small"
workers = 2
seed = 0
[task]
objective = "Forecast the next 24 hours; lower RMSE is better."
data = "data.npz"
[budget]
experiments = 2
"""


@pytest.fixture(scope="session")
def configured(tmp_path_factory) -> Path:
    """A configuration beside its data and its adapter; not run."""
    folder = tmp_path_factory.mktemp("configured")
    write_simulated(folder / "data.npz", sensors=6, days=100, seed=2)
    small_adapter(folder / "adapter")
    (folder / "campaign.toml").write_text(CONFIG)
    return folder / "campaign.toml"


@pytest.fixture(scope="session")
def ran(configured) -> tuple[Path, subprocess.CompletedProcess]:
    """Its workspace, and how `alphalab run --json` in a process of its own ended."""
    done = process("run", configured, "--json")
    return configured.parent / "runs" / "small", done


def process(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "alphalab", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=cwd)
