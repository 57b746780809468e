"""What a Responses request says, without a network."""

import json
from functools import cache

import pytest
from openai.types.responses import response_input_item_param as items
from openai.types.responses.easy_input_message_param import EasyInputMessageParam
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from openai.types.responses.response_function_tool_call_param import ResponseFunctionToolCallParam
from openai.types.responses.response_output_message_param import ResponseOutputMessageParam
from openai.types.responses.response_reasoning_item_param import ResponseReasoningItemParam
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
from alphalab.models.openai.decode import blocks_of
from alphalab.models.openai.encode import ENCRYPTED, encoded_message, head, items_of

REASONING = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
REASONING |= {"encrypted_content": "gAAA", "status": "completed"}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [
        {"type": "output_text", "text": "Let me look.", "annotations": [{"type": "url_citation", "url": "u"}]},
        {"type": "refusal", "refusal": "Not that."},
        {"type": "output_hologram", "data": [1, 2]},
    ],
}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "shell", "status": "completed"}
CALL |= {"arguments": '{ "command" : "ls" }', "namespace": "tools"}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
COMPACTION = {"id": "cmp_1", "type": "compaction", "encrypted_content": "zzz"}
PICTURE = ImageBlock(data=b"\x89PNG", media_type="image/png", width=1, height=1)
TYPES = {
    "message": ResponseOutputMessageParam,
    "reasoning": ResponseReasoningItemParam,
    "function_call": ResponseFunctionToolCallParam,
    "function_call_output": items.FunctionCallOutput,
}


@cache
def adapter(kind):
    return TypeAdapter(kind)


def check_against_sdk(item):
    """Every key is one that the SDK knows, and has the type it says."""
    kind = TYPES.get(item.get("type"), EasyInputMessageParam)
    if item.get("role") == "user":
        kind = items.Message
    known = {name for base in (*kind.__mro__, kind) for name in getattr(base, "__annotations__", {})}
    assert item.keys() <= known, (kind, item.keys() - known)
    valid = adapter(kind).validate_python(item)
    for value in valid.values():
        if not isinstance(value, str | dict | list | None):
            list(value)  # checked when it is read


def request(**changes):
    return ModelRequest(**{"system": "Be brief.", "messages": [Message.user("hi")], "conversation": "c", **changes})


def body(effort=None, summary="auto", include=(ENCRYPTED,), **changes):
    made = head(request(**changes), model="m", effort=effort, summary=summary, include=include)
    return json.loads(made.opening + b"]}")


def test_everything_a_provider_sent_goes_back_as_it_came():
    sent = [REASONING, MESSAGE, SEARCH, REASONING | {"id": "rs_2"}, COMPACTION, CALL]
    blocks = [block for item in sent for block in blocks_of(item)]
    assert items_of(Message.assistant(*blocks)) == sent


def test_two_messages_in_a_row_stay_two():
    sent = [MESSAGE | {"id": "a", "phase": "commentary"}, MESSAGE | {"id": "b", "phase": "final_answer"}]
    assert items_of(Message.assistant(*(block for item in sent for block in blocks_of(item)))) == sent


def test_a_thought_without_the_item_it_led_to_is_left_out():
    assert items_of(Message.assistant(*blocks_of(CALL), *blocks_of(REASONING))) == [CALL]
    assert encoded_message(Message.assistant(*blocks_of(REASONING))) == b""


def test_a_thought_that_can_only_be_looked_up_is_left_out():
    hollow = REASONING | {"encrypted_content": None}
    assert items_of(Message.assistant(*blocks_of(hollow), *blocks_of(CALL))) == [CALL]


def test_malformed_arguments_go_back_as_the_model_wrote_them():
    (use,) = blocks_of(CALL | {"arguments": '{"command": "l'})
    assert use.malformed == '{"command": "l'
    assert use.input == {}
    assert items_of(Message.assistant(use))[0]["arguments"] == '{"command": "l'


def test_arguments_that_were_cut_short_later_are_sent_short():
    (use,) = blocks_of(CALL)
    shorter = ToolUseBlock(id=use.id, name=use.name, input={"command": "l..."}, extra=use.extra)
    assert items_of(Message.assistant(shorter))[0]["arguments"] == '{"command":"l..."}'


