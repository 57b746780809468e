"""What cannot work is refused in one sentence that names the value and the remedy, before anything is written."""

import sqlite3
import subprocess
import sys

import numpy as np
import pytest
import tomli_w
from toy_domain import MANIFEST, RECIPES, ToyAdapter, make_campaign, write_adapter

import alphalab as al
from alphalab.adapters.traffic import simulate
from alphalab.errors import AdapterError, ConfigError, NotFound, StoreError
from alphalab.roles import Builder, Critic, RoleAgent


def refused(campaign, kind=ConfigError):
    """The message a campaign is refused with; sees that its workspace was not even made."""
    before = _content(campaign.workspace)
    with pytest.raises(kind) as caught:
        campaign.run_sync()
    assert _content(campaign.workspace) == before
    return str(caught.value)


def _content(folder):
    if folder.is_file():
        return folder.read_bytes()
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")} if folder.exists() else None


# -- data --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def on(tmp_path):
    """A traffic campaign on some data."""

    def make(data, **options):
        if isinstance(data, np.ndarray):
            np.savez(tmp_path / "given.npz", values=data)
            data = tmp_path / "given.npz"
        return al.Campaign(
            task=al.Task(objective="Forecast.", data=data),
            adapter="traffic",
            workspace=tmp_path / "run",
            budget=al.Budget(experiments=1),
            adapter_options={"context": 168, **options},
        )

    return make


def series(sensors=3):
    return simulate(sensors=sensors, days=80, seed=0).values.copy()


def csv(path, delimiter):
    rows = (delimiter.join([f"2024-01-{1 + hour // 24:02d}T{hour % 24:02d}:00", "1", str(hour)]) for hour in range(672))
    path.write_text(delimiter.join(["time", "a", "b"]) + "\n" + "\n".join(rows) + "\n")
    return path


def test_a_missing_file(on, tmp_path):
    told = refused(on(tmp_path / "absent.npz"))
    assert f"'{tmp_path / 'absent.npz'}'" in told
    assert "does not exist; give the path of a file, or a URL" in told


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.npz", "s3://no-such-bucket/x.npz", "nonsense://x/y.npz"])
def test_an_address_that_cannot_be_read(on, url):
    told = refused(on(url))
    assert f"'{url}'" in told
    assert "cannot be read" in told


def test_no_data_at_all(on):
    assert "task.data is not set; give a file or URL" in refused(on(None))


def test_an_empty_file(on, tmp_path):
    (tmp_path / "x.csv").write_text("")
    assert "is empty" in refused(on(tmp_path / "x.csv"))


def test_a_series_of_no_rows(on):
    assert "holds no values: shape (0, 3)" in refused(on(np.zeros((0, 3))))


def test_a_constant_series(on):
    assert "every measured value is 7, so there is nothing to forecast" in refused(on(np.full((2000, 3), 7.0)))


def test_the_wrong_delimiter(on, tmp_path):
    told = refused(on(csv(tmp_path / "x.csv", ";"), delimiter=","))
    assert "with delimiter ',' every line is one cell" in told
    assert "set option delimiter to ';'" in told


def test_sensors_that_measured_nothing(on):
    assert "all values of all 3 sensors are missing" in refused(on(np.full((2000, 3), np.nan)))


def test_one_sensor_that_measured_nothing_is_left_out_instead(on, tmp_path):
    values = series()
    values[:, 1] = np.nan
    campaign = on(values)
    assert campaign.loaded_adapter().check_task(campaign.task) == ()


def test_infinite_values(on):
    values = series()
    values[5, 1] = np.inf
    assert "1 value(s) are infinite, in 'sensor-001'; replace them by NaN" in refused(on(values))


def test_too_short_for_one_forecast(on):
    told = refused(on(series()[:200]))
    assert "the series has 200 steps, but context=168 and horizon=24 need at least" in told
    assert "bring more data" in told


def test_a_kind_of_file_that_nobody_knows(on, tmp_path):
    (tmp_path / "x.docx").write_bytes(b"x")
    assert "has an unknown ending; known: .npz, .csv" in refused(on(tmp_path / "x.docx"))


