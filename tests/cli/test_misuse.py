"""What cannot work ends with exit code 2 and one clear message, never with a traceback."""

import subprocess
import sys
import time

import pytest

from alphalab.cli import main
from alphalab.errors import ModelUnavailable


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "required"),
        (("fly",), "invalid choice"),
        (("run",), "CONFIG.toml"),
        (("run", "none.toml"), "configuration 'none.toml' does not exist"),
        (("demo", "--experiments", "0"), "must be above zero"),
        (("demo", "--experiments", "many"), "invalid positive value"),
        (("status", "nowhere"), "holds no campaign"),
        (("leaderboard", "nowhere"), "holds no campaign"),
        (("report", "nowhere"), "holds no campaign"),
        (("resume", "nowhere"), "holds no campaign"),
        (("leaderboard", "nowhere", "--split", "train"), "invalid choice"),
        (("adapters",), "required"),
        (("adapters", "show", "nothing"), "unknown adapter 'nothing'"),
        (("adapters", "check", "nowhere"), "does not exist"),
        (("score", "traffic", "."), "--data"),
        (("score", "nothing", ".", "--data", "x.npz"), "unknown adapter 'nothing'"),
        (("score", "traffic", "nowhere", "--data", "x.npz"), "is not a folder"),
        (("score", "traffic", ".", "--data", "x.npz"), "x.npz"),
        (("score", "traffic", ".", "--data", "x.npz", "--option", "horizon"), "must read NAME=VALUE"),
        (("score", "traffic", ".", "--data", "x.npz", "--option", "horizon=x"), "must be int"),
        (("score", "traffic", ".", "--data", "x.npz", "--option", "speed=1"), "unknown option 'speed'"),
        (("score", "traffic", ".", "--data", "x.npz", "--time-limit", "-1"), "must be above zero"),
        (("score", "traffic", ".", "--data", "x.npz", "--time-limit", "nan"), "must be above zero"),
        (("score", "traffic", ".", "--data", "x.npz", "--sandbox", "docker"), "invalid choice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_misuse_exits_2_and_says_what_is_wrong(call, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_all_problems_of_a_configuration_are_told_at_once(call, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('adapter = "traffic"\nworker = 2\nseed = "x"\n[task]\nobjective = "o"\n')
    code, _, err = call("run", path)
    assert code == 2
    assert "worker" in err
    assert "seed" in err


def test_data_that_are_not_there_are_named(call, tmp_path):
    path = tmp_path / "campaign.toml"
    path.write_text('adapter = "traffic"\nworkspace = "run"\n[task]\nobjective = "o"\ndata = "none.npz"\n')
    code, _, err = call("run", path, "--experiments", 1)
    assert code == 2
    assert "none.npz': does not exist" in err
    assert not (tmp_path / "run").exists()


def test_a_folder_with_other_files_is_not_taken_for_a_workspace(call, configured, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    code, _, err = call("run", configured, "--workspace", tmp_path)
    assert code == 2
    assert "precious.txt" in err
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_failed_campaign_exits_1(call, configured, tmp_path, monkeypatch):
    def fail(_self):
        raise ModelUnavailable("the model does not answer")

    monkeypatch.setattr("alphalab.campaign.Campaign.run_sync", fail)
    code, out, err = call("run", configured, "--workspace", tmp_path / "run")
    assert (code, out) == (1, "")
    assert "alphalab: error: the model does not answer" in err


def test_a_reader_that_has_seen_enough_is_no_failure():
    command = f"{sys.executable} -m alphalab adapters show traffic | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["adapters", "new", "--help"]])
def test_help_and_version_are_there(capsys, arguments):
    assert main(arguments) == 0
    assert "alphalab" in capsys.readouterr().out


def test_help_is_quick():
    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "alphalab", "--help"], capture_output=True, check=True)
        return time.perf_counter() - started

    bare = [_bare() for _ in range(5)]
    assert min(once() for _ in range(5)) - min(bare) < 0.150


def _bare() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], capture_output=True, check=True)
    return time.perf_counter() - started