def test_blocks_of_other_providers_become_plain_ones_or_are_left_out():
    foreign = Message.assistant(
        ThinkingBlock(text="Hm.", signature="sig"),
        OpaqueBlock(provider="anthropic", data={"type": "server_tool_use"}),
        TextBlock(text="Look:", extra={"anthropic": {"citations": []}}),
        ToolUseBlock(id="toolu_1", name="shell", input={"command": "ls"}),
    )
    assert items_of(foreign) == [
        {"role": "assistant", "content": "Look:"},
        {"type": "function_call", "call_id": "toolu_1", "name": "shell", "arguments": '{"command":"ls"}'},
    ]


def test_results_and_words_keep_their_order():
    results = [
        ToolResultBlock(tool_use_id="a", content=[TextBlock(text="1"), TextBlock(text="2")]),
        ToolResultBlock(tool_use_id="b", content=[TextBlock(text="no such file")], is_error=True),
        ToolResultBlock(tool_use_id="c", content=[TextBlock(text="a plot"), PICTURE]),
    ]
    sent = items_of(Message(role="user", content=[*results, TextBlock(text="Go on."), PICTURE]))
    assert [item.get("output") for item in sent[:2]] == ["1\n2", "Error:\nno such file"]
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw==", "detail": "auto"}
    assert sent[2]["output"] == [{"type": "input_text", "text": "a plot"}, image]
    assert sent[3]["content"] == [{"type": "input_text", "text": "Go on."}, image]
    for item in sent:
        check_against_sdk(item)


def test_items_fit_the_sdk_types():
    text = {"type": "output_text", "text": "x", "annotations": []}
    blocks = [block for item in (REASONING, MESSAGE | {"content": [text]}, CALL) for block in blocks_of(item)]
    for item in items_of(Message.assistant(*blocks, TextBlock(text="foreign"))):
        check_against_sdk(item)


def test_the_head_fits_the_sdk_types_and_the_conversation_is_its_last_key():
    tools = [ToolSpec(name="shell", description="Run.", parameters={"type": "object"})]
    tools += [ToolSpec(name="web", description="", parameters={}, server="web_search")]
    sent = body(effort="high", tools=tools, output_schema={"type": "object"})
    adapter(ResponseCreateParamsStreaming).validate_python(sent)
    assert list(sent)[-1] == "input"
    assert sent["stream"] is True
    assert sent["store"] is False
    assert sent["include"] == ["reasoning.encrypted_content"]
    assert sent["instructions"] == "Be brief."
    assert sent["reasoning"] == {"effort": "high", "summary": "auto"}
    assert sent["max_output_tokens"] == 16_000
    assert sent["tools"][0]["strict"] is False
    assert sent["tools"][1] == {"type": "web_search"}
    assert sent["text"]["format"]["strict"] is False


def test_thoughts_are_summarised_where_there_are_any_and_it_is_wanted():
    assert body(effort="none")["reasoning"] == {"effort": "none"}
    assert body(effort="low", summary=None)["reasoning"] == {"effort": "low"}
    assert body(effort="low", summary="detailed")["reasoning"] == {"effort": "low", "summary": "detailed"}


def test_what_is_not_asked_for_is_not_sent():
    sent = body(system="", conversation="", include=())
    assert sorted(sent) == ["input", "max_output_tokens", "model", "store", "stream"]


def test_conversations_have_keys_of_their_own_within_the_limit():
    keys = {body(conversation=name)["prompt_cache_key"] for name in ("worker-1", "worker-2", "worker-1", "\ud800" * 99)}
    assert len(keys) == 3
    assert all(len(key) <= 64 for key in keys)


CLOSED = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
CLOSED |= {"additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (CLOSED | {"properties": {"ok": {"anyOf": [{"type": "null"}, CLOSED]}}}, True),
        (CLOSED | {"properties": {"ok": {"type": "array", "items": {"type": "object"}}}}, False),
        (CLOSED | {"properties": {"ok": {"anyOf": [{"type": "null"}, {"type": "object"}]}}}, False),
        (CLOSED | {"$defs": {"open": {"type": "object"}}}, False),
        (CLOSED | {"required": []}, False),
        (CLOSED | {"additionalProperties": True}, False),
        (CLOSED | {"if": {}}, False),
        (CLOSED | {"properties": {"ok": True}}, False),
        ({"anyOf": [CLOSED]}, False),
    ],
)
def test_a_schema_is_enforced_where_the_provider_can(schema, strict):
    assert body(output_schema=schema)["text"]["format"]["strict"] is strict
