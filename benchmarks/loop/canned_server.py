"""A model's server with one prepared answer in three wire formats; prints its port. A process of its own.

Answers every request with the same short text and one call of `echo`, streamed when the request asks for it, at next to
no cost, so that what a client spends is seen. It says that a request had few tokens, so that no agent clears anything
and all send the same bytes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

TEXT = ("I will ", "run it ", "now.")
ARGUMENT = "y" * 500
PIECES = ('{"text": "' + ARGUMENT[:250], ARGUMENT[250:] + '"}')
Json = dict[str, Any]


def anthropic_events(number: int) -> list[Json]:
    """Messages: a text block, a tool use."""
    usage = {"input_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "output_tokens": 1}
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "m", "content": []}
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "echo", "input": {}}
    return [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in TEXT
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": call},
        *(
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in PIECES
        ),
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 50},
        },
        {"type": "message_stop"},
    ]


def anthropic_whole(number: int) -> Json:
    """The same, not streamed."""
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "text", "text": "".join(TEXT)},
            {"type": "tool_use", "id": f"toolu_{number}", "name": "echo", "input": {"text": ARGUMENT}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 50},
    }


def responses_whole(number: int) -> Json:
    """Responses: a message, a function call."""
    text = {"type": "output_text", "text": "".join(TEXT), "annotations": []}
    message = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [text]}
    call = {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": "echo",
        "arguments": "".join(PIECES),
        "status": "completed",
    }
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 60,
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "completed",
        "output": [message, call],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def responses_events(number: int) -> list[Json]:
    """The same, streamed."""
    whole = responses_whole(number)
    message, call = whole["output"]
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    at = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    events: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}},
        *({"type": "response.output_text.delta", **at, "delta": piece} for piece in TEXT),
        {"type": "response.output_text.done", **at, "text": "".join(TEXT)},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.output_item.added", "output_index": 1, "item": {**call, "arguments": ""}},
        *(
            {
                "type": "response.function_call_arguments.delta",
                "item_id": call["id"],
                "output_index": 1,
                "delta": piece,
            }
            for piece in PIECES
        ),
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.completed", "response": whole},
    ]
    return [{**event, "sequence_number": place} for place, event in enumerate(events)]


def chat_whole(number: int) -> Json:
    """Chat Completions: text and a tool call."""
    function = {"name": "echo", "arguments": "".join(PIECES)}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    message = {"role": "assistant", "content": "".join(TEXT), "tool_calls": [call]}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60},
    }


def chat_events(number: int) -> list[Json]:
    """The same, streamed."""
    base = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    opened = {"index": 0, "id": f"call_{number}", "type": "function", "function": {"name": "echo", "arguments": ""}}
    deltas: list[Json] = [
        {"role": "assistant", "content": ""},
        *({"content": piece} for piece in TEXT),
        {"tool_calls": [opened]},
        *({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in PIECES),
    ]
    chunks = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    ended = {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    return [*chunks, ended, {**base, "choices": [], "usage": chat_whole(number)["usage"]}]


FORMATS: dict[bytes, tuple[Callable[[int], list[Json]], Callable[[int], Json], bytes]] = {
    b"/messages": (anthropic_events, anthropic_whole, b""),
    b"/responses": (responses_events, responses_whole, b""),
    b"/chat/completions": (chat_events, chat_whole, b"data: [DONE]\n\n"),
}


def streamed(events: list[Json], last: bytes) -> bytes:
    """Server-sent events, in one chunk."""
    lines = b"".join(
        (b"event: %b\n" % event["type"].encode() if "type" in event else b"")
        + b"data: %b\n\n" % json.dumps(event, separators=(",", ":")).encode()
        for event in events
    )
    body = lines + last
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def at_once(value: Json) -> bytes:
    """One JSON object."""
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    number = 0
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            body = await reader.readexactly(int(fields[b"content-length"]))
            path = head.split(b" ", 2)[1]
            events, whole, last = next(form for ending, form in FORMATS.items() if path.endswith(ending))
            wants_stream = b'"stream":true' in body or b'"stream": true' in body
            writer.write(streamed(events(number), last) if wants_stream else at_once(whole(number)))
            await writer.drain()
            number += 1
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()  # the client has gone


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
