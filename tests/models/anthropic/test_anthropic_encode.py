"""Bodies of Messages requests: what the provider takes, and the same bytes again and again."""

import json
from itertools import pairwise

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from alphalab.messages import (
    ImageBlock,
    Message,
    OpaqueBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolSpec,
    ToolUseBlock,
)
from alphalab.models import ModelRequest
from alphalab.models.anthropic.encode import block_of, encoded_message, head, proofs, with_cache_points
from alphalab.models.wire.bodies import Bodies

PARAMS = TypeAdapter(MessageCreateParamsStreaming)
MARK = b',"cache_control":{"type":"ephemeral"}'
SHELL = ToolSpec(name="shell", description="Run.", parameters={"type": "object", "properties": {}})
PICTURE = ImageBlock(data=b"\x89PNG", media_type="image/png", width=1, height=1)


def bodies(effort=None, thinking=None):
    return Bodies(
        make_head=lambda request: head(request, model="m", effort=effort, thinking=thinking), encode=encoded_message
    )


def request(*messages, system="Be brief.", tools=(SHELL,), **more):
    return ModelRequest(system=system, messages=messages or [Message.user("hi")], tools=tools, conversation="c", **more)


def body(asked=None, **options):
    return json.loads(with_cache_points(bodies(**options).sent(asked or request())))


def long_conversation(turns, calls=1):
    messages = [Message.user("Begin. \u00e4\U0001f600")]
    for turn in range(turns):
        uses = [ToolUseBlock(id=f"t{turn}-{n}", name="shell", input={"n": n, "text": '"}]}'}) for n in range(calls)]
        thought = ThinkingBlock(text=f"thought {turn}", signature=f"sig{turn}")
        messages.append(Message.assistant(thought, TextBlock(text=f"turn {turn}"), *uses))
        results = [
            ToolResultBlock(
                tool_use_id=use.id,
                content=[TextBlock(text=f"output {turn} " * 20), *([PICTURE] if turn % 7 == 0 else [])],
                is_error=turn % 5 == 0,
            )
            for use in uses
        ]
        messages.append(Message(role="user", content=results))
    return messages


def test_a_body_is_what_the_sdk_would_send():
    sent = body(request(*long_conversation(3)), effort="high", thinking="adaptive")
    PARAMS.validate_python(sent)
    assert list(sent)[-1] == "messages"
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("m", 16_000, True)
    assert sent["thinking"] == {"type": "adaptive"}
    assert sent["output_config"] == {"effort": "high"}
    assert sent["tools"] == [{"name": "shell", "description": "Run.", "input_schema": SHELL.parameters}]


@pytest.mark.parametrize(
    ("thinking", "said"),
    [(None, None), ("off", {"type": "disabled"}), (2048, {"type": "enabled", "budget_tokens": 2048})],
)
def test_ways_of_thinking(thinking, said):
    assert body(thinking=thinking).get("thinking") == said


