"""Anthropic's client through the real SDK, against a local server."""

import asyncio
import json
import logging
import os
import traceback
from itertools import pairwise

import pytest
from answering_http import events, serving, whole

from alphalab.errors import AuthenticationFailed, ConfigError, ContextOverflow, ModelError, RateLimited
from alphalab.messages import Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolSpec
from alphalab.models import ModelRequest, RetryingModel, get_model
from alphalab.models.anthropic import AnthropicModel

KEY = "sk-ant-0123456789abcdefSECRET"
USED = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def server():
    async with serving() as server:
        yield server


def address(server):
    return server.base_url.removesuffix("/v1")


def request(*messages, **more):
    return ModelRequest(system="Be brief.", messages=messages or [Message.user("hi")], conversation="c", **more)


def said(text="Hello", number=0):
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "shell", "input": {}}
    written = {"type": "input_json_delta", "partial_json": json.dumps({"command": text})}
    return events(
        [
            {"type": "message_start", "message": {"id": "msg_1", "model": "m-1", "content": [], "usage": USED}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": call},
            {"type": "content_block_delta", "index": 1, "delta": written},
            {"type": "content_block_stop", "index": 1},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ]
    )


def error(status, kind, message, **headers):
    return whole({"type": "error", "error": {"type": kind, "message": message}}, status, **headers)


async def test_an_answer_through_the_sdk(server):
    model = AnthropicModel("m", base_url=address(server), api_key=KEY)
    server.replies.append(said())
    deltas = []
    response = await model.generate(request(), on_delta=deltas.append)
    assert (response.message.text, response.stop_reason) == ("Hello", "tool_use")
    assert [delta.kind for delta in deltas] == ["text", "arguments"]
    assert (response.model, response.served, response.request_id) == ("anthropic:m", "m-1", "msg_1")
    assert (response.usage.input_tokens, response.usage.cached_tokens, response.usage.output_tokens) == (15, 5, 7)
    assert response.usage.cost_usd is None
    (asked,) = server.asked
    assert asked.path == "/v1/messages"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["anthropic-version"]
    await model.aclose()


async def test_fifty_turns_begin_with_what_was_sent_before(server):
    model = AnthropicModel("m", base_url=address(server), api_key=KEY)
    tools = (ToolSpec(name="shell", description="Run.", parameters={"type": "object", "properties": {}}),)
    messages = [Message.user("Begin.")]
    for turn in range(50):
        server.replies.append(said(f"turn {turn}", turn))
        response = await model.generate(request(*messages, tools=tools))
        result = ToolResultBlock(tool_use_id=f"toolu_{turn}", content=[TextBlock(text=f"output {turn}")])
        messages += [response.message, Message(role="user", content=[result])]
    mark = b',"cache_control":{"type":"ephemeral"}'
    for before, after in pairwise(asked.body for asked in server.asked):
        assert after.replace(mark, b"").startswith(before[: before.rindex(mark)].replace(mark, b""))
    assert server.asked[-1].body.count(mark) == 3
    await model.aclose()


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(401, "authentication_error", "invalid x-api-key"), AuthenticationFailed, "ANTHROPIC_API_KEY"),
        (error(429, "rate_limit_error", "slow down", retry_after="7"), RateLimited, "slow down"),
        (error(400, "invalid_request_error", "prompt is too long: 9 > 8"), ContextOverflow, "too long"),
        (error(413, "request_too_large", "too large"), ContextOverflow, "too large"),
        (error(404, "not_found_error", "model: m"), ModelError, "model: m"),
        (error(400, "invalid_request_error", "credit balance is too low"), ModelError, "credit"),
    ],
)
async def test_errors_are_of_their_kind(reply, kind, words, server):
    model = AnthropicModel("m", base_url=address(server), api_key=KEY)
    server.replies.append(reply)
    with pytest.raises(kind, match=words) as caught:
        await model.generate(request())
    assert type(caught.value) is kind
    assert len(server.asked) == 1
    await model.aclose()


async def test_effort_thinks_adaptively_where_the_model_can(server):
    refusal = "adaptive thinking is not supported on this model"
    model = AnthropicModel("m", base_url=address(server), api_key=KEY, effort="low")
    server.replies += [error(400, "invalid_request_error", refusal), said(), said()]
    for _ in range(2):
        await model.generate(request())
    assert [asked.json.get("thinking") for asked in server.asked] == [{"type": "adaptive"}, None, None]
    assert all(asked.json["output_config"] == {"effort": "low"} for asked in server.asked)
    asked_for = AnthropicModel("m", base_url=address(server), api_key=KEY, thinking="adaptive")
    server.replies.append(error(400, "invalid_request_error", refusal))
    with pytest.raises(ModelError, match="adaptive"):
        await asked_for.generate(request())
    await model.aclose()
    await asked_for.aclose()


