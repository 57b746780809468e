"""Answers of the Messages interface, from their events."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab.errors import ContextOverflow, ModelError, ModelUnavailable, RateLimited
from alphalab.messages import OpaqueBlock, TextBlock, ThinkingBlock, ToolUseBlock
from alphalab.models.anthropic.decode import MessageReader
from alphalab.models.anthropic.encode import block_of, encoded_message

USED = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_1h_input_tokens": 5},
    "output_tokens": 1,
}
START = {"type": "message_start", "message": {"id": "msg_1", "model": "m-1", "content": [], "usage": USED}}
STOP = {"type": "message_stop"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def ended(reason="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 30, **usage}}


def block(index, start, *deltas):
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def read(*events, **options):
    reader = MessageReader(**options)
    for event in events:
        reader.take(event)
    return reader


def whole(*blocks, reason="end_turn"):
    return read(START, *(event for each in blocks for event in each), ended(reason), STOP).answer()


def text_deltas(*pieces):
    return [{"type": "text_delta", "text": piece} for piece in pieces]


def json_deltas(*pieces):
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


USE = {"type": "tool_use", "id": "toolu_1", "name": "shell", "input": {}}


def test_text_thought_and_calls():
    thought = [{"type": "thinking_delta", "thinking": "let me"}, {"type": "signature_delta", "signature": "sig"}]
    answer = whole(
        block(0, {"type": "thinking", "thinking": "", "signature": ""}, *thought),
        block(1, {"type": "text", "text": ""}, *text_deltas("Hel", "lo")),
        block(2, USE, *json_deltas('{"com', 'mand": "ls"}')),
        block(3, {**USE, "id": "toolu_2"}),
        reason="tool_use",
    )
    assert answer.message.content == (
        ThinkingBlock(text="let me", signature="sig"),
        TextBlock(text="Hello"),
        ToolUseBlock(id="toolu_1", name="shell", input={"command": "ls"}),
        ToolUseBlock(id="toolu_2", name="shell", input={}),
    )
    assert (answer.stop_reason, answer.served, answer.request_id) == ("tool_use", "m-1", "msg_1")


def test_usage_counts_cached_tokens_once():
    usage = whole().usage
    assert (usage.calls, usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (1, 130, 100, 20)
    assert usage.output_tokens == 30
    more = read(
        START, ended(output_tokens_details={"thinking_tokens": 7}, server_tool_use={"web_search_requests": 2}), STOP
    ).answer()
    assert (more.usage.reasoning_tokens, more.web_searches, more.cache_write_hour_tokens) == (7, 2, 5)


@pytest.mark.parametrize(
    "written", ['{"a', "[1]", "3", '"x"', '{"a": NaN', '{"a": NaN}', '{"a": [-Infinity]}', '{"a": 1e999}']
)
def test_arguments_that_are_no_object_stay_as_they_were_written_and_can_be_sent_back(written):
    answer = whole(block(0, USE, *json_deltas(written[:1], written[1:])))
    (use,) = answer.message.content
    assert (use.input, use.malformed) == ({}, written)
    (sent,) = json.loads(encoded_message(answer.message))["content"]
    assert sent["input"] == {"malformed_json": written}


def test_arguments_of_the_providers_own_calls_go_back_as_an_object_even_when_they_were_cut_off():
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    (opaque,) = whole(block(0, search, *json_deltas('{"query": "q')), reason="max_tokens").message.content
    assert block_of(opaque) == {**search, "input": {"malformed_json": '{"query": "q'}}


def test_a_thought_that_was_cut_off_has_no_signature_and_is_not_sent_back():
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    answer = whole(block(0, thought, {"type": "thinking_delta", "thinking": "hm"}), reason="max_tokens")
    assert answer.message.content == (ThinkingBlock(text="hm"),)
    assert encoded_message(answer.message) == b""


def test_a_thought_without_text_goes_back_with_its_signature():
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    answer = whole(block(0, thought, {"type": "signature_delta", "signature": "sig"}))
    assert [block_of(each) for each in answer.message.content] == [{**thought, "signature": "sig"}]


@pytest.mark.parametrize(
    ("start", "delta", "ends"),
    [
        ({"content": None}, {"content": "all of it"}, {"content": "all of it"}),
        ({"content": "some"}, {"content": None}, {"content": "some"}),
        ({"content": [1]}, {"content": [2]}, {"content": [1, 2]}),
        ({"content": [1]}, {"content": "s"}, {"content": "s"}),
        ({}, {"score": 0.5}, {"score": 0.5}),
    ],
)
def test_deltas_that_are_not_known_are_joined_where_they_fit_and_else_taken(start, delta, ends):
    answer = whole(block(0, {"type": "compaction", **start}, {"type": "compaction_delta", **delta}))
    assert answer.message.content == (OpaqueBlock(provider="anthropic", data={"type": "compaction", **ends}),)


@given(
    start=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    delta=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
)
def test_no_kind_of_block_or_delta_is_too_new(start, delta):
    answer = whole(block(0, {**start, "type": "novel"}, {**delta, "type": "novel_delta"}))
    (opaque,) = answer.message.content
    assert opaque.data["type"] == "novel"
    assert encoded_message(answer.message)


def test_a_call_without_an_id_is_no_answer():
    with pytest.raises(ModelError, match="'id'"):
        whole(block(0, {"type": "tool_use", "name": "shell", "input": {}}))


def test_counts_of_another_shape_are_not_counted():
    answer = read(START, ended(output_tokens_details=[1], server_tool_use=3, cache_creation="x"), STOP).answer()
    assert (answer.usage.output_tokens, answer.usage.reasoning_tokens, answer.web_searches) == (30, 0, 0)


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_window"),
        ("something_new", "other"),
    ],
)
def test_stop_reasons(reason, ours):
    assert whole(reason=reason).stop_reason == ours


def test_what_is_not_known_survives_a_round_trip():
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [{"url": "u", "encrypted": "e"}]}
    cited = {"type": "citations_delta", "citation": {"url": "u"}}
    hidden = {"type": "redacted_thinking", "data": "opaque"}
    future = {"type": "hologram", "shape": "cube"}
    answer = whole(
        block(0, search, *json_deltas('{"query": "q"}')),
        block(1, found),
        block(2, {"type": "text", "text": ""}, *text_deltas("so"), cited, cited),
        block(3, hidden),
        block(4, future, {"type": "hologram_delta", "shape": " and ball"}),
        block(5, {**USE, "caller": {"type": "direct"}}),
    )
    sent = [block_of(each) for each in answer.message.content]
    assert sent == [
        {**search, "input": {"query": "q"}},
        found,
        {"type": "text", "text": "so", "citations": [{"url": "u"}, {"url": "u"}]},
        hidden,
        {"type": "hologram", "shape": "cube and ball"},
        {**USE, "caller": {"type": "direct"}},
    ]
    assert isinstance(answer.message.content[4], OpaqueBlock)


def test_deltas_are_shown_as_they_come():
    shown = []
    thought = {"type": "thinking_delta", "thinking": "hm"}
    read(
        START,
        *block(0, {"type": "thinking", "thinking": ""}, thought, {"type": "signature_delta", "signature": "s"}),
        *block(1, {"type": "text", "text": ""}, *text_deltas("a", "", "b")),
        *block(2, USE, *json_deltas("", "{}")),
        on_delta=lambda delta: shown.append((delta.kind, delta.text)),
    )
    assert shown == [("thinking", "hm"), ("text", "a"), ("text", "b"), ("arguments", "{}")]


def test_events_that_are_not_known_are_passed_over():
    answer = read(START, {"type": "ping"}, {"type": "news", "x": 1}, ended(), STOP).answer()
    assert answer.message.content == ()


def test_a_stream_that_ends_early_is_no_answer_but_was_billed():
    reader = read(START, *block(0, {"type": "text", "text": ""}, *text_deltas("Hel")))
    with pytest.raises(ModelUnavailable, match="broke its answer off"):
        reader.answer()
    assert reader.usage.input_tokens == 130
    assert read().usage is None


@pytest.mark.parametrize(
    ("kind", "error"),
    [("overloaded_error", ModelUnavailable), ("rate_limit_error", RateLimited), ("invalid_request_error", ModelError)],
)
def test_errors_inside_a_stream(kind, error):
    event = {"type": "error", "error": {"type": kind, "message": "no"}}
    with pytest.raises(error, match="no"):
        read(START, event)


def test_overflow_inside_a_stream():
    event = {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}
    with pytest.raises(ContextOverflow):
        read(event)


def test_an_answer_that_was_not_streamed():
    body = {**START["message"], "type": "message", "stop_reason": "tool_use", "content": [{**USE, "input": {"a": 1}}]}
    answer = read(body).answer()
    assert answer.message.content == (ToolUseBlock(id="toolu_1", name="shell", input={"a": 1}),)
    assert answer.stop_reason == "tool_use"


def test_what_is_no_message_says_where_to_look():
    with pytest.raises(ModelError, match="base_url"):
        read({"object": "chat.completion", "choices": []})


@given(arguments=st.dictionaries(st.text(), st.text() | st.integers() | st.none()), cuts=st.lists(st.integers(0, 200)))
def test_arguments_survive_however_they_are_cut(arguments, cuts):
    raw = json.dumps(arguments)
    places = sorted({min(cut, len(raw)) for cut in cuts} | {0, len(raw)})
    pieces = [raw[start:end] for start, end in pairwise(places)]
    (use,) = whole(block(0, USE, *json_deltas(*pieces))).message.content
    assert (use.input, use.malformed) == (arguments, None)
