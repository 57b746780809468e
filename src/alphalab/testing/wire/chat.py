"""OpenAI's Chat Completions, as OpenAI and compatible servers speak it; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from alphalab.testing.wire.answers import Answer, Call, Counted, Say, Think, Unknown, cut
from alphalab.testing.wire.cache import PrefixCache
from alphalab.testing.wire.checks import Given, require, require_data_url, require_keys, require_tool
from alphalab.testing.wire.openai_errors import error, key_of, overflow

Item = dict[str, Any]
Event = tuple[str, Item]
NAME = "openai-chat"
PATH = "/v1/chat/completions"
_NAMES = (
    "model messages tools tool_choice stream stream_options max_tokens max_completion_tokens reasoning_effort "
    "response_format prompt_cache_key prompt_cache_retention prompt_cache_options temperature top_p n stop seed store "
    "metadata parallel_tool_calls user safety_identifier service_tier verbosity web_search_options logprobs "
    "top_logprobs logit_bias frequency_penalty presence_penalty modalities prediction audio moderation"
)
_KEYS = frozenset(_NAMES.split())
_FIELDS = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
    "assistant": frozenset({"role", "content", "name", "refusal", "tool_calls", "audio"})
    | {"reasoning_content", "reasoning", "reasoning_details"},
}
_STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "context_window": "length",
    "refusal": "stop",
}
__all__ = ["NAME", "PATH", "check", "error", "error_event", "key_of", "new_cache", "overflow", "stream", "whole"]


def new_cache() -> PrefixCache:
    """A simulated cache of this provider."""
    return PrefixCache()


def error_event(kind: str, message: str) -> Event:
    """An error inside a stream; chunks of this format have no names."""
    return "", error(503, kind or "server_is_overloaded", message)


def check(headers: dict[str, str], body: Item, given: Given) -> None:  # noqa: ARG001 - one form for all formats
    """Refuse what the provider would refuse.

    Raises:
        Invalid: With the reason.
    """
    require_keys(body, _KEYS, ("model", "messages"))
    require(not {"max_tokens", "max_completion_tokens"} <= body.keys(), "Set one of max_tokens, max_completion_tokens.")
    messages: list[Item] = body["messages"]
    require(messages, "Invalid 'messages': empty array.")
    for at, tool in enumerate(body.get("tools", [])):
        function: Item = tool.get("function") or {}
        require(tool.get("type") == "function", f"Invalid value: 'tools[{at}].type'.")
        require_tool(function.get("name"), function.get("parameters"), f"tools[{at}].function")
    for at, message in enumerate(messages):
        _check_message(message, f"messages[{at}]")
    _check_pairs(messages)


def _check_message(message: Item, where: str) -> None:
    role = message.get("role")
    require(role in _FIELDS, f"Invalid value: {role!r} in '{where}.role'.")
    strange = sorted(message.keys() - _FIELDS[str(role)])
    require(not strange, f"Unrecognized key in '{where}': {strange}.")
    content = message.get("content")
    if role != "assistant" or not (message.get("tool_calls") or message.get("refusal")):
        require(content is not None, f"Invalid value for 'content': expected a string, got null. '{where}'")
    require("tool_calls" not in message or message["tool_calls"], f"Invalid '{where}.tool_calls': empty array.")
    parts: list[Item] = cast("list[Item]", content) if isinstance(content, list) else []
    for at, part in enumerate(parts):
        if part.get("type") == "image_url":
            require(role == "user", f"Image URLs are only allowed for messages with role 'user', not {role!r}.")
            require_data_url(part["image_url"].get("url"), f"{where}.content[{at}].image_url")


def _check_pairs(messages: list[Item]) -> None:
    """The messages after one with calls answer exactly these calls."""
    open_calls = set[str]()
    end: Item = {"role": "user"}
    for at, message in enumerate([*messages, end]):
        if message["role"] == "tool":
            call_id = str(message.get("tool_call_id"))
            require(call_id in open_calls, f"messages[{at}]: 'tool' must be a response to a preceding 'tool_calls'.")
            open_calls.remove(call_id)
            continue
        require(
            not open_calls,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following did not have response messages: {', '.join(sorted(open_calls))}",
        )
        made: list[Item] = message.get("tool_calls") or []
        open_calls = {str(call.get("id")) for call in made}


def whole(answer: Answer, counted: Counted, body: Item, given: Given) -> Item:
    """The answer as one JSON object."""
    text = "".join(part.text for part in answer.content if isinstance(part, Say))
    thought = "".join(part.text for part in answer.content if isinstance(part, Think))
    calls = [_call(part, given) for part in answer.content if isinstance(part, Call)]
    message: Item = {"role": "assistant", "content": text or None, "refusal": None}
    if answer.reason == "refusal":
        message |= {"content": None, "refusal": text}
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    for part in answer.content:
        if isinstance(part, Unknown):
            message |= part.data
    choice = {"index": 0, "message": message, "finish_reason": _STOPS[answer.reason], "logprobs": None}
    usage = {
        "prompt_tokens": counted.input_tokens,
        "completion_tokens": answer.written_tokens,
        "total_tokens": counted.input_tokens + answer.written_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached, "cache_write_tokens": counted.written},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }
    about = {"id": given.fresh("chatcmpl-"), "created": 1_700_000_000, "model": body["model"]}
    return {**about, "object": "chat.completion", "choices": [choice], "usage": usage}


def stream(answer: Answer, counted: Counted, body: Item, given: Given) -> Iterator[Event]:
    """The answer as chunks."""
    done = whole(answer, counted, body, given)
    about = {key: done[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    message = done["choices"][0]["message"]
    for delta in ({"role": "assistant", "content": ""}, *_deltas(message, answer.pieces), {}):
        reason = None if delta else done["choices"][0]["finish_reason"]
        yield "", {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]}
    options: Item = body.get("stream_options") or {}
    if options.get("include_usage"):
        yield "", {**about, "choices": [], "usage": done["usage"]}


def _deltas(message: Item, pieces: int) -> Iterator[Item]:
    for key in ("reasoning_content", "content", "refusal"):
        for piece in cut(message.get(key) or "", pieces):
            yield {key: piece}
    for index, call in enumerate(message.get("tool_calls", [])):
        yield {"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": ""}}]}
        for piece in cut(call["function"]["arguments"], pieces):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    known = {"role", "content", "refusal", "tool_calls", "reasoning_content"}
    unknown = {key: value for key, value in message.items() if key not in known}
    if unknown:
        yield unknown


def _call(part: Call, given: Given) -> Item:
    function = {"name": part.name, "arguments": part.raw}
    return {"id": part.id or given.fresh("call_"), "type": "function", "function": function}
