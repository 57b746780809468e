"""From the pieces of a Chat Completions answer to the whole of it; pure."""

from __future__ import annotations

from typing import Any, Literal

from attrs import define, field

from alphalab.errors import ModelUnavailable
from alphalab.messages import Block, Delta, Message, OpaqueBlock, StopReason, TextBlock, ThinkingBlock, Usage
from alphalab.models.base import OnDelta
from alphalab.models.openai_chat.calls import Call, add_piece, tool_uses
from alphalab.models.openai_chat.encode import PROVIDER
from alphalab.models.openai_chat.merge import merged
from alphalab.models.wire.client import Answer
from alphalab.models.wire.openai_answers import count, failure_in

Item = dict[str, Any]
_THOUGHTS = ("reasoning_content", "reasoning")
"""Keys under which servers send thoughts: the first is DeepSeek's, SGLang's and llama.cpp's, the second OpenRouter's,
Ollama's and newer vLLM's."""
_READ = frozenset({"role", "content", "refusal", "tool_calls", "function_call", *_THOUGHTS})
_STOPS: dict[str, StopReason] = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_CALLING = frozenset({"stop", "tool_calls", "function_call"})
_BROKEN = frozenset({"error", "abort", "insufficient_system_resource"})
"""Reasons of OpenRouter, vLLM and DeepSeek for an answer that ended through no fault of the request."""


@define(kw_only=True, eq=False)
class ChatReader:
    """Takes the chunks of one answer, or the whole of it from a server that does not stream."""

    model: str
    """As the server names it; what only it understands is marked with it."""
    on_delta: OnDelta | None = None
    usage: Usage | None = field(default=None, init=False)
    """What the server says was used, so far."""
    _text: list[str] = field(factory=list[str], init=False)
    _refusal: list[str] = field(factory=list[str], init=False)
    _thought: list[str] = field(factory=list[str], init=False)
    _thought_key: str = field(default="", init=False)
    _calls: list[Call] = field(factory=list[Call], init=False)
    _unknown: Item = field(factory=dict[str, Any], init=False)
    _finish: str | None = field(default=None, init=False)
    _about: Item = field(factory=dict[str, Any], init=False)

    def take(self, event: Item) -> None:
        """Read one chunk.

        Raises:
            ModelError: It says that there will be no answer.
        """
        if event.get("error") or event.get("object") == "error":
            raise failure_in(event, PROVIDER)
        for key in ("id", "model", "service_tier"):
            self._about[key] = event.get(key) or self._about.get(key)
        if event.get("usage"):
            self.usage = usage_of(event["usage"])
        choices: list[Item] = event.get("choices") or []
        for choice in choices[:1]:
            self._add(choice.get("delta") or choice.get("message") or {})
            self._finish = choice.get("finish_reason") or self._finish

    def answer(self) -> Answer:
        """The answer that all chunks make up.

        Raises:
            ModelUnavailable: None of them said why the model stopped, or the server gave up.
        """
        if self._finish is None or self._finish in _BROKEN:
            why = f"finish_reason {self._finish!r}" if self._finish else "the stream ended before the answer did"
            raise ModelUnavailable(f"{PROVIDER} broke its answer off: {why}")
        return Answer(
            message=Message(role="assistant", content=self._blocks()),
            stop_reason=self._stop_reason(self._finish),
            usage=self.usage or Usage(calls=1),
            served=str(self._about.get("model") or ""),
            request_id=str(self._about.get("id") or ""),
            tier=self._about.get("service_tier"),
        )

    def _add(self, delta: Item) -> None:
        for key in _THOUGHTS:
            self._add_thought(key, delta.get(key))
        self._add_content(delta.get("content"))
        if delta.get("refusal"):
            self._refusal.append(self._shown("text", str(delta["refusal"])))
        legacy = delta.get("function_call")
        for piece in delta.get("tool_calls") or ([{"function": legacy}] if legacy else []):
            self._shown("arguments", add_piece(self._calls, piece))
        if not delta.keys() <= _READ:
            self._unknown = merged(self._unknown, {key: delta[key] for key in delta.keys() - _READ})

    def _add_content(self, content: Any) -> None:
        if isinstance(content, str):
            self._text.append(self._shown("text", content))
        elif content:  # parts: the texts can be read, and the whole is sent back
            self._unknown = merged(self._unknown, {"content": content})
            self._text += [self._shown("text", str(part.get("text") or "")) for part in content]

    def _add_thought(self, key: str, thought: Any) -> None:
        if isinstance(thought, str) and thought and self._thought_key in {"", key}:
            self._thought_key = key
            self._thought.append(self._shown("thinking", thought))
        elif thought:  # an object, or a second key beside the first; some servers send the same text under both
            self._unknown = merged(self._unknown, {key: thought})

    def _shown(self, kind: Literal["text", "thinking", "arguments"], text: str) -> str:
        if self.on_delta is not None and text:
            self.on_delta(Delta(kind=kind, text=text))
        return text

    def _blocks(self) -> list[Block]:
        thought, text, refusal = ("".join(pieces) for pieces in (self._thought, self._text, self._refusal))
        mark = {"model": self.model}
        blocks: list[Block] = []
        if thought:
            blocks.append(ThinkingBlock(text=thought, extra={PROVIDER: {**mark, "key": self._thought_key}}))
        if text:
            blocks.append(TextBlock(text=text))
        if refusal:
            blocks.append(TextBlock(text=refusal, extra={PROVIDER: {**mark, "refusal": True}}))
        blocks += tool_uses(self._calls, self.model)
        unknown = {key: value for key, value in self._unknown.items() if value != thought}
        if unknown:
            blocks.append(OpaqueBlock(provider=PROVIDER, data={**mark, "message": unknown}))
        return blocks

    def _stop_reason(self, finish: str) -> StopReason:
        if finish in _CALLING and self._refusal:
            return "refusal"
        if finish in _CALLING and self._calls:  # several servers say "stop" all the same
            return "tool_use"
        return _STOPS.get(finish, "other")


def usage_of(used: Item) -> Usage:
    """Tokens of one call; its price is not known here.

    Some servers (xAI, Gemini) count thoughts in the total only, so what the total has beyond the prompt is the output.
    """
    prompt, output = count(used, "prompt_tokens"), count(used, "completion_tokens")
    return Usage(
        calls=1,
        input_tokens=prompt,
        cached_tokens=count(used, "prompt_tokens_details", "cached_tokens") or count(used, "prompt_cache_hit_tokens"),
        cache_write_tokens=count(used, "prompt_tokens_details", "cache_write_tokens"),
        output_tokens=max(output, count(used, "total_tokens") - prompt),
        reasoning_tokens=count(used, "completion_tokens_details", "reasoning_tokens"),
    )
