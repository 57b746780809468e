"""Both interfaces through the real SDK, against a local server."""

import asyncio
import json
import logging
import os
import sys
import traceback
from itertools import pairwise

import pytest
from answering_http import Reply, events, serving, whole

from alphalab.errors import (
    AuthenticationFailed,
    ConfigError,
    ContextOverflow,
    ModelError,
    ModelUnavailable,
    RateLimited,
    Refused,
)
from alphalab.messages import ImageBlock, Message, TextBlock, ToolResultBlock, ToolSpec, ToolUseBlock
from alphalab.models import ModelRequest, get_model
from alphalab.models.openai import OpenAIModel
from alphalab.models.openai_chat import OpenAIChatModel

KEY = "sk-proj-0123456789abcdefSECRET"
USED = {"input_tokens": 10, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}
CHAT_USED = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
BOTH = pytest.mark.parametrize("kind", [OpenAIModel, OpenAIChatModel])


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def server():
    async with serving() as server:
        yield server


def request(*messages, **more):
    return ModelRequest(system="Be brief.", messages=messages or [Message.user("hi")], conversation="c", **more)


def said(kind, text="Hello", number=0):
    if kind is OpenAIModel:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        thought = {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": f"g{number}"}
        message = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}
        call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "shell"}
        call["arguments"] = json.dumps({"command": text})
        ended = [
            {"type": "response.output_item.done", "output_index": index, "item": item}
            for index, item in enumerate([thought, message, call])
        ]
        response = {"id": "resp_1", "object": "response", "model": "m-1", "status": "completed", "usage": USED}
        delta = {"type": "response.output_text.delta", "delta": text}
        return events([delta, *ended, {"type": "response.completed", "response": response}])
    call = {"index": 0, "id": f"call_{number}", "type": "function"}
    call["function"] = {"name": "shell", "arguments": json.dumps({"command": text})}
    deltas = [{"reasoning_content": f"t{number}"}, {"content": text}, {"tool_calls": [call]}]
    chunks = [{"id": "resp_1", "model": "m-1", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"id": "resp_1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return events([*chunks, {"id": "resp_1", "choices": [], "usage": CHAT_USED}], done=True)


@BOTH
async def test_an_answer_through_the_sdk(kind, server):
    model = kind("m", base_url=server.base_url, api_key=KEY)
    server.replies.append(said(kind))
    deltas = []
    response = await model.generate(request(), on_delta=deltas.append)
    assert response.message.text == "Hello"
    assert response.stop_reason == "tool_use"
    assert ("text", "Hello") in [(delta.kind, delta.text) for delta in deltas]
    assert (response.model, response.served, response.request_id) == (model.name, "m-1", "resp_1")
    assert (response.usage.calls, response.usage.input_tokens, response.usage.cached_tokens) == (1, 10, 4)
    assert response.usage.cost_usd is None
    (asked,) = server.asked
    assert asked.path == {OpenAIModel: "/v1/responses", OpenAIChatModel: "/v1/chat/completions"}[kind]
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.json["model"] == "m"
    await model.aclose()


@BOTH
async def test_every_request_of_fifty_turns_begins_with_the_one_before(kind, server):
    model = kind("m", base_url=server.base_url, api_key=KEY)
    tools = (ToolSpec(name="shell", description="Run.", parameters={"type": "object", "properties": {}}),)
    picture = ImageBlock(data=b"\x89PNG", media_type="image/png", width=1, height=1)
    messages = [Message.user("Begin. \u00e4\U0001f600")]
    for turn in range(50):
        server.replies.append(said(kind, f'turn {turn} "\u00e9"', turn))
        response = await model.generate(request(*messages, tools=tools, max_tokens=1000))
        content = [TextBlock(text=f"output {turn}"), *([picture] if turn % 7 == 0 else [])]
        result = ToolResultBlock(tool_use_id=response.message.tool_uses[0].id, content=content, is_error=turn % 5 == 0)
        messages += [response.message, Message(role="user", content=[result])]
    bodies = [asked.body for asked in server.asked]
    assert len(bodies) == 50
    for before, after in pairwise(bodies):
        assert before.endswith(b"]}")
        assert after.startswith(before[:-2] + b",")
        json.loads(after)
    # Nothing of what came first was encoded anew, or left out on the way.
    kept = b'"encrypted_content":"g0"' if kind is OpenAIModel else b'"reasoning_content":"t0"'
    assert bodies[-1].count(kept) == 1
    fresh = kind("m", base_url=server.base_url, api_key=KEY)
    server.replies.append(said(kind))
    await fresh.generate(request(*messages[:99], tools=tools, max_tokens=1000))
    assert server.asked[-1].body == bodies[-1]
    await model.aclose()
    await fresh.aclose()


@BOTH
@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (whole({"error": {"message": "slow down", "type": "rate_limit"}}, 429, retry_after="7"), RateLimited, "slow"),
        (whole({"error": {"message": "Incorrect API key provided"}}, 401), AuthenticationFailed, "OPENAI_API_KEY"),
        (whole({"error": {"code": "context_length_exceeded", "message": "x"}}, 400), ContextOverflow, "x"),
        (whole({"error": {"message": "bad"}}, 400), ModelError, "bad"),
        (whole({"error": {"message": "overloaded"}}, 503), ModelUnavailable, "overloaded"),
        (Reply(body=b"<!DOCTYPE html><title>Welcome</title>", kind="text/html"), ModelError, "web page"),
        (Reply(body=b"data: {oops\n\n"), ModelUnavailable, "not JSON"),
        (Reply(body=b'data: {"type": "x"}\n\n'), ModelUnavailable, "broke its answer off"),
        (Reply(body=b"", cut=True), ModelUnavailable, "connection"),
    ],
)
async def test_faults_become_the_errors_of_the_library(kind, reply, error, words, server):
    model = kind("m", base_url=server.base_url, api_key=KEY)
    server.replies.append(reply)
    with pytest.raises(ModelError, match=words) as caught:
        await model.generate(request())
    assert type(caught.value) is error
    assert len(server.asked) == 1
    if error is RateLimited:
        assert caught.value.retry_after == 7
    await model.aclose()


