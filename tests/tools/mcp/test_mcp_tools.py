"""Tools of real MCP servers, over standard input and output and over HTTP."""

import asyncio
import os
import sys

import pytest

from alphalab.agents import Agent
from alphalab.commands import Access
from alphalab.errors import ConfigError, ToolError
from alphalab.messages import ImageBlock
from alphalab.models import ScriptedModel
from alphalab.tools import ToolContext
from alphalab.tools.mcp import McpServer, mcp_tools
from alphalab.workspace import Workspace


@pytest.fixture
def context(tmp_path):
    return ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, access=Access())


def by_name(tools):
    return {tool.name: tool for tool in tools}


def text_of(output):
    """What the server said, without the marks of outside text."""
    (block,) = output
    first, *said, last = block.text.splitlines()
    assert "of MCP server" in first
    assert last.startswith("[end of outside text")
    return "\n".join(said)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_lists_the_tools_with_the_servers_schemas(server):
    async with mcp_tools(server) as tools:
        add = by_name(tools)["add"]
    assert add.description == "Add two whole numbers."
    assert add.spec.parameters["type"] == "object"
    assert add.spec.parameters["properties"]["first"]["type"] == "integer"
    assert add.spec.parameters["required"] == ["first", "second"]


async def test_a_call_is_answered(server, context):
    async with mcp_tools(server, names=["add", "table"]) as tools:
        assert "sum 5" in text_of(await by_name(tools)["add"].call(context, {"first": 2, "second": 3}))
        assert '"rows"' in text_of(await by_name(tools)["table"].call(context, {}))
    assert len(tools) == 2


async def test_a_picture_comes_back_as_a_picture(server, context):
    async with mcp_tools(server, names=["picture"]) as tools:
        blocks = await tools[0].call(context, {})
    pictures = [block for block in blocks if isinstance(block, ImageBlock)]
    assert [(each.media_type, each.width, each.height) for each in pictures] == [("image/png", 3, 2)]


async def test_what_the_server_calls_an_error_is_a_tool_error(server, context):
    async with mcp_tools(server, names=["fail"]) as tools:
        with pytest.raises(ToolError, match="fail"):
            await tools[0].call(context, {})


@pytest.mark.parametrize("raw", [{"first": "2", "second": 3}, {"first": 2}, {"first": 1.5, "second": True}])
async def test_arguments_that_do_not_fit_are_refused_before_the_call(server, context, raw):
    async with mcp_tools(server, names=["add"]) as tools:
        with pytest.raises(ToolError, match="the arguments of 'add' do not fit"):
            await tools[0].call(context, raw)


async def test_a_slow_call_ends_at_its_limit_and_the_server_goes_on(server, context):
    async with mcp_tools(server, names=["slow", "add"], time_limit_s=1.0) as tools:
        with pytest.raises(ToolError, match="slow did not answer within 1 s"):
            await by_name(tools)["slow"].call(context, {})
        assert "sum 2" in text_of(await by_name(tools)["add"].call(context, {"first": 1, "second": 1}))


async def test_a_crash_is_told_with_the_last_words_and_the_next_call_connects_anew(stdio, context):
    async with mcp_tools(stdio, names=["crash", "process"]) as offered:
        tools = by_name(offered)
        before = text_of(await tools["process"].call(context, {}))
        with pytest.raises(ToolError, match="may have taken effect") as failed:
            await tools["crash"].call(context, {})
        assert "last words of the server" in str(failed.value)
        after = text_of(await tools["process"].call(context, {}))
        assert before != after
    assert not is_alive(int(after.split()[0]))


async def test_a_call_that_only_reads_is_repeated_after_a_crash(stdio, context, tmp_path):
    async with mcp_tools(stdio, names=["crash_once"]) as tools:
        assert "second time" in text_of(await tools[0].call(context, {"mark": str(tmp_path / "mark")}))


async def test_a_server_that_died_between_calls_is_started_again(stdio, context):
    async with mcp_tools(stdio, names=["process"]) as tools:
        before = int(text_of(await tools[0].call(context, {})).split()[0])
        os.kill(before, 9)
        while is_alive(before):  # noqa: ASYNC110 - the kernel gives no event for it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert int(text_of(await tools[0].call(context, {})).split()[0]) != before


