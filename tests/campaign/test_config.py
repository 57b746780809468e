"""A configuration file says everything a constructor says, and everything that is wrong with it is told at once."""

import tomllib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_domain import make_campaign

import alphalab as al
from alphalab.campaign import CampaignConfig, read_config, write_config
from alphalab.campaign.config import describe_executor, make_executor
from alphalab.campaign.opening import describe
from alphalab.errors import ConfigError
from alphalab.executors import LocalExecutor

MINIMAL = 'adapter = "traffic"\n[task]\nobjective = "Forecast."\n'
ONE = MINIMAL + "[budget]\nexperiments = 1\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "campaign.toml"
        path.write_text(text)
        return path

    return write


def problems(path):
    with pytest.raises(ConfigError) as caught:
        al.Campaign.from_config(path, workspace="run")
    return caught.value.problems


# -- round trip --------------------------------------------------------------------------------------------------------

FULL = CampaignConfig(
    task=al.Task(objective="Forecast.", data="/data/x.npz"),
    adapter="/adapters/mine",
    models={"strategist": ["anthropic:a", "openai:b"], "default": "offline"},
    workspace="/runs/one",
    workers=3,
    seed=7,
    sandbox="none",
    adapter_options={"variable": "flow", "horizon": 24, "share": 0.5, "strict": True},
    budget=al.Budget(experiments=5, cost_usd=1.5, tokens=100, gpu_hours=0.5, wall_time=timedelta(hours=1)),
    executor={"kind": "local", "max_jobs": 2},
    resources=al.Resources(cpus=2, gpus=0.5, memory_gib=3.0, time_limit=timedelta(minutes=5)),
    limits=al.Limits(turns=9, tokens=1000, cost_usd=0.5, time=timedelta(seconds=30), nudges=1, repeats=2),
)


def test_everything_comes_back(tmp_path):
    path = tmp_path / "campaign.toml"
    write_config(path, FULL)
    assert read_config(path) == FULL
    assert tomllib.loads(path.read_text())["format"] == 1


def test_no_limit_of_turns_comes_back_as_no_limit(tmp_path):
    config = CampaignConfig(task=FULL.task, adapter="traffic", limits=al.Limits(turns=None))
    write_config(tmp_path / "campaign.toml", config)
    assert read_config(tmp_path / "campaign.toml").limits.turns is None