def test_what_an_answer_must_look_like_is_asked_for():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    assert body(request(output_schema=schema))["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


def test_the_providers_own_search():
    spec = ToolSpec(name="web_search", description="", parameters={}, server="web_search")
    sent = body(request(tools=(SHELL, spec)))
    assert sent["tools"][1] == {"type": "web_search_20250305", "name": "web_search"}
    PARAMS.validate_python(sent)


def marks(raw):
    sent = json.loads(raw)
    blocks = [
        *sent.get("system", []),
        *sent.get("tools", []),
        *(block for message in sent["messages"] for block in message["content"]),
    ]
    return sum("cache_control" in block for block in blocks)


@pytest.mark.parametrize("calls", [1, 30])
def test_every_request_of_fifty_turns_begins_with_the_one_before(calls):
    made, messages = bodies(), long_conversation(50, calls)
    plain, marked = [], []
    for end in range(1, len(messages) + 1, 2):
        sent = made.sent(request(*messages[:end]))
        plain.append(sent.body)
        marked.append(with_cache_points(sent))
    assert len(plain) == 51
    for before, after in pairwise(plain):
        assert before.endswith(b"]}")
        assert after.startswith(before[:-2] + b",")
    for raw, bare in zip(marked, plain, strict=True):
        head_end = bare.index(b'"messages":[')
        assert raw[:head_end] == bare[:head_end]
        assert raw[head_end:].replace(MARK, b"") == bare[head_end:]
        assert marks(raw) == (2 if raw is marked[0] else 3)
    for before, after in pairwise(marked):
        # Up to the last cache point of the one before, the next is the same, and has a cache point at that very place.
        assert b"".join(after.split(MARK)[:2]) == b"".join(before.split(MARK)[:-1])


def test_without_a_system_prompt_the_last_tool_carries_the_cache_point():
    sent = body(request(system=""))
    assert "system" not in sent
    assert sent["tools"][-1]["cache_control"] == {"type": "ephemeral"}


def test_an_answer_that_is_sent_again_after_a_pause_carries_none():
    search = OpaqueBlock(provider="anthropic", data={"type": "server_tool_use", "id": "s", "name": "web_search"})
    made = bodies()
    first, paused = Message.user("hi"), Message.assistant(ThinkingBlock(text="t", signature="s"), search)
    made.sent(request(first))
    raw = with_cache_points(made.sent(request(first, paused)))
    sent = json.loads(raw)
    assert sent["messages"][1]["content"] == [{"type": "thinking", "thinking": "t", "signature": "s"}, search.data]
    assert sent["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert marks(raw) == 2


@pytest.mark.parametrize(
    ("block", "sent"),
    [
        (TextBlock(text=" \n"), None),
        (TextBlock(text="a", extra={"anthropic": {"citations": [1]}}), {"type": "text", "text": "a", "citations": [1]}),
        (TextBlock(text="a", extra={"openai": {"part": {}}}), {"type": "text", "text": "a"}),
        (ThinkingBlock(text="t"), None),
        (ThinkingBlock(text="t", signature=""), None),
        (ThinkingBlock(text="t", extra={"openai": {"id": "rs"}}), None),
        (
            ThinkingBlock(text="", extra={"anthropic": {"type": "redacted_thinking", "data": "x"}}),
            {"type": "redacted_thinking", "data": "x"},
        ),
        (OpaqueBlock(provider="openai", data={"type": "x"}), None),
        (OpaqueBlock(provider="anthropic", data={"type": "x"}), {"type": "x"}),
        (
            ToolUseBlock(id="1", name="t", input={}, malformed='{"a'),
            {"type": "tool_use", "id": "1", "name": "t", "input": {"malformed_json": '{"a'}},
        ),
    ],
)
def test_blocks(block, sent):
    assert block_of(block) == sent


def test_results_with_pictures_and_errors():
    block = ToolResultBlock(tool_use_id="1", content=[TextBlock(text="no"), PICTURE], is_error=True)
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    assert block_of(block) == {
        "type": "tool_result",
        "tool_use_id": "1",
        "content": [{"type": "text", "text": "no"}, {"type": "image", "source": source}],
        "is_error": True,
    }


def test_a_message_of_nothing_is_not_sent():
    assert encoded_message(Message.assistant(ThinkingBlock(text="another's"))) == b""


def test_thoughts_that_are_not_taken_any_more_are_left_out():
    hidden = ThinkingBlock(text="", extra={"anthropic": {"type": "redacted_thinking", "data": "x"}})
    thoughts = [ThinkingBlock(text="t", signature="s"), hidden, ThinkingBlock(text="another's")]
    message = Message.assistant(*thoughts, TextBlock(text="so"))
    stale = proofs([message])
    assert len(stale) == 2
    assert json.loads(encoded_message(message, stale))["content"] == [{"type": "text", "text": "so"}]
    fresh = Message.assistant(ThinkingBlock(text="t", signature="s2"))
    assert encoded_message(fresh, stale) == encoded_message(fresh)


@given(text=st.text(min_size=1), value=st.text())
def test_any_text_is_json(text, value):
    message = Message(role="user", content=[TextBlock(text=text), ToolUseBlock(id="1", name="t", input={"x": value})])
    sent = json.loads(encoded_message(message))
    assert sent["content"][-1]["input"]["x"] == value.encode(errors="replace").decode()


def test_a_request_that_is_made_again_keeps_both_cache_points():
    made, messages = bodies(), long_conversation(2, 30)
    made.sent(request(*messages[:3]))
    first = with_cache_points(made.sent(request(*messages)))
    assert with_cache_points(made.sent(request(*messages))) == first
    assert marks(first) == 3
