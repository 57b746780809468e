"""What the wire servers refuse, as the providers do: each rule by a request that breaks only it."""

import copy
import json

import httpx2
import pytest

from alphalab.testing.wire import Answer, Call, Say, Think, WireServer

PIXEL = "iVBORw0KGgo="
PATHS = {"anthropic": "/v1/messages", "openai": "/v1/responses", "openai-chat": "/v1/chat/completions"}
LOOK = {"name": "look", "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", "name": "look", "parameters": {"type": "object"}}
CHAT_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
TURN = Answer(content=(Think("hm"), Call("look", {"at": "it"}, id="c1")))


async def post(server, provider, body, **headers):
    url = f"http://127.0.0.1:{server.port}{PATHS[provider]}"
    sent = {"authorization": f"Bearer {server.key}", "anthropic-version": "2023-06-01", **headers}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx2.AsyncClient() as client:
        return await client.post(url, content=content, headers=sent)


async def refused(provider, body, words, status=400, **headers):
    async with WireServer(respond=[Answer()]) as server:
        response = await post(server, provider, body, **headers)
    assert response.status_code == status, response.text
    assert words in json.loads(response.text)["error"]["message"]


def anthropic_body(*messages, **more):
    return {"model": "m", "max_tokens": 9, "messages": list(messages) or [user("hi")], **more}


def user(*content):
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def assistant(*content):
    return {**user(*content), "role": "assistant"}


def use(name="c1", **more):
    return {"type": "tool_use", "id": name, "name": "look", "input": {}, **more}


def result(name="c1", content="seen", **more):
    return {"type": "tool_result", "tool_use_id": name, "content": content, **more}


def text(words="hi", **more):
    return {"type": "text", "text": words, **more}


def image(media="image/png", data=PIXEL):
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}


