"""From the events of the Messages interface to one answer; pure."""

from __future__ import annotations

import json
from typing import Any, cast

from attrs import define, field

from alphalab.errors import ModelError, ModelUnavailable
from alphalab.messages import (
    Block,
    Delta,
    Message,
    OpaqueBlock,
    StopReason,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    Usage,
)
from alphalab.models.anthropic.encode import PROVIDER
from alphalab.models.anthropic.site import KEY_VARIABLE
from alphalab.models.base import OnDelta
from alphalab.models.wire.body import finite_number
from alphalab.models.wire.client import Answer
from alphalab.models.wire.failures import failure_of

Json = dict[str, Any]
_STOPS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}
_SHOWN = {"text": "text", "thinking": "thinking", "partial_json": "arguments"}
"""Field of a delta, and what it is shown as."""


@define(kw_only=True, eq=False)
class MessageReader:
    """Takes the events of one answer, or the whole of it from a server that does not stream."""

    on_delta: OnDelta | None = None
    _blocks: dict[int, Json] = field(factory=dict[int, Json], init=False)
    _written: dict[int, list[str]] = field(factory=dict[int, list[str]], init=False)
    """Pieces of arguments by block."""
    _message: Json = field(factory=dict[str, Any], init=False)
    _used: Json = field(factory=dict[str, Any], init=False)
    _ended: bool = field(default=False, init=False)

    @property
    def usage(self) -> Usage | None:
        """What has been billed so far, as far as the provider said."""
        return usage_of(self._used) if self._used else None

    def take(self, event: Json) -> None:
        """Read one event; kinds that are not known are passed over.

        Raises:
            ModelError: It says that there will be no answer.
        """
        match event.get("type"):
            case "content_block_delta":
                self._add(event["index"], event["delta"])
            case "content_block_start":
                self._blocks[event["index"]] = dict(event["content_block"])
            case "message_start":
                self._begin(event["message"])
            case "message_delta":
                self._message.update(event.get("delta") or {})
                self._count(event.get("usage"))
            case "message_stop":
                self._ended = True
            case "message":
                self._begin(event)
                self._blocks, self._ended = dict(enumerate(event.get("content") or ())), True
            case "error":
                raise failure_of(event, provider=PROVIDER, key_variable=KEY_VARIABLE)
            case None:
                raise ModelError(
                    f"{PROVIDER} sent what is no message, with the keys {sorted(event)[:9]!r}; check base_url"
                )
            case _:
                pass

    def answer(self) -> Answer:
        """The answer that all events make up.

        Raises:
            ModelUnavailable: The event that ends an answer did not come.
            ModelError: A block lacks what every block of its kind has.
        """
        if not self._ended:
            raise ModelUnavailable(f"{PROVIDER} broke its answer off: the stream ended before the message did")
        searches, written = _part(self._used, "server_tool_use"), _part(self._used, "cache_creation")
        return Answer(
            message=Message(role="assistant", content=self._content()),
            stop_reason=_STOPS.get(str(self._message.get("stop_reason")), "other"),
            usage=usage_of(self._used),
            served=str(self._message.get("model") or ""),
            request_id=str(self._message.get("id") or ""),
            tier=self._used.get("service_tier"),
            web_searches=_whole(searches.get("web_search_requests")),
            cache_write_hour_tokens=_whole(written.get("ephemeral_1h_input_tokens")),
        )

    def _begin(self, message: Json) -> None:
        self._message = {key: value for key, value in message.items() if key not in {"content", "usage"}}
        self._count(message.get("usage"))

    def _count(self, usage: Any) -> None:
        """Later numbers replace earlier ones: they are cumulative, and what a later event leaves out still holds."""
        if isinstance(usage, dict):
            told = cast("Json", usage)
            self._used.update({key: value for key, value in told.items() if value is not None})

    def _add(self, index: int, delta: Json) -> None:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        for key, value in delta.items():
            if key == "partial_json":
                self._written.setdefault(index, []).append(value or "")
            elif key == "citation":
                block["citations"] = [*(block.get("citations") or ()), value]
            elif key == "signature":
                block[key] = value  # comes whole, as the SDK takes it
            elif key != "type":
                block[key] = joined(block.get(key), value)
            if self.on_delta is not None and key in _SHOWN and value:
                self.on_delta(Delta(kind=_SHOWN[key], text=value))  # pyright: ignore[reportArgumentType]

    def _content(self) -> list[Block]:
        try:
            return [self._block(index) for index in sorted(self._blocks)]
        except (AttributeError, KeyError, TypeError) as error:
            raise ModelError(
                f"{PROVIDER} sent a block that cannot be read ({type(error).__name__}: {error}); check base_url"
            ) from error

    def _block(self, index: int) -> Block:
        block = self._blocks[index]
        if index in self._written:
            block = with_arguments(block, "".join(self._written[index]))
        return block_from(block)


def with_arguments(block: Json, written: str) -> Json:
    """A block with the arguments that came in pieces; a call's stay text when they are no JSON object."""
    if not written.strip():
        return block
    try:
        found: Any = json.loads(written, parse_constant=finite_number, parse_float=finite_number)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return {**block, "input": cast("Json", found)}
    # The provider's own calls go back as they are, and it takes no text for arguments.
    return {**block, "input": written if block.get("type") == "tool_use" else {"malformed_json": written}}


def joined(old: Any, new: Any) -> Any:
    """A field of a block with what a delta adds to it, also where that kind of delta is not known."""
    if (isinstance(old, str) and isinstance(new, str)) or (isinstance(old, list) and isinstance(new, list)):
        return cast("Any", old) + new
    return cast("Any", old if new is None else new)


def block_from(block: Json) -> Block:
    """A block as the provider sent it, in our form; together they hold all that is in it."""
    match block.get("type"):
        case "text":
            return TextBlock(text=str(block.get("text") or ""), extra=_rest(block, "text"))
        case "thinking":
            return ThinkingBlock(
                text=str(block.get("thinking") or ""),
                signature=block.get("signature") or None,  # a thought that was cut off ends before its signature
                extra=_rest(block, "thinking", "signature"),
            )
        case "redacted_thinking":
            return ThinkingBlock(text="", extra={PROVIDER: block})
        case "tool_use":
            return _call(block)
        case _:
            return OpaqueBlock(provider=PROVIDER, data=block)


def _call(block: Json) -> ToolUseBlock:
    given: Any = block.get("input")
    arguments = cast("Json", given) if isinstance(given, dict) else {}
    malformed = None
    if not isinstance(given, dict) and given is not None:
        malformed = given if isinstance(given, str) else json.dumps(given)
    return ToolUseBlock(
        id=str(block["id"]),
        name=str(block["name"]),
        input=arguments,
        malformed=malformed,
        extra=_rest(block, "id", "name", "input"),
    )


def _rest(block: Json, *known: str) -> Json:
    rest = {key: value for key, value in block.items() if key not in {"type", *known} and value is not None}
    return {PROVIDER: rest} if rest else {}


def usage_of(used: Json) -> Usage:
    """Tokens of one call; the provider counts cached ones apart from the others."""
    cached, written = _whole(used.get("cache_read_input_tokens")), _whole(used.get("cache_creation_input_tokens"))
    details = _part(used, "output_tokens_details")
    return Usage(
        calls=1,
        input_tokens=_whole(used.get("input_tokens")) + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=_whole(used.get("output_tokens")),
        reasoning_tokens=_whole(details.get("thinking_tokens")),
    )


def _part(used: Json, name: str) -> Json:
    part: Any = used.get(name)
    return cast("Json", part) if isinstance(part, dict) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
