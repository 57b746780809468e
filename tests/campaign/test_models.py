"""The models of a campaign: every form they are named in, what is refused, and what is written down."""

import tomllib

import pytest
from toy_domain import make_campaign

from alphalab.campaign.config import read_config, write_config
from alphalab.campaign.models import ModelChoice, check_models, choices, described, make_models
from alphalab.campaign.opening import ready
from alphalab.errors import ConfigError
from alphalab.models import RetryingModel, ScriptedModel, get_model

LOCAL = {"name": "openai-chat:qwen3", "base_url": "http://localhost:8000/v1", "context_tokens": 8192, "images": False}


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "models",
    [
        "offline",
        ["offline", LOCAL],
        LOCAL,
        {"default": "offline", "critic": [LOCAL, "offline"], "worker": LOCAL},
        ScriptedModel([]),
        {"default": ScriptedModel([])},
    ],
)
def test_forms(models):
    assert check_models(models) == []


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (None, "must be a name or a table of roles"),
        ({"default": []}, "models.default=[] must be a name or a list of names"),
        ({"base_url": "http://x/v1"}, "the table of a model needs a name"),
        ({**LOCAL, "colour": 1}, "unknown key(s) colour; known: name, base_url, effort"),
        ({**LOCAL, "effort": "heroic"}, "effort='heroic' is unknown"),
        ({**LOCAL, "context_tokens": 0}, "context_tokens=0 must be a whole number above zero"),
        ({**LOCAL, "images": "no"}, "images='no' must be true or false"),
        ({**LOCAL, "patience": -1}, "patience=-1 must be a number of seconds"),
        ({**LOCAL, "key_variable": "sk-a-key"}, "must be the name of an environment variable, not a key"),
        ({**LOCAL, "key_variable": "MINE"}, "must end in _KEY or _TOKEN"),
        ({"default": {**LOCAL, "api_key": "sk-very-secret"}}, "api_key is refused, because files are copied"),
    ],
)
def test_what_is_refused(models, words):
    told = "; ".join(check_models(models))
    assert words in told
    assert "sk-very-secret" not in told
    assert "sk-a-key" not in told


def test_all_problems_of_models_are_told_together_before_anything_is_written(tmp_path):
    models = {
        "default": "anthropic:m",
        "critic": "gpt-9",
        "strategist": {**LOCAL, "effort": "heroic"},
        "poet": "offline",
    }
    with pytest.raises(ConfigError) as caught:
        make_campaign(tmp_path, models=models).run_sync()
    told = str(caught.value)
    assert "ANTHROPIC_API_KEY" in told
    assert "model 'gpt-9' is unknown" in told
    assert "effort='heroic'" in told
    assert "role 'poet' is unknown" in told
    assert not (tmp_path / "run").exists()


def test_one_model_in_several_places_is_one_object():
    models, problems = make_models({"default": LOCAL, "critic": [dict(LOCAL), "offline"], "strategist": "offline"})
    assert problems == []
    assert models["default"][0] is models["critic"][0]
    assert models["critic"][1] is models["strategist"][0]
    assert isinstance(models["default"][0], RetryingModel)
    assert models["default"][0].capabilities.context_tokens == 8192
    assert models["default"][0].capabilities.images is False


def test_a_key_may_come_from_another_variable(monkeypatch):
    choice = ModelChoice(name="anthropic:m", key_variable="TEAM_API_KEY")
    assert "TEAM_API_KEY is not set" in choice.make().check()[0]
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of-somebody-else")
    assert choice.make().check() != ()
    monkeypatch.setenv("TEAM_API_KEY", "sk-team-0123456789")
    assert choice.make().check() == ()
    assert described(choice.make()) == {"name": "anthropic:m", "key_variable": "TEAM_API_KEY"}


def test_what_is_written_is_enough_to_make_it_again(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-written")
    made = get_model("openai:m", base_url="http://localhost:1/v1", effort="low", api_key="sk-nor-this")
    written = described({"default": made, "critic": "offline", "strategist": [made, LOCAL]})
    one = {"name": "openai:m", "base_url": "http://localhost:1/v1", "effort": "low"}
    assert written == {"default": one, "critic": "offline", "strategist": [one, LOCAL]}
    assert check_models(written) == []
    assert choices(written) == (ModelChoice(**one), ModelChoice(name="offline"), ModelChoice(**LOCAL))
    assert described(get_model("openai:m")) == "openai:m"


def test_a_campaign_keeps_its_models_in_its_file_and_no_key(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-written")
    models = {"default": "offline", "reporter": [{**LOCAL, "key_variable": "OPENAI_API_KEY"}, "offline"]}
    path = tmp_path / "campaign.toml"
    write_config(path, ready(make_campaign(tmp_path, models=models)).config)
    assert tomllib.loads(path.read_text())["models"] == models
    assert "sk-not-to-be-written" not in path.read_text()
    assert read_config(path).models == models


def test_a_key_under_a_misspelt_word_is_not_repeated():
    made, problems = make_models({"default": "offline", "apikey": "sk-verysecretverysecretverysecret"})
    assert set(made) == {"default"}
    (problem,) = problems
    assert "role 'apikey' is unknown" in problem
    assert "verysecret" not in problem
