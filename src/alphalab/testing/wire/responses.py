"""OpenAI's Responses: what it takes, what it answers; pure but for what it remembers of its own thoughts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alphalab.testing.wire.answers import Answer, Call, Counted, Part, Say, Think, Unknown, cut
from alphalab.testing.wire.cache import PrefixCache
from alphalab.testing.wire.checks import Given, require, require_data_url, require_keys, require_tool
from alphalab.testing.wire.openai_errors import error, error_event, key_of, overflow

Item = dict[str, Any]
Event = tuple[str, Item]
NAME = "openai"
PATH = "/v1/responses"
_NAMES = (
    "model input instructions tools tool_choice stream stream_options store include reasoning max_output_tokens "
    "max_tool_calls metadata parallel_tool_calls previous_response_id conversation prompt prompt_cache_key "
    "prompt_cache_retention prompt_cache_options safety_identifier service_tier temperature text top_logprobs top_p "
    "truncation user background context_management moderation"
)
_KEYS = frozenset(_NAMES.split())
_TEXTS = frozenset({"input_text", "output_text", "refusal", "text"})
__all__ = ["NAME", "PATH", "check", "error", "error_event", "key_of", "new_cache", "overflow", "stream", "whole"]


def new_cache() -> PrefixCache:
    """A simulated cache of this provider."""
    return PrefixCache()


def check(headers: dict[str, str], body: Item, given: Given) -> None:  # noqa: ARG001 - one form for all formats
    """Refuse what the provider would refuse.

    Raises:
        Invalid: With the reason.
    """
    require_keys(body, _KEYS, ("model", "input"))
    limit = body.get("max_output_tokens", 16)
    require(isinstance(limit, int) and limit >= 16, f"Invalid 'max_output_tokens': {limit!r} is below 16.")
    for at, tool in enumerate(body.get("tools", [])):
        if tool.get("type") == "function":
            require_tool(tool.get("name"), tool.get("parameters"), f"tools[{at}]")
    if not isinstance(body["input"], str):
        for at, item in enumerate(body["input"]):
            _check_item(item, f"input[{at}]")
        _check_pairs(body["input"])
        _check_thoughts(body["input"], given)


def _check_item(item: Item, where: str) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        require(item.get("role") in {"user", "assistant", "system", "developer"}, f"Invalid value: '{where}.role'.")
        _check_content(item.get("content"), f"{where}.content")
    elif kind == "function_call":
        require(isinstance(item.get("arguments"), str), f"Invalid type for '{where}.arguments': expected a string.")
        require(item.get("call_id") and item.get("name"), f"Missing required parameter: '{where}.call_id'.")
    elif kind == "function_call_output":
        _check_content(item.get("output"), f"{where}.output")


def _check_content(content: Any, where: str) -> None:
    require(isinstance(content, str | list), f"Missing required parameter: '{where}'.")
    parts: list[Item] = [] if isinstance(content, str) else content
    for at, part in enumerate(parts):
        if part.get("type") == "input_image":
            require_data_url(part.get("image_url"), f"{where}[{at}].image_url")
        else:
            require(part.get("type") in _TEXTS, f"Invalid value: {part.get('type')!r} in '{where}[{at}].type'.")


def _check_pairs(items: list[Item]) -> None:
    calls, answered = set[str](), set[str]()
    for item in items:
        call_id = str(item.get("call_id"))
        if item.get("type") == "function_call":
            require(call_id not in calls, f"Duplicate item with call_id {call_id}.")
            calls.add(call_id)
        elif item.get("type") == "function_call_output":
            require(call_id in calls, f"No tool call found for function call output with call_id {call_id}.")
            require(call_id not in answered, f"Duplicate output for call_id {call_id}.")
            answered.add(call_id)
    missing = sorted(calls - answered)
    require(not missing, f"No tool output found for function call {', '.join(missing)}.")


def _check_thoughts(items: list[Item], given: Given) -> None:
    """Thoughts come back whole, with the item they led to; a call that was thought about comes with the thought."""
    due = list[str]()
    for at, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "reasoning":
            _check_thought(item, items[at + 1 : at + 2], given)
            due.append(str(item["encrypted_content"]))
        elif kind == "function_call" and item.get("id"):
            wanted = given.with_calls.get(str(item.get("call_id")), ())
            require(
                all(proof in due for proof in wanted),
                f"Item '{item['id']}' of type 'function_call' was provided without its required 'reasoning' item.",
            )


def _check_thought(item: Item, after: list[Item], given: Given) -> None:
    name, proof = item.get("id"), item.get("encrypted_content")
    require(
        proof, f"Item with id '{name}' not found. Items are not persisted when `store` is set to false.", status=404
    )
    require(proof in given.thoughts, f"The encrypted content for item {name} could not be verified.")
    theirs = bool(after) and after[0].get("role", "assistant") == "assistant"
    theirs = theirs and after[0].get("type") != "function_call_output"
    require(theirs, f"Item '{name}' of type 'reasoning' was provided without its required following item.")


def whole(answer: Answer, counted: Counted, body: Item, given: Given) -> Item:
    """The answer as one JSON object."""
    items = _written(answer, body, given)
    usage = {
        "input_tokens": counted.input_tokens,
        "input_tokens_details": {"cached_tokens": counted.cached, "cache_write_tokens": counted.written},
        "output_tokens": answer.written_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": counted.input_tokens + answer.written_tokens,
    }
    reason = {"max_tokens": "max_output_tokens", "context_window": "max_output_tokens"}.get(answer.reason)
    return {
        "id": given.fresh("resp_"),
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": body["model"],
        "output": items,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": body.get("tools", []),
        "top_p": 1.0,
        "usage": usage,
    }


def stream(answer: Answer, counted: Counted, body: Item, given: Given) -> Iterator[Event]:
    """The answer as events, numbered in order."""
    done = whole(answer, counted, body, given)
    begun: Item = {**done, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[Item] = [{"type": f"response.{state}", "response": begun} for state in ("created", "in_progress")]
    for index, item in enumerate(done["output"]):
        opening = {**item, "status": "in_progress"} if "status" in item else item
        blank: Item = {"content": [], "summary": [], "arguments": ""}
        empty = {key: value for key, value in blank.items() if key in item}
        events.append({"type": "response.output_item.added", "output_index": index, "item": {**opening, **empty}})
        events += [{**event, "output_index": index, "item_id": item.get("id")} for event in _inner(item, answer.pieces)]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": f"response.{done['status']}", "response": done})
    for number, event in enumerate(events):
        yield event["type"], {**event, "sequence_number": number}


def _inner(item: Item, pieces: int) -> Iterator[Item]:
    match item.get("type"):
        case "message":
            part = item["content"][0]
            refused = part["type"] == "refusal"
            key, name = ("refusal", "response.refusal") if refused else ("text", "response.output_text")
            place: Item = {"content_index": 0}
            more: Item = {} if refused else {"logprobs": []}
            yield {"type": "response.content_part.added", **place, "part": {**part, key: ""}}
            for piece in cut(part[key], pieces):
                yield {"type": f"{name}.delta", **place, "delta": piece, **more}
            yield {"type": f"{name}.done", **place, key: part[key], **more}
            yield {"type": "response.content_part.done", **place, "part": part}
        case "reasoning":
            for at, part in enumerate(item["summary"]):
                name, place = "response.reasoning_summary", {"summary_index": at}
                yield {"type": f"{name}_part.added", **place, "part": {**part, "text": ""}}
                for piece in cut(part["text"], pieces):
                    yield {"type": f"{name}_text.delta", **place, "delta": piece}
                yield {"type": f"{name}_text.done", **place, "text": part["text"]}
                yield {"type": f"{name}_part.done", **place, "part": part}
        case "function_call":
            name = "response.function_call_arguments"
            for piece in cut(item["arguments"], pieces):
                yield {"type": f"{name}.delta", "delta": piece}
            yield {"type": f"{name}.done", "arguments": item["arguments"], "name": item["name"]}
        case _:
            return


def _written(answer: Answer, body: Item, given: Given) -> list[Item]:
    items, proofs = list[Item](), list[str]()
    for part in answer.content:
        item = _item(part, answer, given)
        if item["type"] == "reasoning":
            proofs.append(item["encrypted_content"])
            if "reasoning.encrypted_content" not in (body.get("include") or ()):
                item["encrypted_content"] = None
        elif item["type"] == "function_call":
            given.with_calls[item["call_id"]] = tuple(proofs)
        items.append(item)
    return items


def _item(part: Part, answer: Answer, given: Given) -> Item:
    match part:
        case Say(text) if answer.reason == "refusal":
            return _message({"type": "refusal", "refusal": text}, given)
        case Say(text):
            return _message({"type": "output_text", "text": text, "annotations": [], "logprobs": []}, given)
        case Think(text, proof):
            sealed = proof or given.fresh("enc_")
            given.thoughts[sealed] = text
            summary = [{"type": "summary_text", "text": text}] if text else []
            return {"id": given.fresh("rs_"), "type": "reasoning", "summary": summary, "encrypted_content": sealed}
        case Call():
            return {
                "id": given.fresh("fc_"),
                "type": "function_call",
                "status": "incomplete" if answer.reason == "max_tokens" else "completed",
                "arguments": part.raw,
                "call_id": part.id or given.fresh("call_"),
                "name": part.name,
            }
        case Unknown(data):
            return data


def _message(content: Item, given: Given) -> Item:
    return {
        "id": given.fresh("msg_"),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [content],
    }