POINT = {"cache_control": {"type": "ephemeral"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
ANTHROPIC = {
    "unknown key": (anthropic_body(n=1), "n: Extra inputs"),
    "no model": ({"max_tokens": 9, "messages": [user("hi")]}, "model: Field required"),
    "no limit": ({"model": "m", "messages": [user("hi")]}, "max_tokens: Field required"),
    "limit of zero": (anthropic_body(max_tokens=0), "at least 1"),
    "no messages": ({"model": "m", "max_tokens": 9, "messages": []}, "at least one message"),
    "messages of another type": (anthropic_body() | {"messages": [7]}, "wrong type"),
    "tool's name": (anthropic_body(tools=[LOOK | {"name": "a b"}]), "tools.0.name"),
    "tool's schema": (anthropic_body(tools=[LOOK | {"input_schema": {}}]), "schema must be"),
    "two tools of one name": (anthropic_body(tools=[LOOK, LOOK]), "unique"),
    "empty system text": (anthropic_body(system=[text("")]), "non-empty"),
    "picture in system": (anthropic_body(system=[image()]), "must be 'text'"),
    "role": (anthropic_body({"role": "system", "content": "hi"}), "role: must be"),
    "key in a message": (anthropic_body({**user("hi"), "name": "x"}), "Extra inputs"),
    "no content": (anthropic_body({"role": "user"}), "content: Field required"),
    "empty content": (anthropic_body({"role": "user", "content": []}), "non-empty content"),
    "empty text": (anthropic_body(user(text(""))), "text content blocks must be non-empty"),
    "blank text": (anthropic_body(user(text(" \n"))), "non-whitespace"),
    "block without type": (anthropic_body(user({"text": "hi"})), "type: Field required"),
    "unknown block of the user": (anthropic_body(user({"type": "hologram"})), "'hologram'"),
    "kind of picture": (anthropic_body(user(image("image/bmp"))), "image/bmp"),
    "picture that is not base64": (anthropic_body(user(image(data="%%"))), "invalid base64"),
    "empty picture": (anthropic_body(user(image(data=""))), "image is empty"),
    "call by the user": (anthropic_body(user(use())), "only be in `assistant`"),
    "result by the assistant": (anthropic_body(user("hi"), assistant(result())), "only be in `user`"),
    "arguments as text": (anthropic_body(user("hi"), assistant(use(input="{}")), user(result())), "valid dictionary"),
    "call without result": (anthropic_body(user("hi"), assistant(use()), user("?")), "without `tool_result`"),
    "call at the end": (anthropic_body(user("hi"), assistant(use())), "without `tool_result`"),
    "result too late": (
        anthropic_body(user("hi"), assistant(use()), user("?"), user(result())),
        "without `tool_result`",
    ),
    "result of no call": (anthropic_body(user(result("c9"))), "unexpected `tool_use_id`"),
    "two results": (anthropic_body(user("hi"), assistant(use()), user(result(), result())), "a single result"),
    "two calls of one id": (anthropic_body(user("hi"), assistant(use(), use()), user(result())), "must be unique"),
    "thought in a result": (
        anthropic_body(user("hi"), assistant(use()), user(result(content=[THOUGHT]))),
        "not permitted",
    ),
    "picture in an error": (
        anthropic_body(user("hi"), assistant(use()), user(result(content=[image()], is_error=True))),
        "must be text if `is_error`",
    ),
    "thought by the user": (anthropic_body(user(THOUGHT)), "only be in `assistant`"),
    "cache point on a thought": (anthropic_body(user("hi"), assistant(THOUGHT | POINT)), "cache_control: Extra"),
    "unsigned thought": (anthropic_body(user("hi"), assistant(THOUGHT | {"signature": ""})), "signature: Field"),
    "signature of nobody": (anthropic_body(user("hi"), assistant(THOUGHT)), "Invalid `signature`"),
    "five cache points": (anthropic_body(user(*[text(**POINT)] * 5)), "Found 5"),
}


@pytest.mark.parametrize("case", ANTHROPIC)
async def test_messages_refuses(case):
    body, words = ANTHROPIC[case]
    await refused("anthropic", body, words)


def call_item(name="c1", **more):
    return {"type": "function_call", "call_id": name, "name": "look", "arguments": "{}", **more}


def output_item(name="c1", output="seen", **more):
    return {"type": "function_call_output", "call_id": name, "output": output, **more}


def input_body(*items, **more):
    return {"model": "m", "input": list(items) or "hi", **more}


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc"}
RESPONSES = {
    "unknown key": (input_body(messages=[]), "messages: Extra"),
    "no input": ({"model": "m"}, "input: Field required"),
    "limit too low": (input_body(max_output_tokens=15), "below 16"),
    "tool's name": (input_body(tools=[FUNCTION | {"name": ""}]), "tools[0].name"),
    "tool's schema": (input_body(tools=[FUNCTION | {"parameters": None}]), "schema must be"),
    "role": (input_body({"role": "tool", "content": "hi"}), "input[0].role"),
    "no content": (input_body({"role": "user"}), "Missing required parameter"),
    "part of another format": (input_body(user(image())), "Invalid value: 'image'"),
    "picture by address": (input_body(user({"type": "input_image", "image_url": "http://x"})), "data URL"),
    "kind of picture": (
        input_body(user({"type": "input_image", "image_url": f"data:image/bmp;base64,{PIXEL}"})),
        "image/bmp",
    ),
    "arguments as an object": (input_body(call_item(arguments={}), output_item()), "expected a string"),
    "call without name": (input_body(call_item(name=""), output_item()), "Missing required parameter"),
    "call without output": (input_body(call_item()), "No tool output found"),
    "output without call": (input_body(output_item()), "No tool call found"),
    "output before its call": (input_body(output_item(), call_item()), "No tool call found"),
    "two outputs": (input_body(call_item(), output_item(), output_item()), "Duplicate output"),
    "two calls of one id": (input_body(call_item(), call_item(), output_item()), "Duplicate item"),
    "no output in an output": (input_body(call_item(), output_item(output=None)), "Missing required parameter"),
    "thought of nobody": (input_body(REASONING, assistant("hi")), "could not be verified"),
}


@pytest.mark.parametrize("case", RESPONSES)
async def test_responses_refuses(case):
    body, words = RESPONSES[case]
    await refused("openai", body, words)


async def test_responses_looks_for_a_thought_that_is_not_encrypted_and_does_not_find_it():
    bare = {key: value for key, value in REASONING.items() if key != "encrypted_content"}
    await refused("openai", input_body(bare, assistant("hi")), "not persisted", status=404)


def chat_body(*messages, **more):
    return {"model": "m", "messages": list(messages) or [user("hi")], **more}


def calling(*names, **more):
    calls = [{"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}} for name in names]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def told(name="c1"):
    return {"role": "tool", "tool_call_id": name, "content": "seen"}


def picture(url=f"data:image/png;base64,{PIXEL}"):
    return {"type": "image_url", "image_url": {"url": url}}


CHAT = {
    "unknown key": (chat_body(input="hi"), "input: Extra"),
    "no messages": ({"model": "m", "messages": []}, "empty array"),
    "two limits": (chat_body(max_tokens=9, max_completion_tokens=9), "Set one of"),
    "kind of tool": (chat_body(tools=[CHAT_TOOL | {"type": "web_search"}]), "tools[0].type"),
    "tool's name": (chat_body(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name"),
    "tool's schema": (chat_body(tools=[{"type": "function", "function": {"name": "look"}}]), "schema must be"),
    "role": (chat_body({"role": "bot", "content": "hi"}), "'bot'"),
    "key in a message": (chat_body({**user("hi"), "mood": "good"}), "Unrecognized key"),
    "no content": (chat_body({"role": "user", "content": None}), "got null"),
    "answer without content": (chat_body(user("hi"), {"role": "assistant", "content": None}), "got null"),
    "empty list of calls": (chat_body(user("hi"), {**assistant("ok"), "tool_calls": []}), "tool_calls': empty array"),
    "picture by the assistant": (chat_body(user("hi"), assistant(picture())), "only allowed"),
    "picture by address": (chat_body(user(picture("http://x"))), "data URL"),
    "call without result": (chat_body(user("hi"), calling("c1", "c2"), told(), user("?")), "c2"),
    "call at the end": (chat_body(user("hi"), calling("c1")), "did not have response messages: c1"),
    "result of no call": (chat_body(user("hi"), told("c9")), "preceding 'tool_calls'"),
    "two results": (chat_body(user("hi"), calling("c1"), told(), told()), "preceding 'tool_calls'"),
    "words before the result": (chat_body(user("hi"), calling("c1"), user("?"), told()), "did not have"),
}


@pytest.mark.parametrize("case", CHAT)
async def test_chat_refuses(case):
    body, words = CHAT[case]
    await refused("openai-chat", body, words)


@pytest.mark.parametrize("provider", PATHS)
async def test_whoever_has_no_key_or_another_one_is_not_let_in(provider):
    for word in ("", "Bearer sk-other"):
        await refused(provider, anthropic_body(), "Incorrect API key", status=401, authorization=word)


@pytest.mark.parametrize("provider", PATHS)
@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"\xff"])
async def test_what_is_no_json_object_is_refused(provider, body):
    await refused(provider, body, "could not parse")


async def test_messages_needs_its_version():
    await refused("anthropic", anthropic_body(), "anthropic-version", **{"anthropic-version": ""})


VALID = {
    "anthropic": anthropic_body(
        user(text("look"), image()),
        assistant(use(), use("c2")),
        user(result(content=[text("seen"), image()]), result("c2", "no", is_error=True), text("go on", **POINT)),
        assistant({"type": "hologram"}, text("ok")),
        user("bye"),
        system=[text("be good", **POINT)],
        tools=[LOOK, {"type": "web_search_20250305", "name": "web_search"}],
    ),
    "openai": input_body(
        user({"type": "input_text", "text": "look"}),
        call_item(),
        call_item("c2"),
        output_item("c2", [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}]),
        output_item(),
        {"type": "hologram"},
        assistant("ok"),
        user("bye"),
        tools=[FUNCTION, {"type": "web_search"}],
    ),
    "openai-chat": chat_body(
        {"role": "system", "content": "be good"},
        user({"type": "text", "text": "look"}, picture()),
        calling("c1", "c2"),
        told("c2"),
        told(),
        {**assistant("ok"), "reasoning_content": "hm"},
        user("bye"),
        tools=[CHAT_TOOL],
    ),
}


@pytest.mark.parametrize("provider", PATHS)
async def test_a_conversation_that_keeps_all_rules_is_taken(provider):
    async with WireServer(respond=[Answer()]) as server:
        response = await post(server, provider, VALID[provider])
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("provider", PATHS)
async def test_checks_can_be_left_out(provider):
    async with WireServer(respond=[Answer()], check=False) as server:
        response = await post(server, provider, VALID[provider] | {"strange": 1})
    assert response.status_code == 200


async def first_turn(server, provider, body):
    """What a server sent, as its format sends it back."""
    done = (await post(server, provider, body)).json()
    return done["content"] if provider == "anthropic" else done["output"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said, ""),
        (lambda said: [said[0] | {"thinking": "other"}, said[1]], "cannot be modified"),
        (lambda said: said[1:], "Expected `thinking` blocks"),
    ],
    ids=["whole", "changed", "left out"],
)
async def test_messages_wants_the_last_thoughts_back_as_they_were(change, words):
    async with WireServer(respond=[TURN, Answer()]) as server:
        said = await first_turn(server, "anthropic", anthropic_body())
        body = anthropic_body(user("hi"), assistant(*change(copy.deepcopy(said))), user(result()))
        response = await post(server, "anthropic", body)
    assert response.status_code == (400 if words else 200)
    assert words in response.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said, ""),
        (lambda said: said[1:], "without its required 'reasoning' item"),
        (lambda said: [said[1], said[0]], "without its required"),
    ],
    ids=["whole", "left out", "in another order"],
)
async def test_responses_wants_thoughts_back_before_the_call_they_led_to(change, words):
    include = {"include": ["reasoning.encrypted_content"]}
    async with WireServer(respond=[TURN, Answer(content=(Say("ok"),))]) as server:
        said = await first_turn(server, "openai", input_body(**include))
        response = await post(server, "openai", input_body(user("hi"), *change(said), output_item()))
    assert response.status_code == (400 if words else 200), response.text
    assert words in response.text