def test_options_that_do_not_fit(on):
    told = refused(on(series(), colour="red", horizon="3"), AdapterError)
    assert "unknown option 'colour'; known: context, delimiter" in told
    assert "option horizon='3' must be int" in told


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"budget": al.Budget()}, "the budget limits nothing; set at least one of experiments"),
        ({"workers": 0}, "workers=0 must be at least 1"),
        ({"sandbox": "jail"}, "sandbox='jail' is unknown; use one of auto, bubblewrap, none"),
        ({"models": "gpt-9"}, "models, default: model 'gpt-9' is unknown; write one of: offline"),
        ({"models": {"critic": "offline"}}, "models: no model for adapter, explorer, builder"),
        ({"models": {"poet": "offline", "default": "offline"}}, "models: role 'poet' is unknown; known: default"),
        ({"models": {"default": []}}, "models.default=[] must be a name or a list of names"),
        ({"models": {"default": 5}}, "models.default=5 must be a name or a list of names"),
        ({"models": {"default": [5]}}, "models.default=5 must be a name or a list of names"),
        ({"models": None}, "models=None must be a name or a table of roles"),
        ({"roles": {"poet": RoleAgent}}, "roles: 'poet' is unknown; known: adapter, explorer"),
        ({"roles": {"critic": dict}}, "roles: <class 'dict'> cannot play 'critic'; pass a subclass"),
        ({"roles": {"critic": Builder}}, "cannot play 'critic'; pass a subclass of alphalab.roles.Critic"),
        ({"roles": {"critic": "Critic"}}, "roles: 'Critic' cannot play 'critic'"),
    ],
)  # fmt: skip
def test_one_argument(tmp_path, change, told):
    assert told in refused(make_campaign(tmp_path, **change))


def test_all_problems_together(tmp_path):
    campaign = make_campaign(
        tmp_path, budget=al.Budget(), workers=-1, sandbox="jail", models="gpt-9", roles={"poet": Critic}
    )
    assert refused(campaign).startswith("campaign: 5 problems\n  - ")


def test_a_budget_of_zero():
    with pytest.raises(ConfigError, match="experiments=0 must be above zero; leave it out for no limit"):
        al.Budget(experiments=0)


@pytest.mark.parametrize("adapter", ["trafic", "/no/such/folder", ""])
def test_an_unknown_adapter(tmp_path, adapter):
    campaign = al.Campaign(task=al.Task(objective="x"), adapter=adapter, workspace=tmp_path / "run")
    told = refused(campaign, AdapterError)
    assert told == f"unknown adapter {adapter!r}; built in: traffic; or pass a folder that holds manifest.toml"


def test_an_unknown_goal_of_the_metric(tmp_path):
    folder = write_adapter(tmp_path / "adapter", metric={**MANIFEST["metric"], "goal": "lower"})
    campaign = al.Campaign(task=al.Task(objective="x"), adapter=folder, workspace=tmp_path / "run")
    told = refused(campaign, AdapterError)
    assert "goal" in told
    assert "lower" in told
    assert "minimize" in told


def test_everything_that_is_wrong_with_a_folder(tmp_path):
    folder = write_adapter(tmp_path / "adapter", seeds="two", colour="red")
    (folder / "domain_knowledge.md").unlink()
    (folder / "prompts/critic.md").write_text("$nonsense")
    campaign = al.Campaign(task=al.Task(objective="x"), adapter=folder, workspace=tmp_path / "run")
    assert refused(campaign, AdapterError).count("\n  - ") == 4


def test_an_adapter_without_recipes_refuses_the_offline_researcher(tmp_path):
    write_adapter(tmp_path / "adapter", recipes=())
    assert "ships no recipes, so the offline researcher has nothing to work from" in refused(make_campaign(tmp_path))


def test_a_folder_without_a_class_cannot_score(tmp_path):
    folder = write_adapter(tmp_path / "adapter")
    campaign = al.Campaign(task=al.Task(objective="x"), adapter=folder, workspace=tmp_path / "run", sandbox="none")
    assert "adapter 'toy' has no executable scorer; pass an adapter of the DomainAdapter subclass" in refused(campaign)


