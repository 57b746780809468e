import hashlib
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.bubblewrap


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def test_an_honest_submission_has_metrics_an_interval_and_a_tier(call_json, honest, data):
    told = call_json("score", "traffic", honest, "--data", data)
    assert (told["status"], told["sandbox"]) == ("scored", "bubblewrap")
    assert set(told["metrics"]) == {"rmse", "mae", "mase"}
    assert told["low"] <= told["metrics"]["rmse"] <= told["high"]
    assert told["n"] == 15
    assert told["seconds"] > 0


def test_the_score_is_the_one_computed_by_hand(call_json, honest, data):
    told = call_json("score", "traffic", honest, "--data", data, "--split", "final")
    values = np.load(data)["values"].astype(np.float64)
    start = round(100 * 0.85) * 24
    truth, week_before = values[start:], values[start - 168 : -168]
    both = ~np.isnan(truth) & ~np.isnan(week_before)  # where the week before is missing the submission fills in
    assert told["metrics"]["rmse"] == pytest.approx(np.sqrt(np.mean((truth[both] - week_before[both]) ** 2)), rel=0.02)
    assert told["split"] == "final"


def test_scoring_changes_nothing_and_leaves_nothing(call, honest, data, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = fingerprint(honest)
    code, out, _ = call("score", "traffic", honest, "--data", data)
    assert code == 0
    assert out.startswith("rmse ")
    assert fingerprint(honest) == before
    assert list(here.iterdir()) == []
    assert list(temporary.iterdir()) == []


FIT = "class Forecaster:\n    def fit(self, history, *, horizon, seed):\n"
RAISES = f"{FIT}        raise ValueError('no')\n"
NANS = (
    f"import numpy as np\n{FIT}        self.shape = horizon, history.shape[1]\n"
    "    def predict(self, context):\n        return np.full(self.shape, np.nan)\n"
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (None, "missing_file"),
        ("class Forecaster(:\n", "forbidden"),
        ("import nothing_of_that_name\n", "import_failed"),
        (RAISES, "crashed"),
        (NANS, "non_finite"),
    ],
    ids=["empty", "syntax", "import", "raises", "nan"],
)
def test_a_rejection_is_a_result(call_json, data, tmp_path, text, kind):
    folder = tmp_path / "broken"
    folder.mkdir()
    if text is not None:
        (folder / "forecaster.py").write_text(text)
    told = call_json("score", "traffic", folder, "--data", data)
    assert (told["status"], told["kind"]) == ("rejected", kind)
    assert told["message"]
    assert "metrics" not in told


def test_a_slow_submission_is_ended_at_its_time_limit(call_json, data, tmp_path):
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "forecaster.py").write_text(f"import time\n{FIT}        time.sleep(60)\n")
    told = call_json("score", "traffic", folder, "--data", data, "--time-limit", "0.5")
    assert told["kind"] == "timed_out"
    assert told["seconds"] < 10


def test_options_reach_the_adapter_as_what_they_are(call_json, honest, data):
    options = ("--option", "horizon=12", "--option", "stride=24", "--option", "header=no")
    told = call_json("score", "traffic", honest, "--data", data, *options, "--seed", 3)
    assert told["status"] == "scored"
    assert told["seed"] == 3


def test_without_isolation_that_is_said(call, honest, data):
    code, out, err = call("score", "traffic", honest, "--data", data, "--sandbox", "none")
    assert code == 0
    assert "sandbox process" in out
    assert "nothing is isolated" in err
