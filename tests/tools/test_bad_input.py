"""Mistakes that people and models make, each refused in words, as early as it can be seen."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any, Literal

import pytest

from alphalab._redaction import encodable
from alphalab.agents import Agent, History
from alphalab.commands import Access
from alphalab.errors import ConfigError, ModelError, ToolError
from alphalab.messages import Message, TextBlock
from alphalab.models import ModelRequest, ScriptedModel, get_model
from alphalab.testing.wire import Answer, Call, Page, Say, WireServer
from alphalab.tools import ToolContext, check_tools, tool, view_image
from alphalab.workspace import Workspace

PROVIDERS = pytest.mark.parametrize("provider", ["anthropic", "openai", "openai-chat"])


@tool
async def typed(
    count: int = 0,
    rate: float = 0.0,
    on: bool = False,
    name: str = "",
    kind: Literal["a", "b"] = "a",
    items: list[int] | None = None,
    table: dict[str, int] | None = None,
) -> str:
    """Take one argument of each type."""
    return repr((count, rate, on, name, kind, items, table))


def test_a_parameter_without_a_type_is_refused_when_the_tool_is_made():
    with pytest.raises(ConfigError, match=r"tool 'look'.*'path' has no type; write e\.g\. 'path: str'"):

        @tool
        async def look(path) -> str:
            """Look."""


def test_a_docstring_that_names_another_parameter_is_refused_when_the_tool_is_made():
    with pytest.raises(ConfigError, match=r"tool 'look'.*names parameter 'file', .*it has: path"):

        @tool
        async def look(path: str) -> str:
            """Look.

            Args:
                file: What to look at.
            """


async def test_two_tools_with_one_name_are_refused_before_anything_is_asked():
    @tool(name="typed")
    async def other() -> str:
        """Do something else."""
        return ""

    with pytest.raises(ConfigError, match="'typed' is given more than once"):
        check_tools([typed, other])
    with pytest.raises(ConfigError, match="'typed' is given more than once"):
        await Agent(model=ScriptedModel([]), tools=[typed, other]).run("q")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "3"),
        ("count", 3.0),
        ("count", 3.5),
        ("count", True),
        ("count", None),
        ("count", [3]),
        ("rate", "0.5"),
        ("rate", True),
        ("rate", "nan"),
        ("on", "true"),
        ("on", 1),
        ("on", 0.0),
        ("on", None),
        ("name", 3),
        ("name", None),
        ("name", ["a"]),
        ("kind", "A"),
        ("kind", 1),
        ("items", "1,2"),
        ("items", ["1"]),
        ("items", [1.0]),
        ("items", {"0": 1}),
        ("table", "{}"),
        ("table", {"a": "1"}),
        ("table", [["a", 1]]),
    ],
)
async def test_an_argument_of_the_wrong_type_is_refused_and_never_converted(tmp_path, name, value):
    ctx = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path)
    with pytest.raises(ToolError, match=rf"the arguments of 'typed' do not fit.*\b{name}.*should be"):
        await typed.call(ctx, {name: value})


async def test_an_argument_in_the_right_type_arrives_as_it_is(tmp_path):
    ctx = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path)
    raw: dict[str, Any] = {"count": 3, "rate": 1, "on": True, "name": "3", "kind": "b", "items": [1], "table": {"a": 1}}
    assert await typed.call(ctx, raw) == "(3, 1.0, True, '3', 'b', [1], {'a': 1})"


@pytest.mark.parametrize("source", ["claude-x", "antropic:x", "openai", "openai:", ":x", "", "OpenAI:x", "openai/x"])
def test_an_unknown_model_prefix_is_refused_with_the_known_ones(source):
    with pytest.raises(ConfigError, match=r"is unknown; write one of: offline, anthropic:NAME, openai:NAME"):
        get_model(source)


@PROVIDERS
@pytest.mark.parametrize("status", [200, 404, 502])
async def test_a_server_that_answers_a_page_is_named_with_its_answer(provider, status):
    async with WireServer(respond=[], faults={0: Page(status)}) as server:
        url = server.base_url(provider)
        model = get_model(f"{provider}:x", base_url=url, api_key=server.key, patience=timedelta())
        request = ModelRequest(system="", messages=(Message(role="user", content=(TextBlock(text="hi"),)),))
        with pytest.raises(ModelError, match=r"(?i)html|page") as caught:
            await model.generate(request)
        await model.aclose()
    assert len(server.requests) == 1
    assert server.key not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [("notes.txt", b"not a picture"), ("x.png", b"<html>"), ("x.jpeg", b"\xff\xd8\xff\xe0"), ("empty.png", b"")],
)
async def test_a_file_that_is_no_picture_is_refused_before_it_is_sent(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    ctx = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, access=Access(readable=(tmp_path,)))
    with pytest.raises(ToolError, match=r"is not a PNG, JPEG, GIF or WebP picture; save it as PNG"):
        await view_image.call(ctx, {"path": name})


_LARGE = """import asyncio, sys, time
from pathlib import Path
from alphalab.agents import Agent
from alphalab.models import ScriptedModel
from alphalab.tools import ToolContext, tool
from alphalab.workspace import Workspace

