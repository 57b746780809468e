"""Campaigns from the command line: run, look, extend, interrupt."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphalab.campaign import Campaign

pytestmark = pytest.mark.timeout(180)


def test_run_prints_one_object_and_keeps_progress_out_of_it(ran):
    workspace, done = ran
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"workspace", "phase", "stop_reason", "experiments", "best", "cost_usd", "seconds"}
    assert (told["workspace"], told["phase"], told["stop_reason"]) == (str(workspace), "finished", "experiments")
    assert told["experiments"] == {"done": 2}
    assert told["best"]["metric"] == "rmse"
    assert "evaluation sealed" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_tells_people_and_programs_the_same(ran, call, call_json):
    workspace, done = ran
    assert call_json("status", workspace) == json.loads(done.stdout)
    code, out, _ = call("status", workspace)
    assert code == 0
    assert "phase        finished, stopped: experiments" in out
    assert "2 done" in out


def test_leaderboard_has_baselines_among_its_rows(ran, call, call_json):
    workspace, _ = ran
    board = call_json("leaderboard", workspace)
    assert (board["metric"], board["goal"], board["split"]) == ("rmse", "minimize", "search")
    assert {"baseline:Seasonal naive", "exp-0001"} <= {row["id"] for row in board["rows"]}
    assert [row["value"] for row in board["rows"]] == sorted(row["value"] for row in board["rows"])
    keys = {"id", "name", "family", "value", "low", "high", "n", "baseline", "sandbox"}
    assert all(set(row) == keys for row in board["rows"])
    assert len(call_json("leaderboard", workspace, "--split", "final", "-n", 2)["rows"]) == 2
    assert "rmse on the search split, lower is better." in call("leaderboard", workspace)[1]


def test_report_says_where_it_is(ran, call):
    workspace, _ = ran
    code, out, _ = call("report", workspace)
    assert (code, out.strip()) == (0, str(workspace / "reports" / "report.html"))
    assert Path(out.strip()).read_text().startswith("<!doctype html>")


def test_a_campaign_that_is_over_is_extended_and_told_in_words(ran, call):
    workspace, _ = ran
    code, out, err = call("resume", workspace, "--experiments", 3, "--workers", 1)
    assert code == 0, err
    assert "rmse on the search split" in out
    assert "rmse on the final split" in out
    assert "On the final split, opened for it once" in out
    assert f"report       {workspace}/reports/report.html" in out
    assert "going on" in err
    assert len(Campaign.open(workspace).experiments()) == 3
    code, again, _ = call("resume", workspace)
    assert code == 0
    assert "3 done" in again


def test_recover_refuses_what_is_whole_or_empty(call, tmp_path):
    code, _, err = call("recover", tmp_path)
    assert code == 1
    assert "holds no experiments/ folder" in err


# A shell that starts tests in the background has them ignore Ctrl-C, and children inherit that.
LISTENING = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from alphalab.cli import main; sys.exit(main(sys.argv[1:]))"
)


def interrupted(workspace: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Start a command and press Ctrl-C as soon as its workspace has a record."""
    command = [sys.executable, "-c", LISTENING, *(str(argument) for argument in arguments)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)
    deadline = time.monotonic() + 60
    while not (workspace / "state.db").is_file() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    return subprocess.CompletedProcess(command, running.returncode, out, err)


def test_ctrl_c_says_how_to_go_on_and_loses_nothing(configured, tmp_path):
    workspace = tmp_path / "run"
    done = interrupted(workspace, "run", configured, "--workspace", workspace, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (130, "")
    assert f"alphalab resume {workspace}" in done.stderr
    assert "Traceback" not in done.stderr
    assert Campaign.open(workspace).status()["phase"] in ("adapt", "explore", "evaluate")


def test_the_demo_keeps_its_data_beside_its_workspace(tmp_path):
    """Only its beginning: the whole demo is the same kind of campaign with more trials."""
    workspace = tmp_path / "demo" / "traffic"
    done = interrupted(workspace, "demo", "--seed", 4, "--experiments", 1, cwd=tmp_path)
    assert done.returncode == 130
    assert f"alphalab resume {workspace}" in done.stderr
    assert (tmp_path / "demo" / "traffic-simulated-seed4.npz").is_file()
    assert Campaign.open(workspace).seed == 4
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