async def test_calls_at_one_time_all_do_without_what_the_model_lacks(server):
    def reply(asked):
        if "thinking" in asked.json:
            return error(400, "invalid_request_error", "adaptive thinking is not supported on this model")
        return said()

    server.reply = reply
    model = AnthropicModel("m", base_url=address(server), api_key=KEY, effort="low")
    calls = [ModelRequest(system="", messages=[Message.user("hi")], conversation=str(each)) for each in range(4)]
    responses = await asyncio.gather(*map(model.generate, calls))
    assert [response.message.text for response in responses] == ["Hello"] * 4
    assert sum("thinking" in asked.json for asked in server.asked) > 1
    await model.aclose()


def thoughts(asked):
    blocks = [block for message in asked.json["messages"] for block in message["content"]]
    return [block["signature"] for block in blocks if block["type"] == "thinking"]


def exchange(number):
    return [
        Message.user(f"question {number}"),
        Message.assistant(ThinkingBlock(text="hm", signature=f"sig{number}"), TextBlock(text=f"answer {number}")),
    ]


BOUND = "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."


@pytest.mark.parametrize(
    "words",
    [BOUND, "messages.3.content.0: `thinking` blocks in the latest assistant message cannot be modified."],
)
async def test_thoughts_that_the_provider_takes_no_more_are_left_out_from_then_on(server, words):
    model = AnthropicModel("m", base_url=address(server), api_key=KEY)
    history = [*exchange(1), *exchange(2), Message.user("go on")]
    server.replies += [said(), error(400, "invalid_request_error", words), said(), said()]
    await model.generate(request(*history))
    history[0] = Message.user("[cleared]")
    response = await model.generate(request(*history))
    assert response.message.text == "Hello"
    history += [
        Message.assistant(ThinkingBlock(text="new", signature="sig3"), TextBlock(text="Hello")),
        Message.user("more"),
    ]
    await model.generate(request(*history))
    assert [thoughts(asked) for asked in server.asked] == [["sig1", "sig2"], ["sig1", "sig2"], [], ["sig3"]]
    mark = b',"cache_control":{"type":"ephemeral"}'
    before, after = (asked.body for asked in server.asked[-2:])
    assert after.replace(mark, b"").startswith(before[: before.rindex(mark)].replace(mark, b""))
    await model.aclose()


async def test_without_thoughts_such_a_refusal_is_final(server):
    model = AnthropicModel("m", base_url=address(server), api_key=KEY)
    server.replies.append(error(400, "invalid_request_error", BOUND))
    with pytest.raises(ModelError, match="bound to a different"):
        await model.generate(request())
    assert len(server.asked) == 1
    server.replies += [error(400, "invalid_request_error", BOUND)] * 2
    with pytest.raises(ModelError, match="bound to a different"):
        await model.generate(request(*exchange(1), Message.user("go on")))
    assert len(server.asked) == 3
    await model.aclose()


async def test_a_key_is_needed_and_named(monkeypatch, server):
    model = AnthropicModel("m", base_url=address(server))
    assert "ANTHROPIC_API_KEY" in model.check()[0]
    with pytest.raises(AuthenticationFailed, match="ANTHROPIC_API_KEY"):
        await model.generate(request())
    assert server.asked == []
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-from-elsewhere")
    server.replies.append(said())
    later = AnthropicModel("m", base_url=address(server))
    assert later.check() == ()
    await later.generate(request())
    assert server.asked[0].headers["authorization"] == "Bearer token-from-elsewhere"
    await later.aclose()


async def test_the_key_is_in_nothing_that_is_shown(server, caplog):
    caplog.set_level(logging.DEBUG)
    model = AnthropicModel("m", base_url=address(server), api_key=KEY)
    server.replies += [error(401, "authentication_error", f"invalid x-api-key {KEY}"), said()]
    with pytest.raises(AuthenticationFailed) as caught:
        await model.generate(request())
    await model.generate(request())
    shown = "".join(traceback.format_exception(caught.value)) + repr(model) + repr(vars(model)["_transport"])
    assert KEY not in shown
    assert KEY not in caplog.text
    await model.aclose()


def test_options_are_checked_together():
    with pytest.raises(ConfigError) as caught:
        AnthropicModel("", base_url="nowhere", effort="minimal", thinking=5, context_tokens=0)
    assert len(caught.value.problems) == 5


def test_by_name():
    model = get_model("anthropic:claude-opus-4-6", effort="max", api_key="k")
    assert isinstance(model, RetryingModel)
    assert isinstance(model.model, AnthropicModel)
    assert model.name == "anthropic:claude-opus-4-6"
    assert model.capabilities.web_search
    assert model.capabilities.context_tokens >= 200_000
    assert AnthropicModel("m", context_tokens=5000).capabilities.context_tokens == 5000
    assert AnthropicModel("never-heard-of").capabilities.context_tokens == 200_000
