"""What is made of the events of the Responses interface, without a network."""

import pytest

from alphalab.errors import AuthenticationFailed, ContextOverflow, ModelError, ModelUnavailable, RateLimited, Refused
from alphalab.messages import OpaqueBlock, TextBlock, ThinkingBlock, ToolUseBlock
from alphalab.models.openai.decode import ResponseReader

USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 50},
    "output_tokens": 70,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1070,
}


def done(index, **item):
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def text(*parts, **more):
    content = [{"type": "output_text", "text": part, "annotations": []} for part in parts]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content, **more}


def call(number, arguments="{}"):
    return {"type": "function_call", "call_id": f"call_{number}", "name": "shell", "arguments": arguments}


def last(kind="completed", **response):
    response = {"id": "resp_1", "object": "response", "status": kind, "model": "m-2026", "usage": USAGE, **response}
    return {"type": f"response.{kind}", "response": response}


def read(*events):
    deltas = []
    reader = ResponseReader(on_delta=deltas.append)
    for event in events:
        reader.take(event)
    return reader.answer(), [(delta.kind, delta.text) for delta in deltas]


def test_items_come_in_their_order_and_tokens_are_counted():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "One."}, {"text": "Two."}]}
    search = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}}
    answer, _ = read(done(1, **text("So:")), done(0, **thought), done(3, **call(1)), done(2, **search), last())
    kinds = [type(block) for block in answer.message.content]
    assert kinds == [ThinkingBlock, TextBlock, OpaqueBlock, ToolUseBlock]
    assert answer.message.content[0].text == "One.\n\nTwo."
    assert answer.stop_reason == "tool_use"
    assert (answer.usage.calls, answer.usage.input_tokens, answer.usage.cached_tokens) == (1, 1000, 900)
    assert (answer.usage.cache_write_tokens, answer.usage.output_tokens, answer.usage.reasoning_tokens) == (50, 70, 20)
    assert (answer.served, answer.request_id, answer.web_searches) == ("m-2026", "resp_1", 1)


def test_several_calls_of_one_turn():
    answer, _ = read(done(0, **call(1, '{"a":1}')), done(1, **call(2, '{"a":')), done(2, **call(3, "[1]")), last())
    uses = answer.message.tool_uses
    assert [use.id for use in uses] == ["call_1", "call_2", "call_3"]
    assert [use.input for use in uses] == [{"a": 1}, {}, {}]
    assert [use.malformed for use in uses] == [None, '{"a":', "[1]"]


def test_pieces_are_shown_as_they_arrive():
    _, deltas = read(
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "response.reasoning_summary_part.added", "summary_index": 0},
        {"type": "response.reasoning_summary_text.delta", "delta": "One."},
        {"type": "response.reasoning_summary_part.added", "summary_index": 1},
        {"type": "response.reasoning_summary_text.delta", "delta": "Two."},
        {"type": "response.reasoning_text.delta", "delta": "raw"},
        {"type": "response.output_text.delta", "delta": "So"},
        {"type": "response.refusal.delta", "delta": "No"},
        {"type": "response.function_call_arguments.delta", "delta": '{"a'},
        {"type": "response.event_of_next_year", "delta": "?"},
        last(),
    )
    thinking = ["One.", "\n\n", "Two.", "raw"]
    assert deltas == [*(("thinking", each) for each in thinking), ("text", "So"), ("text", "No"), ("arguments", '{"a')]


def test_a_whole_answer_is_read_like_a_stream():
    answer, _ = read(last(output=[text("Hello")])["response"])
    assert answer.message.text == "Hello"
    assert answer.stop_reason == "end_turn"


def test_items_that_only_the_last_event_lists_are_kept():
    answer, _ = read(done(0, **text("complete")), last(output=[text("in"), call(1)]))
    assert answer.message.text == "complete"
    assert [use.id for use in answer.message.tool_uses] == ["call_1"]


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("max_output_tokens", "max_tokens"), ("content_filter", "refusal"), ("max_messages", "other"), (None, "other")],
)
def test_incomplete_answers_say_why(reason, stop):
    answer, _ = read(done(0, **call(1, '{"a')), last("incomplete", incomplete_details=reason and {"reason": reason}))
    assert answer.stop_reason == stop


def test_a_refusal_is_one_and_can_be_read():
    answer, _ = read(done(0, **text() | {"content": [{"type": "refusal", "refusal": "I cannot."}]}), last())
    assert answer.stop_reason == "refusal"
    assert answer.message.text == "I cannot."


def test_a_stream_that_ends_early_is_no_answer():
    with pytest.raises(ModelUnavailable, match="broke its answer off"):
        read(done(0, **text("half")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "x"}, ModelUnavailable),
        ({"code": "rate_limit_exceeded", "message": "x"}, RateLimited),
        ({"code": "context_length_exceeded", "message": "Your input exceeds the context window"}, ContextOverflow),
        ({"code": "invalid_prompt", "message": "x"}, Refused),
        ({"code": "bio_policy", "message": "x"}, Refused),
        ({"code": "invalid_image_format", "message": "x"}, ModelError),
        ({"code": "image_parse_error", "message": "x"}, ModelError),
        ({"code": "invalid_api_key", "message": "x"}, AuthenticationFailed),
    ],
)
def test_failures_inside_a_stream_are_told_apart(error, kind):
    failed = last("failed", error=error)
    for event in (failed, failed["response"], {"type": "error", **error}, {"type": "error", "error": error}):
        reader = ResponseReader()
        with pytest.raises(ModelError) as caught:
            reader.take(event)
        assert type(caught.value) is kind
        assert (reader.usage is not None) == (event.get("type") != "error")


def test_a_cancelled_answer_is_none():
    with pytest.raises(ModelUnavailable, match="cancelled"):
        read(last("cancelled"))


def test_json_of_another_service_is_named():
    with pytest.raises(ModelError, match=r"'detail'.*base_url"):
        read({"detail": "hello"})
