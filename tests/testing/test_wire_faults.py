"""What the wire servers count, send whole, and break on demand, seen from plain HTTP."""

import asyncio
import json

import httpx2
import pytest

from alphalab.testing.wire import (
    Answer,
    Call,
    Closed,
    CutStream,
    Drip,
    ErrorEvent,
    MalformedEvent,
    Page,
    Say,
    Silence,
    Status,
    Think,
    WireServer,
    WrongType,
)

PATHS = {"anthropic": "/v1/messages", "openai": "/v1/responses", "openai-chat": "/v1/chat/completions"}
LONG = "0123456789 " * 1000
"""2750 tokens."""
TURN = Answer(content=(Think("hm"), Say("hello"), Call("look", {"at": "it"})), input_tokens=70, output_tokens=9)


def body(provider, *said, **more):
    messages = [{"role": "user", "content": word} for word in said or ("hi",)]
    if provider == "openai":
        return {"model": "m", "input": messages, **more}
    options = {"max_tokens": 9} if provider == "anthropic" else {"stream_options": {"include_usage": True}}
    return {"model": "m", "messages": messages, **options, **more}


def request(client, server, provider, content):
    headers = {"authorization": f"Bearer {server.key}", "anthropic-version": "2023-06-01"}
    url = f"http://127.0.0.1:{server.port}{PATHS[provider]}"
    return client.build_request("POST", url, content=json.dumps(content).encode(), headers=headers)


async def post(server, provider, content):
    async with httpx2.AsyncClient() as client:
        return await client.send(request(client, server, provider, content))


def usage(provider, done):
    """Input tokens without cached ones, cached and written ones."""
    used = done["usage"]
    if provider == "anthropic":
        return tuple(used[f"{kind}input_tokens"] for kind in ("", "cache_read_", "cache_creation_"))
    name = "input" if provider == "openai" else "prompt"
    details = used[f"{name}_tokens_details"]
    cached = details["cached_tokens"]
    return used[f"{name}_tokens"] - cached, cached, details["cache_write_tokens"]


async def counted(provider, *bodies):
    async with WireServer(respond=lambda _: Answer()) as server:
        return [usage(provider, (await post(server, provider, each)).json()) for each in bodies]


def marked(*words):
    point = {"cache_control": {"type": "ephemeral"}}
    blocks = [{"type": "text", "text": word, **(point if word.isupper() else {})} for word in words]
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": blocks}]}


async def test_anthropics_cache_reads_what_was_written_at_a_cache_point():
    first, second = LONG + "FIRST", LONG + "SECOND"
    begun, grown, other = await counted("anthropic", marked(first), marked(first, second), marked("x", first))
    assert begun[1] == 0
    assert begun[2] > 2700
    assert grown[1] == begun[2]
    assert 2700 < grown[2] < 2800
    assert other[1] == 0, "what comes first is another"


async def test_anthropics_cache_needs_a_point_and_1024_tokens():
    unmarked = marked((LONG + "first").lower())
    short = marked("SHORT")
    assert [used[1:] for used in await counted("anthropic", unmarked, unmarked, short, short)] == [(0, 0)] * 4


async def test_anthropics_cache_looks_back_twenty_blocks():
    begun = marked(LONG + "FIRST")
    near, far = (marked((LONG + "FIRST"), *["x"] * between, "END") for between in (18, 19))
    for later in (near, far):  # the first point is left out, so that only looking back finds it
        del later["messages"][0]["content"][0]["cache_control"]
    written, found = await counted("anthropic", begun, near)
    assert found[1] == written[2] > 0
    assert (await counted("anthropic", begun, far))[1][1] == 0


@pytest.mark.parametrize("provider", ["openai", "openai-chat"])
async def test_openais_cache_reads_prefixes_in_steps_of_128_tokens(provider):
    begun, grown, other = await counted(
        provider, body(provider, LONG), body(provider, LONG, LONG), body(provider, "x", LONG)
    )
    assert begun[1:] == (0, 0)
    assert 2600 < grown[1] <= 2800
    assert grown[1] % 128 == 0
    assert other[1] == 0


@pytest.mark.parametrize("provider", ["openai", "openai-chat"])
async def test_openais_cache_is_by_key_and_begins_at_1024_tokens(provider):
    one, two = (body(provider, LONG, prompt_cache_key=key) for key in ("one", "two"))
    short = body(provider, "0123456789 " * 300)
    assert [used[1] > 0 for used in await counted(provider, one, two, one, short, short)] == [
        False,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("provider", PATHS)
async def test_what_an_answer_says_was_counted_counts(provider):
    async with WireServer(respond=[Answer(input_tokens=100, cached_tokens=60)]) as server:
        done = (await post(server, provider, body(provider))).json()
    assert usage(provider, done) == (40, 60, 0)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("anthropic", "prompt is too long"),
        ("openai", "context_length_exceeded"),
        ("openai-chat", "context_length_exceeded"),
    ],
)
async def test_a_request_larger_than_the_window_is_refused(provider, words):
    async with WireServer(respond=[Answer()], context_tokens=500) as server:
        long = await post(server, provider, body(provider, LONG))
        short = await post(server, provider, body(provider))
    assert (long.status_code, short.status_code) == (400, 200)
    assert words in long.text