def test_a_class_that_no_other_process_can_import(tmp_path):
    class Local(ToyAdapter):
        pass

    local = Local.from_folder(write_adapter(tmp_path / "adapter"))
    campaign = al.Campaign(task=al.Task(objective="x"), adapter=local, workspace=tmp_path / "run")
    assert "put it into a module of its own and import it from there" in refused(campaign)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"x": {"kind": "float", "default": 0.5}}, "low"),
        ({"x": {"kind": "float", "default": 0.5, "low": 0.0, "high": 1.0, "log": True}}, "log"),
        ({"x": {"kind": "choice", "default": "a"}}, "choices"),
    ],
)
def test_a_recipe_whose_space_cannot_be_drawn_from(tmp_path, parameters, told):
    write_adapter(tmp_path / "adapter", recipes=({**RECIPES[0], "parameters": parameters},))
    with pytest.raises(AdapterError, match=told):
        make_campaign(tmp_path)


# -- workspaces --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    make_campaign(folder, budget=al.Budget(experiments=1)).run_sync()
    return folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": al.Task(objective="Something else.")}, "its task is Task(objective='Name the hidden number"),
        ({"seed": 9}, "its seed is 0, not 9"),
        ({"adapter_options": {"hidden": 0.4}}, "its adapter_options is {}, not {'hidden': 0.4}"),
    ],
)
def test_a_workspace_of_another_campaign(finished, change, told):
    message = refused(make_campaign(finished, **change))
    assert "belongs to another campaign" in message
    assert told in message
    assert "name a new folder" in message


def test_a_folder_that_holds_other_things(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.tex").write_text("x")
    assert "holds other files (thesis.tex) and no campaign; name an empty or new folder" in refused(
        make_campaign(tmp_path)
    )


def test_a_workspace_that_is_a_file_or_lies_below_one(tmp_path):
    (tmp_path / "run").write_text("x")
    assert "is a file; name a folder" in refused(make_campaign(tmp_path))
    below = make_campaign(tmp_path, workspace=tmp_path / "run/below")
    with pytest.raises(ConfigError, match=r"cannot be made: .*run is a file; name another folder"):
        below.run_sync()


def test_a_record_of_a_newer_version(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("newer")
    make_campaign(folder, budget=al.Budget(experiments=1)).run_sync()
    with sqlite3.connect(folder / "run/state.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    campaign = make_campaign(folder, budget=al.Budget(experiments=3))
    config = (folder / "run/campaign.toml").read_bytes()
    for use in (campaign.run_sync, campaign.experiments, campaign.result):
        with pytest.raises(StoreError, match=r"has schema version 99, and this alphalab .* use the newer alphalab"):
            use()
    assert (folder / "run/campaign.toml").read_bytes() == config


def test_a_folder_that_nothing_may_be_written_to(tmp_path):
    """In a process without root's privileges, to which read-only folders are really read-only."""
    for name in ("below", "itself"):
        (tmp_path / name).mkdir()
    script = (
        "import sys, os\n"
        f"sys.path[:] = {sys.path!r}\n"
        "import alphalab as al, alphalab.campaign.opening\n"
        "from alphalab.adapters import load_adapter\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "from alphalab.workspace import Workspace\n"
        "from alphalab.campaign.opening import _workspace_problems\n"
        f"print(_workspace_problems(Workspace({str(tmp_path / 'below/run')!r}), None))\n"
        f"print(_workspace_problems(Workspace({str(tmp_path / 'itself')!r}), None))\n"
    )
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(0o755)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd="/")
    if "PermissionError" in result.stderr and "setgroups" in result.stderr:
        pytest.skip("only root can become somebody with fewer rights")
    assert result.returncode == 0, result.stderr
    below, itself = result.stdout.splitlines()
    assert "cannot be made" in below
    assert "is not writable" in below
    assert "is not writable" in itself


def test_opening_what_is_not_there(tmp_path):
    with pytest.raises(NotFound, match=r"holds no campaign: campaign\.toml is missing"):
        al.Campaign.open(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("look", ["experiments", "leaderboard", "usage", "status", "result", "events"])
def test_looking_before_anything_was_run(tmp_path, look):
    campaign = make_campaign(tmp_path)
    with pytest.raises(StoreError, match=r"there is no campaign at .*start one there first"):
        getattr(campaign, look)()
    assert not campaign.workspace.exists()


def test_a_broken_configuration_in_the_workspace(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/campaign.toml").write_text(tomli_w.dumps({"adapter": "toy"}))
    with pytest.raises(ConfigError, match="required key 'task' is missing"):
        al.Campaign.open(tmp_path / "run")