def kib(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

folder, unit = Path(sys.argv[1]), sys.argv[2]
large = unit * (200_000_000 // len(unit.encode()))

@tool
async def flood(times: int = 1) -> str:
    \"\"\"Say a lot.\"\"\"
    return large

context = ToolContext(workspace=Workspace(folder), cwd=folder, outputs=folder / "outputs")
agent = Agent(model=ScriptedModel([ScriptedModel.call("flood"), "end"]), tools=[flood], context=context)
open("/proc/self/clear_refs", "w").write("5")
before, started = kib("VmRSS"), time.monotonic()
result = asyncio.run(agent.run("q"))
print((kib("VmHWM") - before) // 1024, time.monotonic() - started)
print(result.messages[2].content[0].text)
"""


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["a high light, right\n", "é\n", "x"], ids=["lines", "accents", "one-line"])
def test_two_hundred_megabytes_from_a_tool_are_cut_for_the_model_and_kept_in_a_file(tmp_path, unit):
    command = [sys.executable, "-c", _LARGE, str(tmp_path), unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    numbers, shown = done.stdout.split("\n", 1)
    growth_mib, seconds = map(float, numbers.split())
    assert growth_mib < 40
    assert seconds < 60
    assert len(shown) < 41_000
    assert "characters left out; all of it is in outputs/agent-flood-0001.txt" in shown
    size = (tmp_path / "outputs/agent-flood-0001.txt").stat().st_size
    assert size == 200_000_000 // len(unit.encode()) * len(unit.encode())


@tool
async def odd() -> str:
    """Say what no encoding holds."""
    return "a\0b\ud800c\udfffd \U0001f600"


def strings(value: Any):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


@PROVIDERS
async def test_characters_that_providers_refuse_never_reach_them_from_a_tool(provider, tmp_path):
    answers = [
        Answer(content=(Call("odd", {}), Call("typed", '{"name": "\\ud800"}'), Call("none\ud800", {}))),
        Answer(content=(Say("done \ud800"),)),
        Answer(),
    ]
    async with WireServer(respond=answers) as server:
        model = get_model(f"{provider}:x", base_url=server.base_url(provider), api_key=server.key, patience=timedelta())
        context = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path)
        agent = Agent(model=model, tools=[odd, typed], context=context)
        history = History()
        result = await agent.run("q \ud800", history=history)
        await agent.run("again", history=history)
        await model.aclose()
    assert result.text.startswith("done")
    assert len(server.requests) == 3
    for request in server.requests:
        for text in strings(json.loads(request.raw.decode("utf-8"))):
            assert "\0" not in text
            text.encode()
    assert "a\ufffdb?c?d \U0001f600" in server.requests[1].raw.decode()


async def test_a_failing_tool_may_say_anything_too(tmp_path):
    @tool
    async def fails() -> str:
        """Fail."""
        raise ToolError("no \0 \ud800")

    context = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path)
    agent = Agent(model=ScriptedModel([ScriptedModel.call("fails"), "end"]), tools=[fails], context=context)
    result = await agent.run("q")
    assert result.messages[2].content[0].text == "no \ufffd ?"


def test_text_that_providers_take_is_not_copied():
    for text in ("plain", "é\U0001f600", ""):
        assert encodable(text) is text
