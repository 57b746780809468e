"""The scripted model, and names of models."""

from datetime import timedelta

import pytest

from alphalab import models
from alphalab.errors import ConfigError, ModelUnavailable, ReplayMismatch
from alphalab.messages import Delta, Message, TextBlock, ToolUseBlock, Usage
from alphalab.models import ModelRequest, ModelResponse, RetryingModel, ScriptedModel, get_model, registry

REQUEST = ModelRequest(system="", messages=(Message.user("hello"),))


async def test_every_kind_of_step():
    call = ScriptedModel.call
    response = ModelResponse(
        message=Message.assistant(TextBlock(text="cut")), stop_reason="max_tokens", usage=Usage(calls=1), model="other"
    )

    async def later(request):
        return f"saw {request.messages[0].text}"

    model = ScriptedModel(
        [
            "text",
            call("read_file", path="a"),
            [TextBlock(text="both"), call("grep", pattern="x"), call("grep", pattern="y")],
            Message.assistant(ToolUseBlock(id="mine", name="t", input={})),
            response,
            later,
            lambda request: call("count", n=len(request.messages)),
            ModelUnavailable("down"),
        ],
        usage=Usage(calls=1, output_tokens=2),
    )
    answers = [await model.generate(REQUEST) for _ in range(7)]
    assert answers[0].message.text == "text"
    assert answers[0].stop_reason == "end_turn"
    assert answers[1].stop_reason == "tool_use"
    assert [use.id for answer in answers for use in answer.message.tool_uses] == [
        "call-1",
        "call-2",
        "call-3",
        "mine",
        "call-4",
    ]
    assert answers[4].stop_reason == "max_tokens"
    assert answers[5].message.text == "saw hello"
    assert answers[6].message.tool_uses[0].input == {"n": 1}
    assert answers[0].usage == Usage(calls=1, output_tokens=2)
    with pytest.raises(ReplayMismatch, match=r"1 unused step\(s\) of 8"):
        model.assert_done()
    with pytest.raises(ModelUnavailable, match="down"):
        await model.generate(REQUEST)
    model.assert_done()
    assert model.requests == [REQUEST] * 8


async def test_an_unexpected_call_fails_and_says_what_was_asked():
    model = ScriptedModel([], name="short")
    with pytest.raises(ReplayMismatch, match=r"'short' got call 1, but its script has 0 step\(s\).*hello"):
        await model.generate(REQUEST)


async def test_text_is_streamed_and_call_names_do_not_clash():
    pieces = []
    await ScriptedModel(["abc"]).generate(REQUEST, on_delta=pieces.append)
    assert pieces == [Delta(kind="text", text="abc")]
    assert ScriptedModel.call("t", tool="x", name="y").input == {"tool": "x", "name": "y"}


def test_models_pass_through_and_offline_is_known():
    model = ScriptedModel([])
    assert get_model(model) is model
    offline = get_model("offline")
    assert type(offline) is models.OfflineModel
    assert not offline.capabilities.is_language_model


@pytest.mark.parametrize("name", ["", "nothing", "nobody:model", "offline:x", ":x"])
def test_unknown_names_list_the_known_ones(name):
    with pytest.raises(ConfigError, match="is unknown; write one of: offline"):
        get_model(name)


def test_providers_are_one_line_each(monkeypatch):
    made = []

    def build(name, **options):
        made.append((name, options))
        return ScriptedModel([], name=name)

    monkeypatch.setitem(registry.PROVIDERS, "test", f"{__name__}:build")
    monkeypatch.setattr(registry, "import_module", lambda _name: type("Module", (), {"build": staticmethod(build)}))
    assert get_model("test:a:b", effort="low").name == "a:b"
    assert made == [("a:b", {"base_url": None, "api_key": None, "effort": "low"})]
    patient = get_model("test:c", context_tokens=9000, patience=timedelta(minutes=1))
    assert made[1] == ("c", {"base_url": None, "api_key": None, "effort": None, "context_tokens": 9000})
    assert isinstance(patient, RetryingModel)
    assert patient.patience == timedelta(minutes=1)
    assert get_model(patient) is patient
    with pytest.raises(ConfigError, match="test:NAME"):
        get_model("test:")


def test_options_that_have_no_meaning_are_refused():
    with pytest.raises(ConfigError, match="effort='much'"):
        get_model("offline", effort="much")
    with pytest.raises(ConfigError, match="api_key cannot be set for 'offline'"):
        get_model("offline", api_key="x")
    with pytest.raises(ConfigError, match="already made"):
        get_model(ScriptedModel([]), base_url="http://localhost")
    with pytest.raises(ConfigError, match="patience cannot be set for 'offline'"):
        get_model("offline", patience=timedelta(minutes=1))
    with pytest.raises(ConfigError, match="2 problems") as caught:
        get_model("offline", context_tokens=0, patience=timedelta(minutes=-1))
    assert len(caught.value.problems) == 2
    with pytest.raises(AttributeError, match="Nothing"):
        _ = models.Nothing
