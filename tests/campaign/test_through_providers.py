"""Whole campaigns through the real SDKs: a server says in a provider's format what the offline researcher decides."""

import json
import logging
import re

import pytest
from toy_domain import make_campaign

from alphalab.events import Noticed
from alphalab.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock
from alphalab.models import ModelRequest, RecordingModel, get_model
from alphalab.models.offline import OfflineModel
from alphalab.testing.wire import Answer, Call, Say, Status, WireServer

ROLES = {"You adapt a ready-made": "adapter", "You try to score well": "hacker"}


def blocks_of_chat(message):
    content = message.get("content") or ""
    texts = [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
    if message["role"] == "tool":
        failed = texts[0].startswith("Error:")
        text = texts[0].removeprefix("Error:\n")
        yield ToolResultBlock(tool_use_id=message["tool_call_id"], content=(TextBlock(text=text),), is_error=failed)
        return
    yield from (TextBlock(text=text) for text in texts if text)
    for call in message.get("tool_calls", ()):
        function = call["function"]
        yield ToolUseBlock(id=call["id"], name=function["name"], input=json.loads(function["arguments"]))


def blocks_of_anthropic(message):
    for block in message["content"]:
        if block["type"] == "text":
            yield TextBlock(text=block["text"])
        elif block["type"] == "tool_use":
            yield ToolUseBlock(id=block["id"], name=block["name"], input=block["input"])
        elif block["type"] == "tool_result":
            texts = [TextBlock(text=part["text"]) for part in block["content"] if part["type"] == "text"]
            yield ToolResultBlock(
                tool_use_id=block["tool_use_id"], content=texts, is_error=block.get("is_error", False)
            )


def conversation(received):
    """System prompt and messages of a request, whichever the format."""
    body = received.body
    if received.path.endswith("/messages"):
        system = "\n".join(part["text"] for part in body["system"])
        spoken = [(each["role"], list(blocks_of_anthropic(each))) for each in body["messages"]]
        return system, [Message(role=role, content=blocks) for role, blocks in spoken]
    first, *rest = body["messages"]
    messages = []
    for each in rest:
        role = "assistant" if each["role"] == "assistant" else "user"
        blocks = list(blocks_of_chat(each))
        if messages and messages[-1].role == role:
            blocks = [*messages.pop().content, *blocks]
        messages.append(Message(role=role, content=blocks))
    return first["content"], messages


def researcher(seed=0):
    """Answers like the offline researcher."""
    offline = OfflineModel(seed=seed)

    def respond(received):
        system, messages = conversation(received)
        named = re.search(r"You are the (\w+)\.", system)
        role = named.group(1) if named else next(role for words, role in ROLES.items() if words in system)
        experiment = re.search(r"exp-\d{4}", system)
        labels = {"role": role, "experiment": experiment.group(0) if experiment else ""}
        request = ModelRequest(system=system, messages=messages, labels=labels)
        with pytest.raises(StopIteration) as finished:
            offline.generate(request).send(None)  # it never waits, so one step runs it to its end
        said = finished.value.value.message.content
        return Answer(
            content=[Say(each.text) if isinstance(each, TextBlock) else Call(each.name, each.input) for each in said]
        )

    return respond


@pytest.mark.bubblewrap
@pytest.mark.parametrize("provider", ["anthropic", "openai-chat"])
async def test_a_campaign_runs_through_a_provider(provider, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    heard, pieces = [], []
    faults = {7: Status(429, headers={"retry-after-ms": "10"}), 20: Status(529), 33: Status(500)}
    async with WireServer(respond=researcher(), faults=faults) as server:
        for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
            monkeypatch.setenv(name, server.key)
        model = RecordingModel(
            get_model(f"{provider}:m", base_url=server.base_url(provider)), tmp_path / "cassette.jsonl"
        )
        campaign = make_campaign(tmp_path, models=model, sandbox="auto", sinks=[heard.append], live=[pieces.append])
        result = await campaign.run()
    assert result.best is not None
    assert {experiment.state.value for experiment in campaign.experiments()} <= {"done", "failed"}
    by_role = campaign.usage(by="role")
    assert {"explorer", "strategist", "implementer", "analyst", "critic", "hacker"} <= set(by_role)
    assert sum(usage.calls for usage in by_role.values()) == len(server.requests) - len(faults)
    assert campaign.usage().cached_tokens > 0.5 * campaign.usage().input_tokens
    assert campaign.usage().cost_usd is None
    assert list(campaign.usage(by="model")) == [f"{provider}:m"]
    waits = [
        each.event.message for each in heard if isinstance(each.event, Noticed) and "asking again" in each.event.message
    ]
    assert len(waits) == len(faults)
    assert {piece.kind for piece in pieces} == {"text", "arguments", "restart"}
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 100
    shown = [repr(heard), repr(pieces), repr(model), caplog.text]
    assert not any(server.key.encode() in each for each in written)
    assert not any(server.key in each for each in shown)