@given(
    objective=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
    options=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=5),
        max_size=3,
    ),
)
def test_any_words_and_options_come_back(objective, options, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "campaign.toml"
    options = {key: value for key, value in options.items() if not isinstance(value, str) or value.isprintable()}
    config = CampaignConfig(task=al.Task(objective=objective), adapter="traffic", adapter_options=options)
    write_config(path, config)
    assert read_config(path) == config


def test_what_a_campaign_writes_makes_the_same_campaign(tmp_path):
    campaign = make_campaign(
        tmp_path,
        budget=al.Budget(experiments=3, wall_time=timedelta(hours=2)),
        models={"critic": "offline", "default": ("offline", "offline")},
        limits=al.Limits(turns=5),
        executor=LocalExecutor(max_jobs=1),
        workers=5,
        seed=4,
    )
    config = describe(campaign, campaign.adapter)
    path = tmp_path / "campaign.toml"
    write_config(path, config)
    again = al.Campaign.from_config(path, workspace=tmp_path / "other")
    assert describe(again, again.loaded_adapter()) == config
    assert (again.workers, again.seed, again.budget, again.limits) == (5, 4, campaign.budget, campaign.limits)
    assert again.executor.max_jobs == 1
    assert again.models == {"critic": "offline", "default": ["offline", "offline"]}


def test_no_secret_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    path = tmp_path / "campaign.toml"
    write_config(path, describe(make_campaign(tmp_path), make_campaign(tmp_path).adapter))
    assert "sk-secret" not in path.read_text()


# -- paths -------------------------------------------------------------------------------------------------------------


def test_relative_paths_start_at_the_file(tmp_path, monkeypatch, write):
    monkeypatch.chdir("/")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/manifest.toml").write_text("")
    path = write('adapter = "mine"\nworkspace = "../runs/one"\n[task]\nobjective = "x"\ndata = "data/x.npz"\n')
    config = read_config(path)
    assert config.adapter == str(tmp_path / "mine")
    assert config.workspace == str(tmp_path.parent / "runs/one")
    assert config.task.data == str(tmp_path / "data/x.npz")


@pytest.mark.parametrize("data", ["/abs/x.npz", "s3://bucket/x.npz", "zip://x.npz::https://host/y.zip", "~/x.npz"])
def test_absolute_places_and_urls_stay_as_they_are(write, data):
    config = read_config(write(f'adapter = "traffic"\n[task]\nobjective = "x"\ndata = "{data}"\n'))
    assert config.task.data == data


def test_a_built_in_name_is_not_a_path(write):
    assert read_config(write(MINIMAL)).adapter == "traffic"


def test_a_folder_that_is_called_like_a_built_in_adapter_is_no_adapter(tmp_path, monkeypatch):
    """`workspace="traffic"` in the current folder must not be taken for the adapter when the campaign goes on."""
    monkeypatch.chdir(tmp_path)
    campaign = al.Campaign(task=al.Task(objective="x"), adapter="traffic", workspace="traffic")
    before = describe(campaign, campaign.loaded_adapter())
    (tmp_path / "traffic").mkdir()
    assert describe(campaign, campaign.loaded_adapter()).adapter == before.adapter == "traffic"


# -- what is wrong -----------------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml' does not exist"):
        al.Campaign.from_config(tmp_path / "absent.toml")


@pytest.mark.parametrize("text", ["adapter = ", "a = 1\na = 2\n", "\x00"])
def test_not_toml(write, text):
    with pytest.raises(ConfigError, match="not TOML"):
        read_config(write(text))


def test_not_even_text(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not TOML"):
        read_config(tmp_path / "x.toml")


def test_everything_that_does_not_fit_is_told_at_once_with_its_place(write):
    path = write(
        'adapter = 3\nworkers = "two"\ncolour = "red"\nseed = 1.5\n[task]\nobjective = "x"\nsize = 3\n'
        '[budget]\nexperiments = "many"\n[limits]\nturns = true\n'
    )
    told = problems(path)
    places = {line.partition(" @ ")[2] for line in told}
    assert places == {"$.adapter", "$.workers", "", "$.seed", "$.task", "$.budget.experiments", "$.limits.turns"}
    assert "unknown key(s) colour" in told
    assert "unknown key(s) size @ $.task" in told


def test_everything_that_cannot_work_is_told_at_once(write):
    path = write(
        'adapter = "traffic"\nworkers = 0\nsandbox = "jail"\nmodels = 3\n'
        '[task]\nobjective = "x"\n[executor]\nkind = "cloud"\n'
    )
    assert problems(path) == (
        "the budget limits nothing; set at least one of experiments, cost_usd, tokens, gpu_hours, wall_time",
        "models=3 must be a name or a table of roles",
        "workers=0 must be at least 1",
        "sandbox='jail' is unknown; use one of auto, bubblewrap, none, process",
        "executor kind 'cloud' is unknown; known: local",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[task]\nobjective = 'x'\n", "required key 'adapter' is missing"),
        ("adapter = 'traffic'\n", "required key 'task' is missing"),
        ("adapter = 'traffic'\n[task]\n", "required key 'objective' is missing"),
        ("adapter = 'traffic'\ntask = 'Forecast.'\n", "expected an object, got 'Forecast.'"),
        ("adapter = 'traffic'\n[task]\nobjective = ' '\n", "objective is empty"),
        ("adapter = 'traffic'\n[[budget]]\nexperiments = 3\n[task]\nobjective = 'x'\n", "expected an object, got [{"),
        (MINIMAL + "[budget]\nexperiments = 0\n", "experiments=0 must be above zero"),
        (MINIMAL + "[budget]\ncost_usd = nan\n", "cost_usd=nan must be above zero"),
        (MINIMAL + "[resources]\nmemory_gib = -1\n", "memory_gib=-1.0 must be above zero"),
        (MINIMAL + "[budget]\nwall_time = '1h'\n", "expected float, got '1h' @ $.budget.wall_time"),
        (ONE + "[executor]\n", "executor kind None is unknown; known: local"),
        (ONE + "[executor]\nkind='local'\ncolour=1\n", "executor has no argument colour"),
        (ONE + "[executor]\nkind='local'\n_leases=1\n", "executor has no argument _leases"),
        (ONE + "[models]\ncritic = 3\n", "models.critic=3 must be a name or a list"),
        (ONE + "[models]\ncritic = []\n", "models.critic=[] must be a name or a list"),
    ],
)
def test_one_thing_that_is_wrong(write, text, told):
    (problem,) = problems(write(text))
    assert told in problem


def test_without_a_workspace(write):
    with pytest.raises(ConfigError, match="no workspace: name one in the configuration or pass it"):
        al.Campaign.from_config(write(ONE))


def test_the_callers_word_goes_before_the_files(write, tmp_path):
    path = write('workspace = "a"\n' + ONE)
    campaign = al.Campaign.from_config(path, workspace=tmp_path / "b", budget=al.Budget(experiments=9), workers=7)
    assert (campaign.workspace, campaign.budget.experiments, campaign.workers) == (tmp_path / "b", 9, 7)


# -- executors ---------------------------------------------------------------------------------------------------------


def test_an_executor_is_described_by_what_differs():
    assert describe_executor(LocalExecutor()) == {"kind": "local"}
    table = describe_executor(LocalExecutor(cpus=4, gpus=(0, 1), max_jobs=3, grace_s=1.0))
    assert table == {"kind": "local", "cpus": 4, "gpus": [0, 1], "max_jobs": 3, "grace_s": 1.0}
    made = make_executor(table)
    assert (made.cpus, made.gpus, made.max_jobs, made.grace_s) == (4, (0, 1), 3, 1.0)
