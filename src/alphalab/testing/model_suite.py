"""What every model must do, against a server that speaks its wire format.

Subclass `ModelSuite` and say how yours is made:

```python
class TestMyModel(ModelSuite):
    wire_format = "openai-chat"

    @pytest.fixture
    def make_client(self):
        return lambda base_url, key: MyModel(base_url=base_url, api_key=key)
```

The server is as strict as the providers: a conversation that they would refuse is refused. `ModelFaultSuite`, of which
this is one, breaks it on demand.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from alphalab.messages import (
    Delta,
    ImageBlock,
    Message,
    OpaqueBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from alphalab.models import Model, ModelResponse
from alphalab.testing.model_fault_suite import ModelFaultSuite, asking
from alphalab.testing.wire import Answer, Call, Received, Say, Think, Unknown, WireServer
from alphalab.testing.wire.answers import Stop

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001f61738550000"
    "000049454e44ae426082"
)
PICTURE = ImageBlock(data=PIXEL, media_type="image/png", width=1, height=1)
_MARK = b',"cache_control":{"type":"ephemeral"}'
"""Anthropic's cache points move along with the end of a conversation; without them, requests only grow."""


def result(use: ToolUseBlock, *content: TextBlock | ImageBlock, failed: bool = False) -> ToolResultBlock:
    """An answer to a call."""
    return ToolResultBlock(tool_use_id=use.id, content=content or (TextBlock(text="done"),), is_error=failed)


def answered(response: ModelResponse, *content: TextBlock | ImageBlock) -> Message:
    """The user's message that answers all calls of a response."""
    return Message(role="user", content=[result(use, *content) for use in response.message.tool_uses])


