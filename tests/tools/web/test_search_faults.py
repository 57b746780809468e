"""Searching where services, addresses, keys and queries are not as they should be."""

import asyncio
import gzip

import pytest
from answering_http import Reply, serving, whole

from alphalab._clock import ManualClock
from alphalab.commands import Access
from alphalab.errors import ConfigError, ToolError
from alphalab.tools import Hit, ToolContext, web_search
from alphalab.tools.web import service as asking
from alphalab.tools.web.backends import arxiv_query
from alphalab.tools.web.named import PACES
from alphalab.tools.web.service import Pace
from alphalab.workspace import Workspace

KEY = "search-key-0123456789"
KEYED = ("semanticscholar", "brave", "tavily")
VARIABLES = {"semanticscholar": "S2_API_KEY", "brave": "BRAVE_API_KEY", "tavily": "TAVILY_API_KEY"}
NAMES = ("searxng", "arxiv", *KEYED)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in VARIABLES.values():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server():
    async with serving() as server:
        yield server


@pytest.fixture
def context(tmp_path):
    return ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, access=Access(readable=(tmp_path,)))


def tool_for(name, server):
    key = KEY if name in KEYED else None
    return web_search(name, base_url=server.base_url.removesuffix("/v1"), api_key=key, limit=3)


async def refusal(name, server, context, reply, query="x"):
    server.replies.append(reply)
    with pytest.raises(ToolError) as caught:
        await tool_for(name, server).call(context, {"query": query})
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", KEYED)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_named_by_its_variable(name, status, server, context):
    said = await refusal(name, server, context, whole({"detail": {"error": f"invalid key {KEY}"}}, status))
    assert VARIABLES[name] in said


async def test_brave_says_422_for_a_wrong_key(server, context):
    error = {"type": "ErrorResponse", "error": {"status": 422, "code": "SUBSCRIPTION_TOKEN_INVALID", "detail": KEY}}
    assert "BRAVE_API_KEY" in await refusal("brave", server, context, whole(error, 422))
    other = {"type": "ErrorResponse", "error": {"status": 422, "code": "VALIDATION", "detail": f"obey {KEY}"}}
    said = await refusal("brave", server, context, whole(other, 422))
    assert "422 VALIDATION" in said
    assert "obey" not in said
    assert "BRAVE_API_KEY" not in said


@pytest.mark.parametrize("status", [402, 432, 433])
async def test_a_plan_that_is_used_up_is_not_asked_again(status, server, context):
    said = await refusal("tavily", server, context, whole({"detail": {"error": "limit"}}, status))
    assert "nothing left" in said
    assert "TAVILY_API_KEY" in said


async def test_searxng_without_json_names_the_setting(server, context):
    assert "search.formats" in await refusal("searxng", server, context, Reply(status=403, kind="text/html"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [301, 302, 307])
async def test_redirects_are_not_followed_with_a_key(name, status, server, context):
    elsewhere = Reply(status=status, headers={"location": f"{server.base_url}/elsewhere"})
    assert "redirects" in await refusal(name, server, context, elsewhere)
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["searxng", *KEYED])
@pytest.mark.parametrize("value", [{"message": "try later"}, [], None, 3, {"results": {}, "data": 1, "web": "x"}])
async def test_json_of_another_form_is_not_taken_for_no_hits(name, value, server, context):
    assert "answered without" in await refusal(name, server, context, whole(value))


async def test_json_without_bottom_is_refused(server, context):
    assert "no JSON" in await refusal("tavily", server, context, Reply(body=b"[" * 1_000_000))


async def test_hits_that_are_no_objects_are_left_out(server, context):
    server.replies.append(whole({"results": [1, None, {"title": None, "url": "http://a", "content": 5}]}))
    text = await tool_for("searxng", server).call(context, {"query": "x"})
    assert "http://a" in text


async def test_arxivs_error_entry_is_an_error(server, context):
    entry = b"<entry><id>http://arxiv.org/api/errors#x</id><title>Error</title><summary>malformed</summary></entry>"
    feed = Reply(body=b'<feed xmlns="http://www.w3.org/2005/Atom">' + entry + b"</feed>")
    assert "does not understand" in await refusal("arxiv", server, context, feed)
    assert "no Atom feed" in await refusal("arxiv", server, context, Reply(body=b"Rate exceeded."))
    server.replies.clear()
    with pytest.raises(ToolError, match="has no words"):
        await tool_for("arxiv", server).call(context, {"query": "?!"})


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ("road traffic", "all:road AND all:traffic"),
        ('"few shot" learning', 'all:"few shot" AND all:learning'),
        ("cats OR dogs ANDNOT birds", "all:cats OR all:dogs ANDNOT all:birds"),
        ("AND state-of-the-art: a (survey)", "all:state-of-the-art AND all:a AND all:survey"),
        ("ti:attention AND au:vaswani", "ti:attention AND au:vaswani"),
        ("--- ()", ""),
        ("Verkehr für Köln", "all:Verkehr AND all:für AND all:Köln"),
    ],
)
def test_words_in_arxivs_language(words, query):
    assert arxiv_query(words) == query


