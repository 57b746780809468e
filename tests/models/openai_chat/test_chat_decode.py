"""What is made of the chunks of a Chat Completions answer, without a network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab.errors import ContextOverflow, ModelError, ModelUnavailable, RateLimited, Refused
from alphalab.messages import OpaqueBlock, TextBlock, ThinkingBlock, ToolUseBlock
from alphalab.models.openai_chat.decode import ChatReader
from alphalab.models.openai_chat.encode import items_of

USAGE = {
    "prompt_tokens": 1000,
    "prompt_tokens_details": {"cached_tokens": 900},
    "completion_tokens": 70,
    "completion_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1070,
}


def chunk(finish=None, **delta):
    return {"id": "c-1", "model": "m-2", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def calls(*pieces):
    return chunk(tool_calls=list(pieces))


def piece(index=None, key=None, name=None, arguments=None):
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    found = {"index": index, "id": key, "function": function}
    return {key: value for key, value in found.items() if value is not None}


def read(*events):
    deltas = []
    reader = ChatReader(model="m", on_delta=deltas.append)
    for event in events:
        reader.take(event)
    return reader.answer(), [(delta.kind, delta.text) for delta in deltas]


def uses(*events):
    answer, _ = read(*events, chunk(finish="tool_calls"))
    return [(use.id, use.name, use.input) for use in answer.message.tool_uses]


def test_text_thoughts_and_tokens():
    answer, deltas = read(
        chunk(role="assistant", content=""),
        chunk(reasoning_content="Hm", content=None),
        chunk(reasoning_content="."),
        chunk(content="So"),
        chunk(content=":", finish="stop"),
        {"id": "c-1", "choices": [], "usage": USAGE},
    )
    thought, text = answer.message.content
    assert isinstance(thought, ThinkingBlock)
    assert (thought.text, text) == ("Hm.", TextBlock(text="So:"))
    assert deltas == [("thinking", "Hm"), ("thinking", "."), ("text", "So"), ("text", ":")]
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.calls, answer.usage.input_tokens, answer.usage.cached_tokens) == (1, 1000, 900)
    assert (answer.usage.output_tokens, answer.usage.reasoning_tokens) == (70, 20)
    assert (answer.served, answer.request_id) == ("m-2", "c-1")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thoughts_go_back_under_the_key_they_came_with(key):
    answer, _ = read(chunk(**{key: "Hm."}), chunk(content="So."), chunk(finish="stop"))
    assert items_of(answer.message, model="m") == [{"role": "assistant", "content": "So.", key: "Hm."}]


def test_thoughts_that_come_under_both_keys_are_kept_once():
    answer, deltas = read(
        chunk(reasoning_content="H", reasoning="H"), chunk(reasoning_content="m", reasoning="m"), chunk("stop")
    )
    assert deltas == [("thinking", "H"), ("thinking", "m")]
    assert items_of(answer.message, model="m") == [{"role": "assistant", "content": "", "reasoning_content": "Hm"}]


def test_calls_as_openai_sends_them():
    assert uses(
        calls(piece(0, "a", "shell", "")),
        calls(piece(0, arguments='{"x"')),
        calls(piece(1, "b", "grep", "")),
        calls(piece(0, arguments=":1}"), piece(1, arguments='{"y":2}')),
    ) == [("a", "shell", {"x": 1}), ("b", "grep", {"y": 2})]


@pytest.mark.parametrize(
    "events",
    [
        [calls(piece(None, "a", "f", '{"x":1}'), piece(None, "b", "f", '{"x":2}'))],
        [calls(piece(0, "a", "f", '{"x":1}')), calls(piece(0, "b", "f", '{"x":2}'))],
        [calls(piece(0, "a", "f", '{"x"')), calls(piece(0, "a", "f", ":1}")), calls(piece(1, "b", "f", '{"x":2}'))],
        [calls(piece(0, "a", "f", "")), calls(piece(0, "", "f", '{"x":1}')), calls(piece(1, "b", "f", {"x": 2}))],
        [calls(piece(None, "a", "f", '{"x"')), calls(piece(arguments=":1}")), calls(piece(None, "b", "f", '{"x":2}'))],
        [
            calls(piece(0, "a", "f"), piece(1, "b", "f")),
            calls(piece(1, None, None, '{"x":2}'), piece(0, "a", None, '{"x":1}')),
        ],
    ],
    ids=["no index", "index always 0", "all repeated", "name repeated, object", "no index, pieces", "out of order"],
)
def test_calls_as_other_servers_send_them(events):
    assert uses(*events) == [("a", "f", {"x": 1}), ("b", "f", {"x": 2})]


@pytest.mark.parametrize("key", [None, "", "same"])
def test_calls_without_ids_of_their_own_get_one(key):
    found = uses(calls(piece(0, key, "f", '{"x":1}'), piece(1, key, "f", '{"x":2}')))
    assert [use[1:] for use in found] == [("f", {"x": 1}), ("f", {"x": 2})]
    assert len({use[0] for use in found}) == 2
    assert all(use[0] for use in found)


def test_calls_with_neither_number_nor_id_are_told_apart_by_name_and_completeness():
    pieces = [piece(None, None, "f", '{"x":1}'), piece(None, None, "f", '{"x":2}'), piece(None, None, "g", "{}")]
    assert [use[1:] for use in uses(calls(*pieces))] == [("f", {"x": 1}), ("f", {"x": 2}), ("g", {})]


def test_malformed_arguments_are_shown_and_nothing_means_none():
    answer, _ = read(calls(piece(0, "a", "f", '{"x": '), piece(1, "b", "f", "")), chunk("tool_calls"))
    assert [(use.malformed, use.input) for use in answer.message.tool_uses] == [('{"x": ', {}), (None, {})]


@pytest.mark.parametrize("raw", ['{"x": NaN}', "[1]", '"text"', "[" * 100_000, "1" * 10_000, "null"])
def test_what_is_no_json_object_is_malformed(raw):
    answer, _ = read(calls(piece(0, "a", "f", raw)), chunk("tool_calls"))
    assert answer.message.tool_uses[0].malformed == raw


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text()), min_size=1, max_size=4), st.integers(1, 9))
def test_however_a_stream_is_cut_the_calls_are_the_same(inputs, size):
    import json

    events = []
    for number, value in enumerate(inputs):
        raw = json.dumps(value)
        events.append(calls(piece(number, f"id-{number}", "f", "")))
        events += [calls(piece(number, arguments=raw[at : at + size])) for at in range(0, len(raw), size)]
    assert [use[2] for use in uses(*events)] == inputs


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("eos", "other")],
)
def test_reasons_to_stop(finish, stop):
    assert read(chunk(content="x"), chunk(finish))[0].stop_reason == stop


@pytest.mark.parametrize("finish", ["stop", "tool_calls", "function_call"])
def test_calls_are_a_reason_whatever_the_server_says(finish):
    assert read(calls(piece(0, "a", "f", "{}")), chunk(finish))[0].stop_reason == "tool_use"
    assert read(calls(piece(0, "a", "f", "{")), chunk("length"))[0].stop_reason == "max_tokens"


def test_the_old_form_of_a_call_is_read():
    events = [chunk(function_call={"name": "f", "arguments": '{"x"'}), chunk(function_call={"arguments": ":1}"})]
    assert [use[1:] for use in uses(*events)] == [("f", {"x": 1})]


def test_a_refusal_is_one_and_can_be_read():
    answer, _ = read(chunk(refusal="I "), chunk(refusal="cannot."), chunk("stop"))
    assert answer.stop_reason == "refusal"
    assert answer.message.text == "I cannot."
    assert items_of(answer.message, model="m")[0]["refusal"] == "I cannot."


def test_unknown_keys_survive_a_round_trip():
    answer, _ = read(
        chunk(content="x", reasoning_details=[{"index": 0, "type": "reasoning.text", "text": "a"}], audio=None),
        chunk(reasoning_details=[{"index": 0, "type": "reasoning.text", "text": "b"}, {"index": 1, "data": "enc"}]),
        chunk(tool_calls=[{**piece(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "s"}}}]),
        chunk("tool_calls", annotations=[]),
    )
    (item,) = items_of(answer.message, model="m")
    details = [{"index": 0, "type": "reasoning.text", "text": "ab"}, {"index": 1, "data": "enc"}]
    assert item["reasoning_details"] == details
    assert item["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}
    assert item.keys() == {"role", "content", "reasoning_details", "tool_calls"}


def test_content_in_parts_is_read_and_sent_back_whole():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "So."}]
    answer, _ = read(chunk(content=parts), chunk("stop"))
    assert answer.message.text == "So."
    assert items_of(answer.message, model="m")[0]["content"] == parts


def test_a_whole_answer_is_read_like_a_stream():
    message = {"role": "assistant", "content": "x", "refusal": None, "tool_calls": [piece(None, "a", "f", '{"x":1}')]}
    whole = {"id": "c", "object": "chat.completion", "choices": [{"message": message, "finish_reason": "stop"}]}
    answer, _ = read({**whole, "usage": USAGE})
    assert [type(block) for block in answer.message.content] == [TextBlock, ToolUseBlock]
    assert answer.stop_reason == "tool_use"
    assert answer.usage.input_tokens == 1000


@pytest.mark.parametrize("finish", [None, "error", "abort", "insufficient_system_resource"])
def test_an_answer_that_broke_off_is_none(finish):
    with pytest.raises(ModelUnavailable, match="broke its answer off"):
        read(chunk(content="half"), *([chunk(finish)] if finish else []))


def test_thoughts_counted_only_in_the_total_are_output():
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45, "prompt_cache_hit_tokens": 8}
    answer, _ = read(chunk("stop"), {"choices": [], "usage": usage})
    assert (answer.usage.output_tokens, answer.usage.cached_tokens) == (35, 8)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "x", "type": "BadRequestError", "code": 400}, ModelError),
        ({"message": "maximum context length is 4096", "type": "BadRequestError", "code": 400}, ContextOverflow),
        ({"message": "x", "type": "server_error", "code": None}, ModelUnavailable),
        ({"message": "x", "code": 429}, RateLimited),
        ({"message": "x", "code": "content_filter"}, Refused),
    ],
)
def test_errors_inside_a_stream_are_told_apart(error, kind):
    for event in ({"error": error}, {"object": "error", **error}):
        with pytest.raises(ModelError) as caught:
            read(chunk(content="half"), event)
        assert type(caught.value) is kind


def test_what_is_unknown_alone_is_kept():
    answer, _ = read(chunk(hologram={"a": 1}), chunk("stop"))
    assert answer.message.content == (
        OpaqueBlock(provider="openai-chat", data={"model": "m", "message": {"hologram": {"a": 1}}}),
    )