async def test_a_cancelled_agent_run_leaves_no_process_behind(stdio, tmp_path):
    started = tmp_path / "started"
    model = ScriptedModel([ScriptedModel.call("slow", started=str(started))])

    async def work():
        async with mcp_tools(stdio, names=["slow"]) as tools:
            await Agent(model=model, tools=tools).run("go")

    running = asyncio.ensure_future(work())
    while not (started.exists() and started.read_text()):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive(int(started.read_text()))


async def test_secrets_of_our_environment_stay_here_unless_they_are_named(stdio, context, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "not for everyone")
    monkeypatch.setenv("OTHER_API_KEY", "for this one")
    named = McpServer(command=stdio.command, args=stdio.args, pass_env=["OTHER_API_KEY"], env={"PLACE": "here"})
    async with mcp_tools(named, names=["variables"]) as tools:
        seen = text_of(await tools[0].call(context, {})).split()
    assert "SOME_API_KEY" not in seen
    assert {"OTHER_API_KEY", "PLACE"} <= set(seen)


async def test_names_get_a_prefix(stdio):
    async with mcp_tools(stdio, names=["add"], prefix="sample.one") as tools:
        assert [tool.name for tool in tools] == ["sample_one_add"]


async def test_a_name_that_is_not_offered_lists_what_is(stdio):
    with pytest.raises(ConfigError, match=r"'subtract' is not offered; it offers: add, table"):
        async with mcp_tools(stdio, names=["subtract"]):
            pass


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "either a command or a url"),
        ({"command": "x", "url": "http://127.0.0.1"}, "either a command or a url"),
        ({"url": "ftp://here"}, "must begin with http"),
        ({"command": "x", "pass_env": ["NOT_THERE_AT_ALL"]}, "'NOT_THERE_AT_ALL' is not set"),
    ],
)
async def test_a_server_described_wrongly_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        async with mcp_tools(McpServer(**given)):
            pass


async def test_a_command_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="'no-such-command-here'"):
        async with mcp_tools(McpServer(command="no-such-command-here")):
            pass


async def test_a_command_that_ends_at_once_is_told_with_its_last_words():
    script = "import sys; sys.exit('the port is taken')"
    with pytest.raises(ConfigError, match="the port is taken"):
        async with mcp_tools(McpServer(command=sys.executable, args=["-c", script])):
            pass


async def test_a_command_that_says_nothing_is_given_up(tmp_path):
    mark = tmp_path / "pid"
    script = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(ConfigError, match="did not answer within 1 s"):
        async with mcp_tools(McpServer(command=sys.executable, args=["-c", script]), start_limit_s=1.0):
            pass
    assert not is_alive(int(mark.read_text()))


async def test_a_url_that_answers_a_page_is_refused():
    async def page(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = b"<html>Welcome</html>"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(page, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            async with mcp_tools(McpServer(url=f"http://127.0.0.1:{port}/mcp"), start_limit_s=10.0):
                pass


async def test_a_server_behind_a_url_that_dies_is_told_and_found_again(mortal_http, context):
    server, kill, restart = mortal_http
    async with mcp_tools(server, names=["add"]) as tools:
        assert "sum 2" in text_of(await tools[0].call(context, {"first": 1, "second": 1}))
        kill()
        with pytest.raises(ToolError, match=r"MCP server 'http://127\.0\.0\.1"):
            await tools[0].call(context, {"first": 1, "second": 1})
        restart()
        assert "sum 2" in text_of(await tools[0].call(context, {"first": 1, "second": 1}))


def test_an_agent_in_another_loop_is_told_what_to_do(stdio):
    async def elsewhere():
        async with mcp_tools(stdio, names=["add"]) as tools:
            model = ScriptedModel([ScriptedModel.call("add", first=1, second=1), "done"])
            return Agent(model=model, tools=tools).run_sync("q")

    result = asyncio.run(elsewhere())
    assert "use 'await agent.run(...)'" in result.messages[2].content[0].text
