"""What every model must do when its server fails; part of `ModelSuite`."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import pytest_asyncio

from alphalab.errors import AuthenticationFailed, ContextOverflow, ModelError, ModelUnavailable, RateLimited
from alphalab.messages import Message, ToolSpec
from alphalab.models import Model, ModelRequest, RetryingModel
from alphalab.testing.wire import (
    Answer,
    Call,
    Closed,
    CutStream,
    Drip,
    ErrorEvent,
    MalformedEvent,
    Page,
    Received,
    Say,
    Silence,
    Status,
    WireServer,
    WrongType,
)
from alphalab.testing.wire.faults import Fault

LOOK = ToolSpec(
    name="look",
    description="Look at something.",
    parameters={"type": "object", "properties": {"at": {"type": "string"}}},
)
StartServer = Callable[..., Awaitable[WireServer]]
MakeModel = Callable[[WireServer], Model]


def asking(*messages: Message, **more: Any) -> ModelRequest:
    """A request as an agent makes it."""
    options: dict[str, Any] = {"tools": (LOOK,), "conversation": "suite", "max_tokens": 1000, **more}
    return ModelRequest(system="You are being tested.", messages=messages, **options)


HELLO = asking(Message.user("hi"))
_SOON = timedelta(milliseconds=20)


class ModelFaultSuite:
    """Faults on demand, each with the error that it must become; one attempt is made and no more."""

    wire_format: ClassVar[str] = ""
    """`anthropic`, `openai` or `openai-chat`."""

    @pytest.fixture
    def make_client(self) -> Callable[[str, str], Model]:
        """Makes the model from the address of a server and a key; it makes one attempt a call."""
        raise NotImplementedError("override the fixture make_client")

    @pytest.fixture
    def plain_model(self, make_client: Callable[[str, str], Model]) -> MakeModel:
        """Makes the model for a running server."""
        return lambda running: make_client(running.base_url(self.wire_format), running.key)

    @pytest_asyncio.fixture
    async def make_model(self, plain_model: MakeModel) -> AsyncGenerator[MakeModel]:
        """The same, closed at the end of the test."""
        async with AsyncExitStack() as stack:

            def make(running: WireServer) -> Model:
                model = plain_model(running)
                stack.push_async_callback(model.aclose)
                return model

            yield make

    @pytest_asyncio.fixture
    async def server(self) -> AsyncGenerator[StartServer]:
        """Starts a server for the length of the test."""
        async with AsyncExitStack() as stack:

            async def start(respond: Any, **options: Any) -> WireServer:
                return await stack.enter_async_context(WireServer(respond=respond, **options))

            yield start

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Status(429, headers={"retry-after": "7"}), RateLimited),
            (Status(429, headers={"retry-after-ms": "7000"}), RateLimited),
            (Status(503, headers={"retry-after": "7"}), ModelUnavailable),
            (Status(529), ModelUnavailable),
            (Status(500), ModelUnavailable),
            (Status(401), AuthenticationFailed),
            (Status(403), AuthenticationFailed),
            (Status(404), ModelError),
            (Status(429, kind="insufficient_quota"), ModelError),
            (Closed(), ModelUnavailable),
            (CutStream("inside"), ModelUnavailable),
            (CutStream("between"), ModelUnavailable),
            (CutStream("before_end"), ModelUnavailable),
            (ErrorEvent(), ModelUnavailable),
            (MalformedEvent(), ModelUnavailable),
            (Page(200), ModelError),
            (Page(502), ModelUnavailable),
            (WrongType(), ModelUnavailable),
        ],
        ids=repr,
    )
    async def test_faults_are_errors_of_their_kind(
        self, make_model: MakeModel, server: StartServer, fault: Fault, error: type[ModelError]
    ) -> None:
        """One attempt, one error, and the model works again afterwards."""
        running = await server(_always(Answer(content=(Say("well again"),))), faults={0: fault})
        model = make_model(running)
        with pytest.raises(ModelError) as caught:
            await model.generate(HELLO)
        assert type(caught.value) is error, caught.value
        assert len(running.requests) == 1
        if isinstance(fault, Status) and fault.headers:
            assert getattr(caught.value, "retry_after", None) == 7.0
        assert (await model.generate(HELLO)).message.text == "well again"

    async def test_a_request_that_is_too_long_is_an_overflow(self, make_model: MakeModel, server: StartServer) -> None:
        """So that the conversation is made smaller rather than sent again."""
        running = await server([Answer()], context_tokens=2000)
        model = make_model(running)
        with pytest.raises(ContextOverflow):
            await model.generate(asking(Message.user("much " * 4000)))
        assert (await model.generate(HELLO)).message.text == "ok"

    async def test_what_a_broken_answer_was_billed_is_known(self, make_model: MakeModel, server: StartServer) -> None:
        """Where the provider says it before the end."""
        running = await server([Answer(content=(Say("long text " * 20),))], faults={0: CutStream("between")})
        with pytest.raises(ModelUnavailable) as caught:
            await make_model(running).generate(HELLO)
        if self.wire_format == "anthropic":
            assert caught.value.usage.input_tokens > 0
            assert caught.value.usage.calls == 1
        else:
            assert caught.value.usage is None

    async def test_slow_bytes_are_an_answer_all_the_same(self, make_model: MakeModel, server: StartServer) -> None:
        """As long as they keep coming."""
        answer = Answer(content=(Say("slow but whole"), Call("look", {"at": "a"})))
        running = await server([answer], faults={0: Drip(pause_s=0.001, size=40)})
        response = await make_model(running).generate(HELLO)
        assert response.message.text == "slow but whole"
        assert response.message.tool_uses[0].input == {"at": "a"}

    @pytest.mark.parametrize("after_events", [0, 2])
    async def test_cancelling_closes_the_connection(
        self, make_model: MakeModel, server: StartServer, after_events: int
    ) -> None:
        """The server sees it, nothing is left behind, and the model goes on."""
        running = await server(_always(Answer()), faults={0: Silence(after_events=after_events)})
        model = make_model(running)
        call = asyncio.ensure_future(model.generate(HELLO))
        await _until(lambda: bool(running.requests))
        await asyncio.sleep(0.05)  # for what it sends before it falls silent
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await _until(lambda: bool(running.gone))
        assert (await model.generate(HELLO)).message.text == "ok"

    async def test_a_key_is_shown_nowhere(
        self, make_client: Callable[[str, str], Model], server: StartServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not in errors, not in logs, not in what a model says of itself, even when the server repeats it."""
        caplog.set_level(logging.DEBUG)
        key = "sk-wire-wrong-key-9876543210"
        repeats = Status(401, message=f"Incorrect API key provided: {key}")
        running = await server([Answer()], faults={1: repeats})
        model = make_client(running.base_url(self.wire_format), key)
        shown = [repr(model)]
        for _ in range(2):
            with pytest.raises(AuthenticationFailed) as caught:
                await model.generate(HELLO)
            shown += ["".join(traceback.format_exception(caught.value)), repr(vars(caught.value))]
        await model.aclose()
        assert not any(key in text for text in [*shown, caplog.text])

    async def test_waiting_gets_past_what_passes(self, make_model: MakeModel, server: StartServer) -> None:
        """A rate limit, an overload and a broken stream, through `RetryingModel`; what they cost is added."""
        faults = {0: Status(429, headers={"retry-after-ms": "5"}), 1: CutStream("between"), 2: Status(529)}
        running = await server(_always(Answer(content=(Say("at last"),), input_tokens=50)), faults=faults)
        restarts = list[str]()
        model = RetryingModel(make_model(running), longest_wait=_SOON)
        response = await model.generate(
            HELLO, on_delta=lambda delta: restarts.append(delta.text) if delta.kind == "restart" else None
        )
        assert response.message.text == "at last"
        assert len(running.requests) == 4
        assert len(restarts) == 3
        billed = 2 if self.wire_format == "anthropic" else 1  # it names the input's tokens when the stream begins
        assert (response.usage.calls, response.usage.input_tokens) == (billed, billed * 50)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what the server keeps are lists
            await asyncio.sleep(0.005)


def _always(answer: Answer) -> Callable[[Received], Answer]:
    def respond(_received: Received) -> Answer:
        return answer

    return respond