async def test_whole_answers_hold_all_that_streams_do():
    async with WireServer(respond=lambda _: TURN) as server:
        message, response, completion = [(await post(server, each, body(each))).json() for each in PATHS]
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    assert message["content"][2]["input"] == {"at": "it"}
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("tool_use", 9)
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call"]
    assert (response["status"], response["usage"]["total_tokens"]) == ("completed", 79)
    (choice,) = completion["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", "hello")
    assert choice["message"]["reasoning_content"] == "hm"


@pytest.mark.parametrize("provider", PATHS)
async def test_requests_after_the_last_answer_get_500_and_are_noted(provider, caplog):
    async with WireServer(respond=[Answer()]) as server:
        statuses = [(await post(server, provider, body(provider))).status_code for _ in range(3)]
        last = await post(server, provider, body(provider))
    assert statuses == [200, 500, 500]
    assert "this is request 4" in last.json()["error"]["message"]
    assert server.unanswered == [1, 2, 3]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("provider", PATHS)
async def test_statuses_come_with_body_headers_and_kind(provider):
    fault = Status(429, kind="insufficient_quota", message="no money", headers={"retry-after": "3"})
    async with WireServer(respond=[], faults={0: fault}) as server:
        response = await post(server, provider, body(provider))
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    error = response.json()["error"]
    assert (error["type"], error["message"]) == ("insufficient_quota", "no money")


async def test_unknown_paths_methods_and_models_are_not_found():
    async with WireServer(respond=[Answer()], models=frozenset({"known"})) as server, httpx2.AsyncClient() as client:
        url = f"http://127.0.0.1:{server.port}"
        codes = [(await client.post(f"{url}/v1/complete", content=b"{}")).status_code]
        codes.append((await client.get(f"{url}/v1/messages")).status_code)
        codes.append((await post(server, "anthropic", body("anthropic"))).status_code)
        codes.append((await post(server, "anthropic", body("anthropic") | {"model": "known"})).status_code)
    assert codes == [404, 404, 404, 200]


async def streamed(provider, fault=None):
    """Content type, bytes that came, and whether the stream ended as it should."""
    faults = {} if fault is None else {0: fault}
    async with WireServer(respond=lambda _: TURN, faults=faults) as server, httpx2.AsyncClient() as client:
        response = await client.send(request(client, server, provider, body(provider, stream=True)), stream=True)
        read = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                read += chunk
        except httpx2.RemoteProtocolError:
            return response.headers["content-type"], bytes(read), False
        return response.headers["content-type"], bytes(read), True


@pytest.mark.parametrize("provider", PATHS)
async def test_streams_end_or_are_cut_where_it_was_asked_for(provider):
    _, whole, ended = await streamed(provider)
    assert ended
    last = {"anthropic": b"message_stop", "openai": b"response.completed", "openai-chat": b"[DONE]"}[provider]
    assert last in whole
    sizes = list[int]()
    for where in ("inside", "between", "before_end"):
        _, part, ended = await streamed(provider, CutStream(where))
        assert not ended
        assert last not in part
        assert part.endswith(b"\n\n") is (where != "inside")
        assert whole.startswith(part)
        sizes.append(len(part))
    assert sizes[2] > max(sizes[:2])


@pytest.mark.parametrize("provider", PATHS)
async def test_events_can_be_errors_or_broken_and_types_wrong(provider):
    _, whole, _ = await streamed(provider)
    _, told, _ = await streamed(provider, ErrorEvent(message="told so"))
    assert b'"message":"told so"' in told.split(b"\n\n")[-2]
    _, broken, ended = await streamed(provider, MalformedEvent())
    assert ended
    assert broken.replace(b'data: {"broken": \n\n', b"") == whole
    kind, same, _ = await streamed(provider, WrongType("application/octet-stream"))
    assert (kind, same) == ("application/octet-stream", whole)
    _, slow, ended = await streamed(provider, Drip(pause_s=0.0001, size=97))
    assert (slow, ended) == (whole, True)


async def test_pages_and_connections_that_close_say_nothing_of_the_format():
    async with WireServer(respond=[Answer()], faults={0: Page(502), 1: Closed()}) as server:
        page = await post(server, "anthropic", body("anthropic"))
        assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
        with pytest.raises(httpx2.RemoteProtocolError):
            await post(server, "anthropic", body("anthropic"))
        assert (await post(server, "anthropic", body("anthropic"))).status_code == 200


@pytest.mark.parametrize("fault", [Silence(after_events=2), Drip(pause_s=30.0)])
async def test_clients_that_go_away_are_noted(fault):
    async with WireServer(respond=[Answer()], faults={0: fault}) as server:
        async with httpx2.AsyncClient() as client:
            asked = request(client, server, "openai", body("openai", stream=True))
            response = await client.send(asked, stream=True)
            assert server.gone == []
            await response.aclose()
        async with asyncio.timeout(5):
            while not server.gone:  # noqa: ASYNC110 - what the server keeps are lists
                await asyncio.sleep(0.001)
    assert server.gone == [0]


async def test_closing_ends_what_is_still_being_sent():
    server = WireServer(respond=[Answer()], faults={0: Silence()})
    await server.start()
    async with httpx2.AsyncClient() as client:
        asked = request(client, server, "openai", body("openai", stream=True))
        response = await client.send(asked, stream=True)
        async with asyncio.timeout(5):
            await server.aclose()
        with pytest.raises(httpx2.RemoteProtocolError):
            await response.aread()
