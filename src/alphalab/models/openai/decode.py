"""From the events of the Responses interface to one answer; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast
from uuid import uuid4

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
from alphalab.models.base import OnDelta
from alphalab.models.openai.encode import PROVIDER
from alphalab.models.wire.client import Answer
from alphalab.models.wire.openai_answers import count, failure_in, parsed_arguments

Item = dict[str, Any]
_DELTAS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
    "response.function_call_arguments.delta": "arguments",
}
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_CUT: dict[str, StopReason] = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}


@define(kw_only=True, eq=False)
class ResponseReader:
    """Takes the events of one answer, or the whole of it from a server that does not stream."""

    on_delta: OnDelta | None = None
    _items: dict[int, Item] = field(factory=dict[int, Item], init=False)
    _response: Item | None = field(default=None, init=False)

    @property
    def usage(self) -> Usage | None:
        """What the last event says was used."""
        used: Item | None = self._response.get("usage") if self._response is not None else None
        return usage_of(used) if used else None

    def take(self, event: Item) -> None:
        """Read one event.

        Raises:
            ModelError: It says that there will be no answer.
        """
        kind = event.get("type")
        if kind in _DELTAS:
            self._show(_DELTAS[kind], event.get("delta"))
        elif kind == "response.output_item.done":
            self._items[int(event.get("output_index", len(self._items)))] = event["item"]
        elif kind == "response.reasoning_summary_part.added" and event.get("summary_index"):
            self._show("thinking", "\n\n")
        elif kind in _LAST:
            self._end(event["response"])
        elif event.get("object") == "response":
            self._end(event)
        elif kind == "error" or (kind is None and event.get("error")):
            raise failure_in(event, PROVIDER)
        elif kind is None:
            raise ModelError(f"openai sent what is no response, with the keys {sorted(event)[:9]!r}; check base_url")

    def answer(self) -> Answer:
        """The answer that all events make up.

        Raises:
            ModelUnavailable: The event that ends an answer did not come.
        """
        if self._response is None:
            raise ModelUnavailable("openai broke its answer off: the stream ended before the response did")
        items = self._all_items(self._response)
        content = [block for item in items for block in blocks_of(item)]
        return Answer(
            message=Message(role="assistant", content=content),
            stop_reason=stop_reason_of(self._response, items),
            usage=self.usage or Usage(calls=1),
            served=str(self._response.get("model") or ""),
            request_id=str(self._response.get("id") or ""),
            tier=self._response.get("service_tier"),
            web_searches=web_searches_of(self._response, items),
        )

    def _end(self, response: Item) -> None:
        self._response = response
        status = response.get("status", "completed")
        if status == "failed" or response.get("error"):
            raise failure_in(response, PROVIDER)
        if status not in {"completed", "incomplete"}:
            raise ModelUnavailable(f"openai ended its answer with status {status!r}")

    def _all_items(self, response: Item) -> list[Item]:
        """Items in order; thoughts are complete in the event that ends them, and some servers list none at the end."""
        listed: Iterable[Item] = response.get("output") or ()
        items = dict(enumerate(listed)) | self._items
        return [items[index] for index in sorted(items)]

    def _show(self, kind: Any, text: Any) -> None:
        if self.on_delta is not None and text:
            self.on_delta(Delta(kind=kind, text=str(text)))


def blocks_of(item: Item) -> list[Block]:
    """An item of the output as blocks; together they hold all that is in it."""
    match item.get("type"):
        case "message" if item.get("content"):
            rest = {key: value for key, value in item.items() if key != "content"}
            return [_text(part, rest) for part in item["content"]]
        case "reasoning":
            return [ThinkingBlock(text=_thought(item), extra={PROVIDER: item})]
        case "function_call":
            return [_call(item)]
        case _:
            return [OpaqueBlock(provider=PROVIDER, data=item)]


def stop_reason_of(response: Item, items: Iterable[Item]) -> StopReason:
    """Why the model stopped."""
    if response.get("status") == "incomplete":
        reason = cast("Item", response.get("incomplete_details") or {}).get("reason")
        return _CUT.get(str(reason), "other")
    kinds = {part.get("type") for item in items for part in (item, *_parts(item))}
    if "refusal" in kinds:
        return "refusal"
    return "tool_use" if "function_call" in kinds else "end_turn"


def usage_of(used: Item) -> Usage:
    """Tokens of one call; its price is not known here."""
    return Usage(
        calls=1,
        input_tokens=count(used, "input_tokens"),
        cached_tokens=count(used, "input_tokens_details", "cached_tokens"),
        cache_write_tokens=count(used, "input_tokens_details", "cache_write_tokens"),
        output_tokens=count(used, "output_tokens"),
        reasoning_tokens=count(used, "output_tokens_details", "reasoning_tokens"),
    )


def web_searches_of(response: Item, items: Iterable[Item]) -> int:
    """Searches that are billed: as the provider counts them, else those among the items; opening a page is free."""
    usage: Item = response.get("tool_usage") or {}
    if usage.get("web_search"):
        return count(usage, "web_search", "num_requests")
    actions: list[Item] = [item.get("action") or {} for item in items if item.get("type") == "web_search_call"]
    return sum(action.get("type") == "search" for action in actions)


def _parts(item: Item) -> list[Item]:
    return item.get("content") or [] if item.get("type") == "message" else []


def _text(part: Item, item: Item) -> TextBlock:
    text = part.get("text") if part.get("type") == "output_text" else part.get("refusal")
    kept = {key: value for key, value in part.items() if key not in {"text", "refusal"}}
    known = part.get("type") in {"output_text", "refusal"}
    return TextBlock(text=str(text or ""), extra={PROVIDER: {"item": item, "part": kept if known else part}})


def _thought(item: Item) -> str:
    parts: list[Item] = item.get("summary") or item.get("content") or []
    return "\n\n".join(str(part.get("text") or "") for part in parts)


def _call(item: Item) -> ToolUseBlock:
    arguments, malformed = parsed_arguments(item.get("arguments"))
    return ToolUseBlock(
        id=str(item.get("call_id") or item.get("id") or f"call_{uuid4().hex[:24]}"),
        name=str(item.get("name") or ""),
        input=arguments,
        malformed=malformed,
        extra={PROVIDER: {key: value for key, value in item.items() if key not in {"type", "call_id", "name"}}},
    )
