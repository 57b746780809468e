"""What a Chat Completions request says, without a network."""

import json
from functools import cache, partial

import pytest
from openai.types.chat.chat_completion_assistant_message_param import ChatCompletionAssistantMessageParam
from openai.types.chat.chat_completion_tool_message_param import ChatCompletionToolMessageParam
from openai.types.chat.chat_completion_user_message_param import ChatCompletionUserMessageParam
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

from alphalab.errors import ModelError
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
from alphalab.models.openai_chat.encode import encoded_message, head, items_of

PICTURE = ImageBlock(data=b"\x89PNG", media_type="image/png", width=1, height=1)
URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
TYPES = {
    "assistant": ChatCompletionAssistantMessageParam,
    "tool": ChatCompletionToolMessageParam,
    "user": ChatCompletionUserMessageParam,
}
sent = partial(items_of, model="m")


@cache
def adapter(kind):
    return TypeAdapter(kind)


def check_against_sdk(item):
    valid = adapter(TYPES[item["role"]]).validate_python(item)
    assert item.keys() <= valid.keys()
    for value in valid.values():
        if not isinstance(value, str | dict | list | None):
            list(value)  # checked when it is read


def body(*, effort=None, limit_key="max_tokens", longest=32_000, cached=False, **changes):
    request = ModelRequest(**{"system": "Be brief.", "messages": [], "conversation": "c", **changes})
    made = head(request, model="m", effort=effort, limit_key=limit_key, longest=longest, cached=cached)
    return json.loads(made.opening + made.first + b"]}")


def own(**more):
    return {"openai-chat": {"model": "m", **more}}


def test_the_head_fits_the_sdk_types_and_the_messages_are_its_last_key():
    tools = [ToolSpec(name="shell", description="Run.", parameters={"type": "object"})]
    made = body(
        effort="low", limit_key="max_completion_tokens", cached=True, tools=tools, output_schema={"type": "object"}
    )
    adapter(CompletionCreateParamsStreaming).validate_python(made)
    assert list(made)[-1] == "messages"
    assert made["messages"] == [{"role": "system", "content": "Be brief."}]
    assert made["stream_options"] == {"include_usage": True}
    assert made["max_completion_tokens"] == 16_000
    assert made["reasoning_effort"] == "low"
    assert made["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert made["tools"][0]["function"]["name"] == "shell"
    assert len(made["prompt_cache_key"]) <= 64


def test_other_servers_get_only_what_all_of_them_know():
    assert sorted(body(system="")) == ["max_tokens", "messages", "model", "stream", "stream_options"]


def test_a_small_window_leaves_room_for_the_prompt():
    assert body(longest=2048)["max_tokens"] == 2048
    assert body(longest=2048, max_tokens=100)["max_tokens"] == 100


def test_a_search_of_the_provider_is_refused_here():
    with pytest.raises(ModelError, match="'web' is the provider's own web_search"):
        body(tools=[ToolSpec(name="web", description="", parameters={}, server="web_search")])


def test_results_come_first_and_their_pictures_after_all_of_them():
    results = [
        ToolResultBlock(tool_use_id="a", content=[TextBlock(text="a plot"), PICTURE]),
        ToolResultBlock(tool_use_id="b", content=[TextBlock(text="no such file")], is_error=True),
        ToolResultBlock(tool_use_id="c", content=[PICTURE, PICTURE]),
    ]
    items = sent(Message(role="user", content=[*results, TextBlock(text="Go on.")]))
    assert [item["role"] for item in items] == ["tool", "tool", "tool", "user"]
    assert [item["content"] for item in items[:3]] == [
        "a plot\n[1 picture(s): see the next user message]",
        "Error:\nno such file",
        "[2 picture(s): see the next user message]",
    ]
    words = [part.get("text") for part in items[3]["content"]]
    assert words == ["[from the tool call a]", None, "[from the tool call c]", None, None, "Go on."]
    assert items[3]["content"][1] == URL
    for item in items:
        check_against_sdk(item)


def test_text_alone_is_sent_as_a_string():
    (item,) = sent(Message(role="user", content=[TextBlock(text="a"), TextBlock(text="b")]))
    assert item == {"role": "user", "content": "a\nb"}


def test_an_answer_goes_back_with_all_that_its_model_sent():
    answer = Message.assistant(
        ThinkingBlock(text="Hm.", extra=own(key="reasoning_content")),
        TextBlock(text="Look:"),
        ToolUseBlock(
            id="call_1",
            name="shell",
            input={"command": "ls"},
            extra=own(arguments='{ "command" : "ls" }', more={"extra_content": {"sign": "x"}}),
        ),
        ToolUseBlock(id="call_2", name="shell", input={"command": "l..."}, extra=own(arguments='{"command":"long"}')),
        OpaqueBlock(provider="openai-chat", data={"model": "m", "message": {"reasoning_details": [1]}}),
    )
    (item,) = sent(answer)
    assert item == {
        "role": "assistant",
        "content": "Look:",
        "reasoning_content": "Hm.",
        "reasoning_details": [1],
        "tool_calls": [
            {
                "extra_content": {"sign": "x"},
                "id": "call_1",
                "type": "function",
                "function": {"name": "shell", "arguments": '{ "command" : "ls" }'},
            },
            {"id": "call_2", "type": "function", "function": {"name": "shell", "arguments": '{"command":"l..."}'}},
        ],
    }
    (elsewhere,) = items_of(answer, model="other")
    assert elsewhere.keys() == {"role", "content", "tool_calls"}
    assert elsewhere["tool_calls"][0].keys() == {"id", "type", "function"}
    check_against_sdk(elsewhere)


def test_malformed_arguments_are_sent_inside_json_because_servers_parse_them():
    (item,) = sent(Message.assistant(ToolUseBlock(id="c", name="shell", input={}, malformed='{"command": "l')))
    assert json.loads(item["tool_calls"][0]["function"]["arguments"]) == {"malformed": '{"command": "l'}
    assert item["content"] is None
    check_against_sdk(item)


def test_a_refusal_goes_back_as_one():
    (item,) = sent(Message.assistant(TextBlock(text="I cannot.", extra=own(refusal=True))))
    assert item == {"role": "assistant", "content": None, "refusal": "I cannot."}
    check_against_sdk(item)


def test_nothing_is_sent_of_a_message_that_only_others_understand():
    foreign = Message.assistant(
        ThinkingBlock(text="Hm.", signature="s"), OpaqueBlock(provider="anthropic", data={"type": "x"})
    )
    assert encoded_message(foreign, model="m") == b""
