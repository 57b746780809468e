"""Anthropic's Messages: what it takes, what it answers; pure but for what it remembers of its own thoughts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from alphalab.testing.wire.answers import Answer, Call, Counted, Part, Say, Think, Unknown, cut
from alphalab.testing.wire.cache import PointCache
from alphalab.testing.wire.checks import Given, Invalid, require, require_image, require_keys, require_tool

Item = dict[str, Any]
Event = tuple[str, Item]
NAME = "anthropic"
PATH = "/v1/messages"
_NAMES = (
    "model max_tokens messages system tools tool_choice stream thinking output_config metadata stop_sequences "
    "temperature top_p top_k cache_control container service_tier inference_geo context_management speed "
    "diagnostics mcp_servers"
)
_KEYS = frozenset(_NAMES.split())
_RESULTS = frozenset({"text", "image", "document", "search_result", "tool_reference"})
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def key_of(headers: dict[str, str]) -> str:
    """The key that a request carries: SDK 2 sends it as a bearer token, `curl` and earlier ones as `x-api-key`."""
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")


def new_cache() -> PointCache:
    """A simulated cache of this provider."""
    return PointCache()


def error(status: int, kind: str, message: str) -> Item:
    """The body of an error."""
    kind = kind or _KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_wire"}


def error_event(kind: str, message: str) -> Event:
    """An error inside a stream."""
    return "error", error(529, kind, message)


def overflow(tokens: int, limit: int) -> Item:
    """The body of the error for a request larger than the window."""
    return error(400, "", f"prompt is too long: {tokens} tokens > {limit} maximum")


def check(headers: dict[str, str], body: Item, given: Given) -> None:
    """Refuse what the provider would refuse.

    Raises:
        Invalid: With the reason.
    """
    require(headers.get("anthropic-version"), "anthropic-version: header is required")
    require_keys(body, _KEYS, ("model", "max_tokens", "messages"))
    limit = body["max_tokens"]
    require(isinstance(limit, int) and limit >= 1, f"max_tokens: must be at least 1, got {limit!r}")
    messages: list[Item] = body["messages"]
    require(messages, "messages: at least one message is required")
    tools: list[Item] = body.get("tools", [])
    for at, tool in enumerate(tools):
        if tool.get("type", "custom") == "custom":
            require_tool(tool.get("name"), tool.get("input_schema"), f"tools.{at}")
    names = [tool.get("name") for tool in tools]
    require(len(set(names)) == len(names), "tools: Tool names must be unique.")
    _check_system(body.get("system"))
    for at, message in enumerate(messages):
        _check_message(message, f"messages.{at}", last=at == len(messages) - 1)
    _check_pairs(messages)
    _check_thoughts(messages, given)
    points = _points(body)
    require(points <= 4, f"A maximum of 4 blocks with cache_control may be provided. Found {points}.")


def _check_system(system: Any) -> None:
    blocks: list[Item] = cast("list[Item]", system) if isinstance(system, list) else []
    for at, block in enumerate(blocks):
        require(block.get("type") == "text", f"system.{at}.type: must be 'text'")
        require(block.get("text"), "system: text content blocks must be non-empty")


def _blocks(message: Item) -> list[Item]:
    content: str | list[Item] = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _check_message(message: Item, where: str, *, last: bool) -> None:
    require(message.get("role") in {"user", "assistant"}, f"{where}.role: must be 'user' or 'assistant'")
    require(set(message) <= {"role", "content"}, f"{where}: Extra inputs are not permitted: {sorted(message)}")
    require("content" in message, f"{where}.content: Field required")
    blocks = _blocks(message)
    require(blocks or (last and message["role"] == "assistant"), f"{where}: all messages must have non-empty content")
    for at, block in enumerate(blocks):
        _check_block(block, message["role"], f"{where}.content.{at}")


def _check_block(block: Item, role: str, where: str) -> None:
    match block.get("type"):
        case "text":
            require(block.get("text"), f"{where}: text content blocks must be non-empty")
            require(str(block["text"]).strip(), f"{where}: text content blocks must contain non-whitespace text")
        case "image":
            _check_picture(block, where)
        case "tool_use":
            require(role == "assistant", f"{where}: `tool_use` blocks can only be in `assistant` messages")
            require(isinstance(block.get("input"), dict), f"{where}.tool_use.input: Input should be a valid dictionary")
        case "tool_result":
            require(role == "user", f"{where}: `tool_result` blocks can only be in `user` messages")
            _check_result(block, where)
        case "thinking":
            require(role == "assistant", f"{where}: `thinking` blocks can only be in `assistant` messages")
            require("cache_control" not in block, f"{where}.thinking.cache_control: Extra inputs are not permitted")
            require(block.get("signature"), f"{where}.thinking.signature: Field required")
        case None:
            raise Invalid(f"{where}.type: Field required")
        case _:
            require(
                role == "assistant", f"{where}: Input tag {block['type']!r} does not match any of the expected tags"
            )


def _check_picture(block: Item, where: str) -> None:
    source: Item = block.get("source") or {}
    if source.get("type") == "base64":
        require_image(source.get("media_type"), source.get("data"), f"{where}.source")


def _check_result(block: Item, where: str) -> None:
    content = block.get("content", [])
    parts: list[Item] = [] if isinstance(content, str) else content
    for at, part in enumerate(parts):
        require(part.get("type") in _RESULTS, f"{where}.tool_result.content.{at}: {part.get('type')!r} not permitted")
        _check_block(part, "user", f"{where}.tool_result.content.{at}")
        # Source: the API refuses pictures in results that are errors.
        require(not block.get("is_error") or part["type"] == "text", f"{where}: all content must be text if `is_error`")


def _check_pairs(messages: list[Item]) -> None:
    """Each call is answered in the very next message, and results come first in it."""
    asked = set[str]()
    end: Item = {"role": "user", "content": []}
    for at, message in enumerate([*messages, end]):
        results = [block for block in _blocks(message) if block.get("type") == "tool_result"]
        ids = [str(block.get("tool_use_id")) for block in results]
        missing = asked - set(ids)
        require(
            not missing,
            f"messages.{at - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(sorted(missing))}. Each `tool_use` block must have a corresponding `tool_result` block in the "
            "next message.",
        )
        strange = set(ids) - asked
        require(
            not strange,
            f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(sorted(strange))}. "
            "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
        )
        require(len(ids) == len(set(ids)), f"messages.{at}: each tool_use must have a single result")
        calls = [block for block in _blocks(message) if block.get("type") == "tool_use"]
        asked = {str(block.get("id")) for block in calls}
        require(len(asked) == len(calls), f"messages.{at}: `tool_use` ids must be unique")


def _check_thoughts(messages: list[Item], given: Given) -> None:
    for at, message in enumerate(messages):
        for number, block in enumerate(_blocks(message)):
            if block.get("type") == "thinking":
                where = f"messages.{at}.content.{number}"
                text = given.thoughts.get(block["signature"])
                require(text is not None, f"{where}: Invalid `signature` in `thinking` block")
                require(text == block.get("thinking"), f"{where}: `thinking` blocks cannot be modified")
    said = [message for message in messages if message["role"] == "assistant"]
    blocks = _blocks(said[-1]) if said else []
    signatures = tuple(block["signature"] for block in blocks if block.get("type") == "thinking")
    for block in blocks:
        if block.get("type") == "tool_use":
            due = given.with_calls.get(str(block.get("id")), signatures)
            require(
                due == signatures,
                f"messages.{len(messages) - 2}: Expected `thinking` blocks of the latest assistant message to be as in "
                "the original response",
            )


def _points(body: Item) -> int:
    found, pending = 0, [body]
    while pending:
        value: Any = pending.pop()
        if isinstance(value, dict):
            found += bool(value.get("cache_control"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            named = ("tools", "system", "messages", "content")
            pending += [value[name] for name in named if name in value]  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, list):
            pending += value  # pyright: ignore[reportUnknownArgumentType]
    return found


def whole(answer: Answer, counted: Counted, body: Item, given: Given) -> Item:
    """The answer as one JSON object."""
    blocks = _written(answer, given)
    usage = {
        "input_tokens": counted.input_tokens - counted.cached - counted.written,
        "cache_read_input_tokens": counted.cached,
        "cache_creation_input_tokens": counted.written,
        "output_tokens": answer.written_tokens,
        "output_tokens_details": {"thinking_tokens": answer.reasoning_tokens},
    }
    reason = {"context_window": "model_context_window_exceeded", "pause": "pause_turn"}.get(
        answer.reason, answer.reason
    )
    return {
        "id": given.fresh("msg_"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": "STOP" if reason == "stop_sequence" else None,
        "usage": usage,
    }


def stream(answer: Answer, counted: Counted, body: Item, given: Given) -> Iterator[Event]:
    """The answer as events."""
    done = whole(answer, counted, body, given)
    usage = {**done["usage"], "output_tokens": 1}
    start: Item = {**done, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield "message_start", {"type": "message_start", "message": start}
    yield "ping", {"type": "ping"}
    for index, (part, block) in enumerate(zip(answer.content, done["content"], strict=True)):
        opening, deltas = _block_events(part, block, answer.pieces)
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": opening}
        for delta in deltas:
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": done["stop_reason"], "stop_sequence": done["stop_sequence"]}
    yield "message_delta", {"type": "message_delta", "delta": delta, "usage": done["usage"]}
    yield "message_stop", {"type": "message_stop"}


def _written(answer: Answer, given: Given) -> list[Item]:
    blocks = [_block(part, given) for part in answer.content]
    proofs = tuple(block["signature"] for block in blocks if block["type"] == "thinking")
    given.with_calls.update({block["id"]: proofs for block in blocks if block["type"] == "tool_use"})
    return blocks


def _block(part: Part, given: Given) -> Item:
    match part:
        case Say(text):
            return {"type": "text", "text": text, "citations": None}
        case Think(text, proof):
            signature = proof or given.fresh("sig_")
            given.thoughts[signature] = text
            return {"type": "thinking", "thinking": text, "signature": signature}
        case Call():
            arguments = part.arguments if isinstance(part.arguments, dict) else {}
            return {"type": "tool_use", "id": part.id or given.fresh("toolu_"), "name": part.name, "input": arguments}
        case Unknown(data):
            return data


def _block_events(part: Part, block: Item, pieces: int) -> tuple[Item, list[Item]]:
    match part:
        case Say(text):
            return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in cut(text, pieces)]
        case Think(text):
            deltas: list[Item] = [{"type": "thinking_delta", "thinking": piece} for piece in cut(text, pieces)]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {**block, "thinking": "", "signature": ""}, deltas
        case Call():
            texts = ["", *([] if part.raw == "{}" else cut(part.raw, pieces))]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in texts]
        case Unknown():
            return block, []