async def test_what_a_broken_answer_cost_is_said(server):
    model = OpenAIChatModel("m", base_url=server.base_url)
    chunk = {"choices": [{"delta": {"content": "half"}}], "usage": CHAT_USED}
    server.replies.append(events([chunk]))
    with pytest.raises(ModelUnavailable) as caught:
        await model.generate(request())
    assert caught.value.usage.output_tokens == 2
    assert caught.value.usage.cost_usd is None
    await model.aclose()


@BOTH
async def test_a_whole_answer_of_a_server_that_does_not_stream(kind, server):
    model = kind("m", base_url=server.base_url, api_key=KEY)
    output = [{"type": "message", "id": "1", "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}]
    choices = [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]
    server.replies.append(whole({"object": "response", "status": "completed", "output": output, "choices": choices}))
    response = await model.generate(request())
    assert response.message.text == "Hello"
    assert response.stop_reason == "end_turn"
    await model.aclose()


@BOTH
async def test_without_a_key_openai_is_not_called(kind):
    model = kind("m")
    assert "OPENAI_API_KEY" in model.check()[0]
    with pytest.raises(AuthenticationFailed, match="OPENAI_API_KEY"):
        await model.generate(request())


@BOTH
async def test_a_key_that_is_none_is_refused_before_it_is_sent_and_not_shown(kind):
    model = kind("m", api_key=f"{KEY} and\nmore")
    with pytest.raises(AuthenticationFailed, match="copy the key again") as caught:
        await model.generate(request())
    assert KEY not in str(caught.value)


async def test_local_servers_need_no_key_and_get_a_placeholder(server):
    model = OpenAIChatModel("m", base_url=server.base_url)
    assert model.check() == ()
    server.replies.append(said(OpenAIChatModel))
    await model.generate(request())
    assert server.asked[0].headers["authorization"] == "Bearer no-key"
    await model.aclose()


@BOTH
async def test_the_key_of_the_environment_is_read_at_the_call_and_trimmed(kind, server, monkeypatch):
    model = kind("m", base_url=server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    server.replies.append(said(kind))
    await model.generate(request())
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    await model.aclose()


@BOTH
async def test_the_address_of_the_environment_counts(kind, server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    model = kind("m", api_key=KEY)
    server.replies.append(said(kind))
    response = await model.generate(request())
    assert response.usage.cost_usd is None
    await model.aclose()


@BOTH
async def test_keys_appear_nowhere_but_in_the_header(kind, server, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = kind("m", base_url=server.base_url)
    echoing = whole({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401)
    server.replies += [
        said(kind),
        echoing,
        Reply(body=f"data: {KEY}\n\n".encode()),
        Reply(body=KEY.encode(), status=500),
    ]
    seen = [repr(await model.generate(request()))]
    for _ in range(3):
        with pytest.raises(ModelError) as caught:
            await model.generate(request())
        error = caught.value
        seen += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception_only(error))]
    seen += [repr(model), str(vars(model)), str(vars(kind("m", api_key=KEY))), caplog.text]
    assert "Bearer" in str(server.asked[0].headers)
    assert [text for text in seen if KEY in text] == []
    await model.aclose()


@BOTH
async def test_cancelling_closes_the_connection(kind):
    closed = asyncio.Event()
    started = asyncio.Event()

    async def stall(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: ping\n\n")
        started.set()
        while await reader.read(65536):
            pass
        closed.set()
        writer.close()

    listening = await asyncio.start_server(stall, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    model = kind("m", base_url=url, api_key=KEY)
    async with listening:
        call = asyncio.create_task(model.generate(request()))
        await started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(closed.wait(), 10)
        await model.aclose()


@BOTH
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "localhost:8000"}, "not an address"),
        ({"base_url": "http://me:secret@host/v1"}, "user name or password"),
        ({"effort": "huge"}, "effort='huge'"),
        ({"context_tokens": 0}, "context_tokens=0"),
        ({"name": " "}, "name is empty"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(kind, options, words):
    with pytest.raises(ConfigError, match=words) as caught:
        kind(**{"name": "m", "api_key": KEY, **options})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        (None, "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
        ("https://notapi.openai.com/v1", "max_tokens"),
        ("http://localhost:8000/v1", "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_server_knows(url, limit):
    model = OpenAIChatModel("m", base_url=url, api_key=KEY)
    sent = json.loads(model._bodies.body(request()))
    assert limit in sent
    assert ("prompt_cache_key" in sent) == (limit == "max_completion_tokens")
    other = OpenAIChatModel("m", base_url=url, api_key=KEY, limit_key="max_completion_tokens")
    assert "max_completion_tokens" in json.loads(other._bodies.body(request()))


def test_an_answer_does_not_take_the_whole_of_a_small_window():
    model = OpenAIChatModel("m", base_url="http://localhost:8000/v1", context_tokens=8192)
    assert json.loads(model._bodies.body(request()))["max_tokens"] == 2048


def test_efforts_are_passed_through():
    for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max"):
        assert json.loads(OpenAIModel("m", effort=effort)._bodies.body(request()))["reasoning"]["effort"] == effort
        assert json.loads(OpenAIChatModel("m", effort=effort)._bodies.body(request()))["reasoning_effort"] == effort


def test_the_window_is_what_the_caller_says_or_what_is_published_or_a_guess():
    assert OpenAIModel("gpt-4o", context_tokens=5).capabilities.context_tokens == 5
    assert OpenAIModel("gpt-4o").capabilities.context_tokens == 128_000
    assert OpenAIModel("not-published").capabilities.context_tokens == 200_000
    assert OpenAIChatModel("not-published").capabilities.context_tokens == 128_000
    assert OpenAIModel("m").capabilities.web_search
    assert not OpenAIChatModel("m").capabilities.web_search
    assert not OpenAIChatModel("m", images=False).capabilities.images


@BOTH
def test_calls_of_openai_itself_have_a_price(kind):
    from alphalab.messages import Usage

    used = Usage(calls=1, input_tokens=1_000_000, output_tokens=0)
    assert kind("gpt-4o", api_key=KEY)._site.priced(used, "gpt-4o").cost_usd == pytest.approx(2.5)
    assert kind("gpt-4o", api_key=KEY)._site.priced(used, "not-published").cost_usd is None
    eu = kind("gpt-4o", api_key=KEY, base_url="https://eu.api.openai.com/v1")
    assert eu._site.priced(used, "gpt-4o").cost_usd is None


@BOTH
def test_a_changed_head_is_encoded_again(kind):
    bodies = kind("m", api_key=KEY)._bodies
    assert b"1000" in bodies.body(request(max_tokens=1000))
    assert b"2000" in bodies.body(request(max_tokens=2000))
    tools = (ToolSpec(name="added", description="", parameters={}),)
    assert b"added" in bodies.body(request(tools=tools))
    assert b"added" not in bodies.body(request())


@BOTH
def test_a_conversation_that_was_changed_is_written_anew(kind):
    bodies = kind("m", api_key=KEY)._bodies
    first, second, third = (Message.user(text) for text in ("first", "second", "third"))
    nothing = Message.assistant()
    before = bodies.body(request(first, second))
    assert bodies.body(request(first, second)) == before
    assert bodies.body(request(first, second, nothing)) == before
    longer = bodies.body(request(first, second, nothing, third))
    assert longer.startswith(before[:-2] + b",")
    for messages in ([first, third], [first], [first, second, nothing, third]):
        fresh = kind("m", api_key=KEY)._bodies.body(request(*messages))
        assert bodies.body(request(*messages)) == fresh
        json.loads(fresh)


@BOTH
def test_conversations_do_not_mix_and_the_oldest_is_forgotten(kind):
    bodies = kind("m", api_key=KEY)._bodies
    for number in range(200):
        asked = ModelRequest(system="", messages=[Message.user(f"n{number}")], conversation=f"c{number % 150}")
        assert f"n{number}".encode() in bodies.body(asked)
    assert len(bodies._sent) == 64
    alone = ModelRequest(system="", messages=[Message.user("x")])
    bodies.body(alone)
    assert "" not in bodies._sent


def test_a_list_that_began_empty_is_valid_once_it_has_items():
    bodies = OpenAIModel("m", api_key=KEY)._bodies
    for messages in ([Message.assistant()], [Message.assistant(), Message.user("x")]):
        json.loads(bodies.body(ModelRequest(system="", messages=messages, conversation="c")))


def test_names_lead_to_the_clients():
    assert isinstance(get_model("openai:m").model, OpenAIModel)
    chat = get_model("openai-chat:org/m:free", base_url="http://localhost:1/v1", context_tokens=4096)
    assert isinstance(chat.model, OpenAIChatModel)
    assert (chat.name, chat.capabilities.context_tokens) == ("openai-chat:org/m:free", 4096)


async def test_making_a_model_loads_no_sdk():
    code = "import sys, alphalab.models.openai, alphalab.models.openai_chat as c; c.OpenAIChatModel('m'); "
    code += "print('openai' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "False"


def test_malformed_calls_keep_the_conversation_usable():
    use = ToolUseBlock(id="c", name="shell", input={}, malformed="{")
    for kind in (OpenAIModel, OpenAIChatModel):
        json.loads(kind("m", api_key=KEY)._bodies.body(request(Message.user("x"), Message.assistant(use))))


async def test_a_model_that_does_not_think_is_asked_without_encrypted_thoughts(server):
    model = OpenAIModel("m", base_url=server.base_url, api_key=KEY)
    refusal = {"error": {"message": "Encrypted content is not supported with this model.", "param": "include"}}
    server.replies += [whole(refusal, 400), said(OpenAIModel), said(OpenAIModel)]
    for _ in range(2):
        assert (await model.generate(request())).message.text == "Hello"
    assert [asked.json.get("include") for asked in server.asked] == [["reasoning.encrypted_content"], None, None]
    await model.aclose()


@BOTH
async def test_a_request_that_the_provider_will_not_answer_is_a_refusal(kind, server):
    model = kind("m", base_url=server.base_url, api_key=KEY)
    server.replies.append(whole({"error": {"code": "invalid_prompt", "message": "flagged"}}, 400))
    with pytest.raises(Refused, match="flagged"):
        await model.generate(request())
    await model.aclose()


async def test_calls_under_way_together_all_learn_that_a_model_does_not_think(server):
    model = OpenAIModel("m", base_url=server.base_url, api_key=KEY)
    refusal = whole({"error": {"message": "Encrypted content is not supported with this model."}}, 400)
    server.reply = lambda asked: refusal if "include" in asked.json else said(OpenAIModel)
    answers = await asyncio.gather(*[model.generate(request()) for _ in range(4)])
    assert [answer.message.text for answer in answers] == ["Hello"] * 4
    await model.aclose()


@BOTH
async def test_numbers_that_json_has_not_are_malformed(kind, server):
    model = kind("m", base_url=server.base_url, api_key=KEY)
    for raw in ('{"x": NaN}', '{"x": 1e999}', '{"x": -Infinity}'):
        reply = said(kind)
        escaped = json.dumps(json.dumps({"command": "Hello"})).encode()
        server.replies.append(Reply(body=reply.body.replace(escaped, json.dumps(raw).encode())))
        (use,) = (await model.generate(request())).message.tool_uses
        assert (use.malformed, use.input) == (raw, {})
    await model.aclose()
