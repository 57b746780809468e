"""The door check, what is prepared for whom, and what a review finds without running anything."""

import json
from datetime import timedelta

import attrs
import numpy as np
import pytest

from alphalab.adapters.traffic import simulate
from alphalab.errors import ConfigError
from alphalab.task import Task
from alphalab.testing.candidates import InProcessCandidateHost
from alphalab.workspace import Workspace


def task(path) -> Task:
    return Task(objective="forecast", data=path)


def saved(tmp_path, values, **more):
    np.savez(tmp_path / "given.npz", values=values, **more)
    return task(tmp_path / "given.npz")


# -- the door ----------------------------------------------------------------------------------------------------------


def test_a_good_task_has_no_problems(make_adapter, network):
    assert make_adapter(context=168).check_task(task(network)) == ()


def test_without_data(make_adapter):
    assert make_adapter().check_task(Task(objective="forecast")) == (
        "task.data is not set; give a file or URL of the series to forecast",
    )


def test_problems_of_options_and_file_are_told_together(make_adapter, tmp_path):
    found = make_adapter(stride=12).check_task(task(tmp_path / "absent.npz"))
    assert found[0].startswith("option stride=12 is below horizon=24")
    assert found[1].startswith("does not exist")
    with pytest.raises(ConfigError, match="2 problems"):
        make_adapter(stride=12).prepare(task(tmp_path / "absent.npz"), Workspace(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_too_short_a_series_says_how_much_is_needed(make_adapter, tmp_path):
    found = make_adapter().check_task(saved(tmp_path, simulate(sensors=2, days=20).values))
    assert "the series has 480 steps, but context=672 and horizon=24 need at least 995 for one forecast" in found[0]
    enough = simulate(sensors=2, days=42).values[:995]
    assert make_adapter().check_task(saved(tmp_path, enough)) == ()
    assert make_adapter().check_task(saved(tmp_path, enough[:-1])) != ()


def test_a_period_that_contradicts_the_clock(make_adapter, tmp_path):
    quarter = np.datetime64("2024-01-01T00:00") + np.arange(5000) * np.timedelta64(15, "m")
    values = np.random.default_rng(0).random((5000, 2))
    assert make_adapter().check_task(saved(tmp_path, values, time=quarter)) == (
        "times are 15 minutes apart, 96 steps a day, but option period=24; set period=96",
    )
    assert make_adapter(period=96).check_task(saved(tmp_path, values, time=quarter)) == ()
    assert make_adapter(period=672).check_task(saved(tmp_path, values, time=quarter)) == ()


def test_parts_without_a_value(make_adapter, tmp_path):
    values = simulate(sensors=2, days=70, gaps=False).values
    late = values.copy()
    late[1400:] = np.nan
    assert make_adapter().check_task(saved(tmp_path, late)) == (
        "the final split has no measured target, so nothing can be scored; bring more data",
    )
    early = values.copy()
    early[:1250] = np.nan
    assert "all values of the train split (the first 1176 steps) are missing" in make_adapter().check_task(
        saved(tmp_path, early)
    )


def test_a_wrong_delimiter_is_explained_at_the_door(make_adapter, tmp_path):
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3,4\n")
    found = make_adapter(delimiter=";").check_task(task(tmp_path / "d.csv"))
    assert "set option delimiter to ','" in found[0]


# -- what is prepared --------------------------------------------------------------------------------------------------


def test_everyone_sees_the_train_split_and_the_harness_the_rest(make_adapter, network, tmp_path):
    workspace = Workspace(tmp_path / "run")
    facts = make_adapter(context=168).prepare(task(network), workspace)
    with np.load(workspace.data / "train.npz") as train, np.load(workspace.private / "series.npz") as series:
        assert train["values"].dtype == np.float32
        np.testing.assert_array_equal(train["values"], series["values"][: series["splits"][0]])
        assert len(train["time"]) == len(train["values"]) == facts["hours"]["train"]
        assert train["synthetic"]
        assert list(train["sensor"]) == [f"synthetic-{n:03d}" for n in range(5)]
        assert len(series["values"]) == facts["hours"]["all"] == 70 * 24
    assert facts == json.loads((workspace.data / "facts.json").read_text())
    assert sorted(path.name for path in workspace.data.iterdir()) == ["facts.json", "train.npz"]


def test_the_same_input_writes_the_same_bytes(make_adapter, network, tmp_path):
    def contents(name):
        workspace = Workspace(tmp_path / name)
        make_adapter(context=168).prepare(task(network), workspace)
        return {path.name: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}

    assert contents("first") == contents("second")


def test_facts_tell_nothing_about_held_out_values(make_adapter, tmp_path):
    series = simulate(sensors=4, days=70, gaps=False)
    adapter = make_adapter()

    def facts(values):
        return adapter.prepare(saved(tmp_path, values, time=series.time), Workspace(tmp_path / "run"))

    first = facts(series.values)
    changed = series.values.copy()
    changed[first["hours"]["train"] :] *= 3
    assert facts(changed) == first


def test_facts_are_measured(make_adapter, tmp_path):
    hour = np.arange(70 * 24)
    weekend = (hour // 24) % 7 >= 5
    values = (100 + 50 * (hour % 24 == 8) + 20 * (hour % 24 == 17)) * np.where(weekend, 0.5, 1.0)
    start = np.datetime64("2024-01-01T00", "h")
    given = saved(tmp_path, np.stack([values, values], axis=1), time=start + hour)
    facts = make_adapter().prepare(given, Workspace(tmp_path / "run"))
    train = facts["train"]
    assert train["peak_hours"][:2] == [8.0, 17.0]
    assert train["weekend_over_weekday"] == pytest.approx(0.5)
    assert train["mean_by_weekday"]["Saturday"] == pytest.approx(train["mean_by_weekday"]["Monday"] / 2, rel=1e-3)
    assert train["autocorrelation"]["one_week"] == 1.0 > train["autocorrelation"]["one_day"]
    assert facts["naive_on_train_tail"]["weekly"] == 0.0 < facts["naive_on_train_tail"]["daily"]
    assert train["missing_share"] == train["zero_share"] == 0.0
    assert facts["start"] == "2024-01-01T00:00"
    assert facts["synthetic"] is False


def test_facts_without_a_calendar_and_with_large_gaps(make_adapter, tmp_path):
    values = simulate(sensors=3, days=70, gaps=False).values.copy()
    values[:700] = np.nan  # the whole first half of the train split
    facts = make_adapter().prepare(saved(tmp_path, values), Workspace(tmp_path / "run"))
    assert "peak_steps_of_day" in facts["train"]
    assert facts["start"] is None
    assert facts["train"]["rows_missing_everywhere"] == 700
    assert facts["train"]["second_half_over_first_half"] is None


def test_sensors_without_train_values_are_left_out_and_noted(make_adapter, tmp_path):
    values = simulate(sensors=4, days=70, gaps=False).values.copy()
    values[:1200, 2] = np.nan
    workspace = Workspace(tmp_path / "run")
    facts = make_adapter().prepare(saved(tmp_path, values, sensor=np.array(list("abcd"))), workspace)
    assert facts["sensors"] == 3
    assert facts["notes"] == ["1 sensor(s) without a value in the train split were left out: 'c'"]
    with np.load(workspace.private / "series.npz") as stored:
        assert list(stored["sensor"]) == ["a", "b", "d"]


def test_minute_data_have_steps_for_hours(make_adapter, tmp_path):
    day = np.arange(20 * 288) % 288
    facts = make_adapter(period=288, context=576).prepare(
        saved(tmp_path, np.stack([day, day + 1.0], axis=1)), Workspace(tmp_path / "run")
    )
    assert facts["steps_per_day"] == 288
    assert facts["hours"]["train"] % 288 == 0
    assert facts["naive_on_train_tail"] == {"steps": 806, "daily": 0.0, "weekly": 0.0}


# -- what a review finds -----------------------------------------------------------------------------------------------


def test_a_plain_submission_passes_inspection(make_adapter, submit):
    assert make_adapter().inspect_submission(submit("return None")) == ()


def test_inspection_finds_what_is_missing_linked_broken_or_large(make_adapter, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "broken.py").write_text("x = 1\ndef f(:\n")
    (folder / "nul.py").write_bytes(b"x = '\x00'\n")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to("..")
    (folder / "weights.bin").write_bytes(bytes(17 * 2**20))
    found = make_adapter().inspect_submission(folder)
    assert all(finding.severity == "blocking" for finding in found)
    messages = {finding.message.split(":")[0]: finding for finding in found}
    assert messages["broken.py is not valid Python"].line == 2
    assert "nul.py is not valid Python" in messages
    assert "required file 'forecaster.py' is missing" in messages
    assert any("'link' is a symbolic link to '/etc/passwd'" in finding.message for finding in found)
    assert any("'folder' is a symbolic link to '..'" in finding.message for finding in found)
    assert any("the folder has 17.0 MiB; at most 16 MiB" in finding.message for finding in found)


# -- real data ---------------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "options", "daily", "weekly"),
    [
        # RMSE over the last tenth as the data's README gives it; the splits here are longer.
        ("berlin_traffic/berlin_2015_2016_hourly.npz", {"variable": "flow", "keep": "keep"}, 199.4, 123.8),
        ("muenster_traffic/muenster_2015_2016_hourly.npz", {"keep": "keep"}, 96.9, 58.1),
    ],
)
async def test_naive_forecasts_of_real_roads(data_folder, make_adapter, tmp_path, submit, name, options, daily, weekly):
    adapter = make_adapter(**options)
    workspace = Workspace(tmp_path / "run")
    facts = adapter.prepare(task(data_folder / name), workspace)
    assert facts["hours"] == {"all": 17544, "train": 12264, "search": 2640, "final": 2640}
    adapter = adapter.attach(workspace, InProcessCandidateHost())
    fill = "mean = np.nanmean(context, axis=0); "
    week = submit(fill + "w = context[-168:-144]; return np.where(np.isnan(w), mean, w)", name="week")
    day = submit(fill + "d = context[-24:]; return np.where(np.isnan(d), mean, d)", name="day")
    last = await adapter.score(day, split="final", seed=0)
    before = await adapter.score(week, split="final", seed=0)
    assert last.value == pytest.approx(daily, rel=0.1)
    assert before.value == pytest.approx(weekly, rel=0.2)
    assert last.details["origins"] == before.details["origins"] == 110
    assert last.n <= 110  # hours at which every road is missing do not count
    assert before.secondary["mase"] < last.secondary["mase"] < 1.1


async def test_limits_come_from_the_manifest_unless_given(prepared, evolve, submit):
    manifest = prepared.manifest
    short = attrs.evolve(manifest, resources=attrs.evolve(manifest.resources, time_limit=timedelta(seconds=0.01)))
    slow = submit("import time; time.sleep(0.02); return np.zeros((24, 5))")
    outcome = await evolve(prepared, manifest=short).score(slow, split="search", seed=0)
    assert outcome.kind == "timed_out"
    given = evolve(prepared, manifest=short, time_limit_s=60.0)
    assert (await given.score(slow, split="search", seed=0)).value > 0
