"""`alphalab doctor` calls models: through the command line and the real SDKs, against local servers."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from alphalab.testing.wire import Answer, Call, Page, Say, Status, WireServer

READY = Answer(content=(Say("Here."), Call("report", {"word": "ready"})))


@contextmanager
def serving(**options):
    """A server in a thread of its own, because the command runs in a process of its own."""
    options.setdefault("respond", lambda _received: READY)
    server, loop, ready = WireServer(**options), asyncio.new_event_loop(), threading.Event()

    async def main():
        async with server:
            ready.set()
            await stopped.wait()

    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        loop.close()


def doctor(*arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    command = [sys.executable, "-m", "alphalab", "doctor", "--json", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**kept, **environment}, timeout=100, check=False
    )
    models = [each for each in json.loads(done.stdout)["checks"] if each["name"].startswith("model ")]
    return done.returncode, models, done.stdout + done.stderr


@pytest.mark.parametrize("provider", ["anthropic", "openai", "openai-chat"])
def test_a_model_that_answers(provider):
    with serving() as server:
        key = {"OPENAI_API_KEY": server.key, "ANTHROPIC_API_KEY": server.key}
        code, (model,), said = doctor("--model", f"{provider}:m", "--base-url", server.base_url(provider), **key)
        assert len(server.requests) == 1
        assert server.requests[0].body["stream"] is True
        assert "report" in server.requests[0].raw.decode()
    assert (code, model["state"], model["name"]) == (0, "ok", f"model {provider}:m")
    assert "with a tool call, streamed" in model["found"]
    assert "unpriced" in model["found"]
    assert "tokens in and" in model["found"]
    assert server.key not in said


def test_every_model_of_a_campaign_is_called_once(tmp_path):
    with serving() as server:
        config = tmp_path / "campaign.toml"
        chat = f'{{name = "openai-chat:a", base_url = "{server.base_url("openai-chat")}", key_variable = "MY_KEY"}}'
        other = f'{{name = "anthropic:b", base_url = "{server.base_url("anthropic")}"}}'
        config.write_text(
            'adapter = "traffic"\n[task]\nobjective = "x"\n[budget]\nexperiments = 1\n'
            f'[models]\ndefault = "offline"\nstrategist = [{chat}, {other}]\nimplementer = {chat}\n'
        )
        code, models, said = doctor(config, MY_KEY=server.key, ANTHROPIC_API_KEY=server.key)
        assert len(server.requests) == 2
    assert code == 0
    assert [model["name"] for model in models] == ["model offline", "model openai-chat:a", "model anthropic:b"]
    assert server.key not in said


@pytest.mark.parametrize(
    ("fault", "words", "remedy"),
    [
        (Status(401), "AuthenticationFailed", "OPENAI_API_KEY"),
        (Status(404), "ModelError", "name of the model"),
        (Page(200), "web page", "base_url"),
    ],
)
def test_a_model_that_cannot_be_used(fault, words, remedy):
    with serving(faults={0: fault}) as server:
        arguments = ("--model", "openai:m", "--base-url", server.base_url("openai"))
        code, (model,), said = doctor(*arguments, OPENAI_API_KEY=server.key)
    assert (code, model["state"]) == (1, "broken")
    assert words in model["found"]
    assert remedy in model["remedy"]
    assert server.key not in said


def test_a_server_that_is_not_there_is_told_soon():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    code, (model,), _ = doctor("--model", "openai-chat:m", "--base-url", url)
    assert (code, model["state"]) == (1, "broken")
    assert "connection" in model["found"]
    assert url in model["remedy"]


def test_a_missing_key_is_named_and_nothing_is_called():
    code, (model,), _ = doctor("--model", "anthropic:m")
    assert (code, model["state"]) == (1, "broken")
    assert "ANTHROPIC_API_KEY" in model["found"] + model["remedy"]


def test_a_model_that_calls_no_tool_is_no_use_to_agents():
    with serving(respond=lambda _received: Answer(content=(Say("ready"),))) as server:
        url = server.base_url("openai-chat")
        code, (model,), _ = doctor("--model", "openai-chat:m", "--base-url", url, OPENAI_API_KEY=server.key)
    assert (code, model["state"]) == (0, "missing")
    assert "in words only" in model["found"]
    assert "without calling the tool" in model["remedy"]


def test_an_address_needs_a_model():
    done = subprocess.run(
        [sys.executable, "-m", "alphalab", "doctor", "--base-url", "http://x"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--model" in done.stderr
