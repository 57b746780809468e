"""Ended with SIGKILL anywhere and started again, a campaign loses nothing and does nothing twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import alphalab as al
from alphalab.adapters.traffic.simulate import write_simulated

SCRIPT = Path(__file__).with_name("kill_points.py")
EXPERIMENTS = 5
KILLS = 10


def start(workspace: Path, data: Path) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), str(workspace), str(data), str(EXPERIMENTS)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def events_so_far(workspace: Path) -> int:
    try:
        return len(al.Campaign.open(workspace).events())
    except al.AlphaLabError:
        return 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_kills_lose_nothing_and_repeat_nothing(tmp_path):
    workspace, data = tmp_path / "run", write_simulated(tmp_path / "data.npz", sensors=6, days=120, seed=3)
    rng = random.Random(7)
    kills = 0
    while True:
        process = start(workspace, data)
        # A kill point is a number of further events, so that kills fall into every phase however fast the machine is.
        target = events_so_far(workspace) + rng.choice([1, 3, 8, 20, 40, 60])
        while process.poll() is None and (kills >= KILLS or events_so_far(workspace) < target):
            time.sleep(0.02)
        if process.poll() is None and kills < KILLS:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        error = process.communicate()[1].decode()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, error
    assert kills == KILLS
    check(al.Campaign.open(workspace))


def check(campaign: al.Campaign) -> None:
    experiments = campaign.experiments()
    assert len(experiments) == EXPERIMENTS
    assert all(experiment.state.is_final for experiment in experiments)
    assert len({experiment.proposal.signature for experiment in experiments}) == EXPERIMENTS
    kinds = [type(recorded.event).__name__ for recorded in campaign.events()]
    assert kinds.count("EvaluationSealed") == 1
    assert kinds.count("ExperimentProposed") == EXPERIMENTS
    scored = [recorded.event for recorded in campaign.events() if type(recorded.event).__name__ == "ExperimentScored"]
    attempts = {experiment.id: experiment.attempts for experiment in experiments}
    on_search = Counter(event.experiment for event in scored if event.split == "search" and event.seed == 0)
    assert all(on_search[name] == count for name, count in attempts.items())
    assert all(experiment.attempts == experiment.fixes + 1 for experiment in experiments if experiment.value())
    finals = Counter(event.experiment for event in scored if event.split == "final")
    assert set(finals.values()) == {1}
    folders = [path.name for path in (campaign.workspace / "experiments").iterdir()]
    assert sorted(folders) == sorted(experiment.id for experiment in experiments)
    assert campaign.result().stop_reason == "experiments"