class ModelSuite(ModelFaultSuite):
    """Tests of one model; see the module for what to override."""

    async def test_text(self, ask: Any) -> None:
        """Text comes whole, with what it cost and who said it."""
        response, _ = await ask(Answer(content=(Say("Hello, wörld \U0001f600"),), input_tokens=50, output_tokens=7))
        assert response.message == Message.assistant(TextBlock(text=response.message.text, extra=_extra(response)))
        assert response.message.text == "Hello, wörld \U0001f600"
        assert response.stop_reason == "end_turn"
        assert (response.usage.calls, response.usage.input_tokens, response.usage.output_tokens) == (1, 50, 7)
        assert response.usage.cost_usd is None, "a server at another address has no known price"

    async def test_tokens_are_counted_by_what_they_cost(self, ask: Any) -> None:
        """Cached ones are part of the input, and those that were thought with part of the output."""
        response, _ = await ask(Answer(input_tokens=500, cached_tokens=300, output_tokens=40, reasoning_tokens=25))
        used = response.usage
        assert (used.input_tokens, used.cached_tokens, used.cache_write_tokens) == (500, 300, 0)
        assert (used.output_tokens, used.reasoning_tokens) == (40, 25)

    async def test_several_calls_in_one_turn(self, ask: Any) -> None:
        """Each has its own id, its name and its arguments; none at all is an empty object."""
        calls = (Call("look", {"at": "ä", "deep": {"n": [1, 2.5, None]}}), Call("look", {"at": "b"}), Call("look"))
        response, _ = await ask(Answer(content=(Say("Let me."), *calls)))
        uses = response.message.tool_uses
        assert response.stop_reason == "tool_use"
        assert [use.input for use in uses] == [{"at": "ä", "deep": {"n": [1, 2.5, None]}}, {"at": "b"}, {}]
        assert len({use.id for use in uses}) == 3
        assert all(use.malformed is None for use in uses)

    async def test_deltas_are_the_answer_in_pieces(self, make_model: Any, server: Any) -> None:
        """Joined, they are the text and the arguments of the answer."""
        deltas = list[Delta]()
        running = await server([Answer(content=(Say("One two three."), Call("look", {"at": "there"})), pieces=5)])
        model = make_model(running)
        response = await model.generate(asking(Message.user("hi")), on_delta=deltas.append)
        joined = {kind: "".join(d.text for d in deltas if d.kind == kind) for kind in ("text", "arguments")}
        assert joined["text"] == response.message.text
        assert json.loads(joined["arguments"]) == response.message.tool_uses[0].input
        assert sum(delta.kind == "text" for delta in deltas) > 1

    async def test_results_with_errors_and_pictures_are_taken(self, make_model: Any, server: Any) -> None:
        """The server refuses what the provider would refuse, so an answer is the proof."""
        turn = Answer(content=(Call("look", {"at": "a"}), Call("look", {"at": "b"})))
        running = await server([turn, Answer(content=(Say("seen"),))])
        model = make_model(running)
        opening = Message(role="user", content=(TextBlock(text="Look at this."), PICTURE))
        first = await model.generate(asking(opening))
        one, two = first.message.tool_uses
        results = (
            result(one, TextBlock(text="no such thing"), failed=True),
            result(two, TextBlock(text="here"), PICTURE),
        )
        reply = Message(role="user", content=(*results, TextBlock(text="Go on.")))
        second = await model.generate(asking(opening, first.message, reply))
        assert second.message.text == "seen"
        raw = running.requests[1].raw
        assert b"no such thing" in raw
        assert b"Go on." in raw
        assert raw.count(_encoded_picture()) == 2

    async def test_thinking_goes_back_as_the_provider_demands(self, make_model: Any, server: Any) -> None:
        """The server checks that what it must see again is there and unchanged."""
        turn = Answer(content=(Think("Hm, let me think."), Call("look", {"at": "a"})), reasoning_tokens=9)
        running = await server([turn, turn, Answer(content=(Say("done"),))])
        model = make_model(running)
        messages = [Message.user("hi")]
        for _ in range(2):
            response = await model.generate(asking(*messages))
            assert any(isinstance(block, ThinkingBlock) for block in response.message.content)
            assert response.usage.reasoning_tokens == 9
            messages += [response.message, answered(response)]
        assert (await model.generate(asking(*messages))).message.text == "done"

    async def test_thoughts_of_another_provider_are_left_out(self, make_model: Any, server: Any) -> None:
        """A conversation may cross providers: nothing that only one of them can read is sent to the other."""
        running = await server([Answer()])
        foreign = {"elsewhere": {"id": "secret-thought"}}
        said = Message.assistant(
            ThinkingBlock(text="foreign thought", extra=foreign),
            OpaqueBlock(provider="elsewhere", data={"type": "foreign-block"}),
            TextBlock(text="I said this.", extra=foreign),
        )
        await make_model(running).generate(asking(Message.user("hi"), said, Message.user("and?")))
        raw = running.requests[0].raw
        assert b"I said this." in raw
        assert not any(word in raw for word in (b"foreign", b"secret-thought"))

    async def test_what_is_not_known_survives_a_round_trip(self, make_model: Any, server: Any) -> None:
        """A kind of block from the future comes back to the provider unchanged."""
        if self.wire_format == "openai-chat":
            pytest.skip("Chat Completions has no place for blocks of unknown kinds")
        strange = {"type": "hologram", "id": "h_1", "shape": {"sides": 6}}
        running = await server([Answer(content=(Unknown(strange), Say("there"))), Answer()])
        model = make_model(running)
        first = await model.generate(asking(Message.user("hi")))
        assert any(isinstance(block, OpaqueBlock) and block.data == strange for block in first.message.content)
        await model.generate(asking(Message.user("hi"), first.message, Message.user("again")))
        assert json.dumps(strange, separators=(",", ":")).encode() in running.requests[1].raw

    @pytest.mark.parametrize("raw", ['{"at": ', "[1]", "not json"])
    async def test_malformed_arguments_are_kept_and_the_conversation_goes_on(
        self, make_model: Any, server: Any, raw: str
    ) -> None:
        """They are never turned into an empty object, and the provider takes the conversation that holds them."""
        running = await server([Answer(content=(Call("look", raw),)), Answer(content=(Say("sorry"),))])
        model = make_model(running)
        first = await model.generate(asking(Message.user("hi")))
        (use,) = first.message.tool_uses
        assert (use.malformed, use.input) == (raw, {})
        reply = Message(role="user", content=(result(use, TextBlock(text="not JSON"), failed=True),))
        assert (await model.generate(asking(Message.user("hi"), first.message, reply))).message.text == "sorry"

    @pytest.mark.parametrize("stop", ["end_turn", "max_tokens", "refusal", "context_window", "pause"])
    async def test_stop_reasons(self, ask: Any, stop: Stop) -> None:
        """Those that the format can say."""
        known = {"end_turn", "max_tokens", "refusal"} | ({"context_window", "pause"} & self._stops())
        if stop not in known:
            pytest.skip(f"{self.wire_format} has no word for {stop}")
        response, _ = await ask(Answer(content=(Say("half"),), stop=stop))
        assert response.stop_reason == stop

    def _stops(self) -> set[str]:
        return {"context_window", "pause"} if self.wire_format == "anthropic" else set()

    async def test_a_form_for_the_answer_reaches_the_provider(self, make_model: Any, server: Any) -> None:
        """The schema is in the request."""
        running = await server([Answer(content=(Say('{"verdict": true}'),))])
        schema = {
            "type": "object",
            "properties": {"verdict": {"type": "boolean"}},
            "required": ["verdict"],
            "additionalProperties": False,
        }
        response = await make_model(running).generate(asking(Message.user("hi"), output_schema=schema, tools=()))
        assert json.loads(response.message.text) == {"verdict": True}
        assert b'"verdict":{"type":"boolean"}' in running.requests[0].raw

    async def test_fifty_turns_only_add_to_what_was_sent(self, make_model: Any, server: Any) -> None:
        """Byte for byte, up to where the cache ends; and the provider's cache finds it."""
        turns = [
            Answer(content=(Think(f"thought {n}"), Say(f"turn {n}"), Call("look", {"at": str(n)}))) for n in range(50)
        ]
        running = await server(turns)
        model, messages, cached = make_model(running), [Message.user("Begin. " * 1500)], list[int]()
        for number in range(50):
            response = await model.generate(asking(*messages))
            cached.append(response.usage.cached_tokens)
            text = TextBlock(text=f"output {number}: " + "0.123 " * 300)
            messages += [response.message, answered(response, text, *([PICTURE] if number % 9 == 0 else []))]
        bodies = [received.raw.replace(_MARK, b"") for received in running.requests]
        for before, after in pairwise(bodies):
            assert after.startswith(before.removesuffix(b"]}"))
        assert cached == sorted(cached)
        assert cached[-1] > 0.9 * running_tokens(running)

    async def test_many_at_once(self, make_model: Any, server: Any) -> None:
        """Conversations on one model do not get mixed up."""

        def echo(received: Received) -> Answer:
            return Answer(content=(Say(_last_word(received.raw)),))

        running = await server(echo)
        model = make_model(running)
        requests = [asking(Message.user(f"word{n}"), conversation=f"c{n}") for n in range(32)]
        answers = await asyncio.gather(*map(model.generate, requests))
        assert [answer.message.text for answer in answers] == [f"word{n}" for n in range(32)]

    def test_two_event_loops_in_turn(self, plain_model: Callable[[WireServer], Model]) -> None:
        """Connections belong to a loop; one model may be used from several."""
        with _serving(Answer(content=(Say("hi"),))) as running, asyncio.Runner() as one, asyncio.Runner() as two:
            model = plain_model(running)
            request = asking(Message.user("hi"))
            said = [loop.run(model.generate(request)).message.text for loop in (one, two, one, two)]
            for loop in (one, two):
                loop.run(model.aclose())
        assert said == ["hi"] * 4

    @pytest.fixture
    def ask(self, make_model: Any, server: Any) -> Any:
        """Asks one thing of a server that gives one answer."""

        async def asked(answer: Answer) -> tuple[ModelResponse, WireServer]:
            running = await server([answer])
            return await make_model(running).generate(asking(Message.user("hi"))), running

        return asked


@contextmanager
def _serving(answer: Answer) -> Generator[WireServer]:
    """A server in a loop of its own, which goes on while others stand still."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = WireServer(respond=lambda _: answer)
    try:
        asyncio.run_coroutine_threadsafe(running.start(), loop).result(10)
        yield running
    finally:
        asyncio.run_coroutine_threadsafe(running.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def running_tokens(running: WireServer) -> float:
    """Tokens of the last request, as the server counts them."""
    return len(running.requests[-1].raw) / 4


def _extra(response: ModelResponse) -> dict[str, Any]:
    (block,) = response.message.content
    return getattr(block, "extra", {})


def _encoded_picture() -> bytes:
    return base64.b64encode(PIXEL)


def _last_word(raw: bytes) -> str:
    start = raw.rindex(b"word")
    return raw[start : start + 6].decode().rstrip('"}], ')