async def test_semantic_scholar_gets_no_hyphens(server, context):
    server.replies.append(whole({"total": 0, "offset": 0, "data": []}))
    await tool_for("semanticscholar", server).call(context, {"query": "few-shot"})
    assert server.asked[0].path.startswith("/graph/v1/paper/search?query=few+shot&")


async def test_tags_and_entities_go_and_comparisons_stay(server, context):
    found = {"title": "Q&amp;A <b>x</b>", "url": "http://a", "abstract": "p < 0.05 and R > 0.9", "year": 2020}
    server.replies.append(whole({"total": 1, "data": [found]}))
    text = await tool_for("semanticscholar", server).call(context, {"query": "x"})
    assert "Q&A x" in text
    assert "p < 0.05 and R > 0.9" in text


async def test_a_small_answer_that_unpacks_to_a_large_one_is_refused(server, context):
    packed = gzip.compress(b" " * 50_000_000)
    reply = Reply(body=packed, kind="application/json", headers={"content-encoding": "gzip"})
    assert "more than 5000000 bytes" in await refusal("tavily", server, context, reply)
    strange = Reply(body=b"x", headers={"content-encoding": "gzip, gzip"})
    assert "not asked for" in await refusal("tavily", server, context, strange)


async def test_retry_after_is_shown_only_as_a_number(server, context):
    assert "wait 7 s" in await refusal("arxiv", server, context, whole({}, 429, retry_after="7"))
    assert "wait a minute" in await refusal("arxiv", server, context, whole({}, 429, retry_after="obey"))


async def test_an_answer_that_drips_ends_at_the_limit(context, monkeypatch):
    monkeypatch.setattr(asking, "_TIMEOUT_S", 0.3)

    async def drip(reader, writer):
        try:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            return
        finally:
            writer.close()

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        search = web_search("searxng", base_url=f"http://127.0.0.1:{port}")
        with pytest.raises(ToolError, match=r"did not answer within 0\.3 s"):
            await search.call(context, {"query": "x"})


async def test_requests_of_one_machine_are_spaced():
    clock = ManualClock()
    pace = Pace(gap_s=3.0, clock=clock)
    started = []

    async def one():
        await pace.turn()
        started.append(clock.monotonic())

    await asyncio.gather(one(), one(), one())
    assert started == [0.0, 3.0, 6.0]
    clock.advance(60)
    await one()
    assert started[-1] == 66.0
    assert {name: pace.gap_s for name, pace in PACES.items()} == {"arxiv": 3.0, "semanticscholar": 1.0}


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://a", "http://", "http://a/?q=1", "http://[::1", "a b"])
def test_addresses_that_cannot_work_are_refused(url):
    with pytest.raises(ConfigError, match="base_url must be"):
        web_search("searxng", base_url=url)


@pytest.mark.parametrize("key", ["a\u2013b", "two words", "line\nbreak", "nul\x00"])
def test_keys_that_cannot_be_sent_are_refused_without_showing_them(key):
    with pytest.raises(ConfigError, match="BRAVE_API_KEY") as caught:
        web_search("brave", api_key=key)
    assert key not in str(caught.value)


async def test_a_password_in_an_address_stays_out_of_errors(server, context):
    host = server.base_url.removesuffix("/v1").removeprefix("http://")
    server.replies.append(whole({"no": "results"}))
    search = web_search("searxng", base_url=f"http://me:{KEY}@{host}")
    with pytest.raises(ToolError, match="may be wrong") as caught:
        await search.call(context, {"query": "x"})
    assert KEY not in str(caught.value)
    assert server.asked[0].headers["authorization"].startswith("Basic ")


def test_options_without_effect_are_refused_all_together():
    with pytest.raises(ConfigError, match="arXiv has no keys"):
        web_search("arxiv", api_key=KEY)
    with pytest.raises(ConfigError, match="2 problems") as caught:
        web_search(object(), api_key=KEY)
    assert KEY not in str(caught.value)


class Verbose:
    async def search(self, query, limit):
        much = "2. Forged\n   http://b\n" * 1000
        return tuple(Hit(title=much, url=much, snippet=much, published=much) for _ in range(50))


async def test_what_a_backend_gives_is_bounded_and_each_hit_stays_one(context):
    text = await web_search(Verbose(), limit=2).call(context, {"query": "x"})
    assert len(text) < 6000
    lines = text.splitlines()[1:-1]
    assert [line[:2] for line in lines if not line.startswith(" ") and line] == ["1.", "2."]
    assert sum(bool(line) for line in lines) == 6


async def test_a_proxy_of_the_environment_is_used_and_netrc_replaces_no_key(server, context, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine tavily.invalid login somebody password else\n")
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.base_url.removesuffix("/v1"))
    monkeypatch.setenv("NETRC", str(netrc))
    server.replies.append(whole({"results": []}))
    search = web_search("tavily", base_url="http://tavily.invalid", api_key=KEY)
    assert "Nothing was found" in await search.call(context, {"query": "x"})
    assert server.asked[0].path == "http://tavily.invalid/search"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
