"""Which tools each role has: the web for those that look things up, sub-agents for language models, a caller's own."""

import pytest
from toy_domain import make_campaign, make_context

from alphalab.campaign.opening import ready
from alphalab.errors import ConfigError
from alphalab.events import Noticed
from alphalab.models import Capabilities, ScriptedModel
from alphalab.roles import ROLES
from alphalab.tools import ask_human, fetch_url, web_search

SEARCHERS = {"adapter", "explorer", "strategist"}


def names(role, context, **extra):
    extra = {"try_attack": None} if role == "hacker" else extra
    agent = ROLES[role].for_campaign(context, experiment="exp-0001", **extra)
    return [tool.name for tool in agent.build_tools(context.task)]


def language_model(**able):
    return ScriptedModel([], capabilities=Capabilities(**able))


@pytest.mark.parametrize("role", sorted(ROLES))
def test_only_roles_that_look_things_up_reach_the_web(role, tmp_path):
    context = make_context(
        tmp_path, model=language_model(web_search=True), looking_up=(web_search(), fetch_url()), tools=(ask_human(),)
    )
    found = names(role, context)
    assert ({"web_search", "fetch_url"} <= set(found)) == (role in SEARCHERS)
    assert not ({"web_search", "fetch_url"} & set(found)) or role in SEARCHERS
    assert {"spawn_agent", "report_to_user", "ask_human", "shell", "read_file"} <= set(found)
    assert len(found) == len(set(found))


def test_a_model_without_a_search_of_its_own_has_the_rest(tmp_path):
    context = make_context(tmp_path, model=language_model(), looking_up=(web_search(), fetch_url()))
    found = names("explorer", context)
    assert "web_search" not in found
    assert "fetch_url" in found
    other = make_context(tmp_path / "other", model=language_model(), looking_up=(web_search("arxiv"),))
    assert "web_search" in names("explorer", other)


def test_rules_start_no_agents_and_search_nothing(tmp_path):
    context = make_context(tmp_path, model="offline", looking_up=(web_search("arxiv"), fetch_url()))
    assert not {"spawn_agent", "web_search", "fetch_url"} & set(names("explorer", context))


async def test_a_word_to_people_is_an_event(tmp_path):
    steps = [ScriptedModel.call("report_to_user", message="half of the sensors are dead"), "noted"]
    context = make_context(tmp_path, model=ScriptedModel([*steps, ScriptedModel.call("finish", summary="done")]))
    await ROLES["reporter"].for_campaign(context).run("Report.")
    notes = [recorded.event for recorded in context.store.events() if isinstance(recorded.event, Noticed)]
    assert any("half of the sensors are dead" in note.message for note in notes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search": "gogle"}, "search backend 'gogle' is unknown"),
        ({"search": "brave"}, "BRAVE_API_KEY is not set"),
        ({"fetch": True, "tools": [fetch_url()]}, "'fetch_url' is given more than once"),
    ],
)
def test_what_cannot_work_is_told_before_the_start(changes, words, tmp_path, monkeypatch):
    monkeypatch.delenv("BRAVE_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=words):
        ready(make_campaign(tmp_path, **changes))


def test_search_and_fetch_reach_the_roles_and_the_file(tmp_path):
    prepared = ready(make_campaign(tmp_path, search="arxiv", fetch=True))
    assert [tool.name for tool in prepared.looking_up] == ["web_search", "fetch_url"]
    assert (prepared.config.search, prepared.config.fetch) == ("arxiv", True)
    assert ready(make_campaign(tmp_path, search="none")).looking_up == ()
