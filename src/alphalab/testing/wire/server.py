"""A server that speaks the three providers' formats on one port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Self

from attrs import define, evolve, field

from alphalab.testing.wire import anthropic, chat, responses
from alphalab.testing.wire.answers import Answer, Counted, Received
from alphalab.testing.wire.cache import tokens
from alphalab.testing.wire.checks import Given, Invalid
from alphalab.testing.wire.faults import (
    Closed,
    CutStream,
    Drip,
    ErrorEvent,
    Fault,
    MalformedEvent,
    Page,
    Silence,
    Status,
    WrongType,
)
from alphalab.testing.wire.http import Connection

Respond = Callable[[Received], Answer]
_FORMATS: dict[str, ModuleType] = {module.PATH: module for module in (anthropic, responses, chat)}
_JSON, _EVENTS = "application/json", "text/event-stream; charset=utf-8"
_HTML = b"<!doctype html><html><body><h1>Sign in</h1></body></html>"


@define(kw_only=True, eq=False)
class WireServer:
    """Answers requests of all three formats; as strict as the providers about what it takes.

    ```python
    async with WireServer(respond=[Answer(content=(Say("hello"),))]) as server:
        model = get_model("openai:x", base_url=server.base_url("openai"), api_key=server.key)
    ```
    """

    respond: Respond | Sequence[Answer]
    """Makes the answer to a request, or the answers in order; requests after the last one get status 500."""
    faults: Mapping[int, Fault] = field(factory=dict[int, Fault])
    """What breaks, by the number of the request."""
    key: str = "sk-wire-valid-key-0123456789"
    """The only one that is let in."""
    context_tokens: int = 10_000_000
    """Requests with more than four times as many bytes are refused as too long."""
    check: bool = True
    """Refuse what the provider would refuse; off where only speed counts."""
    models: frozenset[str] | None = None
    """Names that are known; None for all."""
    requests: list[Received] = field(factory=list[Received], init=False)
    """All that came, in order."""
    gone: list[int] = field(factory=list[int], init=False)
    """Numbers of the requests whose client went away before the answer was complete."""
    unanswered: list[int] = field(factory=list[int], init=False)
    """Numbers of the requests that came after the last answer; they got status 500."""
    connections: int = field(default=0, init=False)
    _answered: int = field(default=0, init=False)
    _given: Given = field(factory=Given, init=False)
    _caches: dict[str, Any] = field(init=False)
    _server: asyncio.Server | None = field(default=None, init=False)
    _connected: dict[asyncio.Task[None], Connection] = field(factory=dict[asyncio.Task[None], Connection], init=False)

    def __attrs_post_init__(self) -> None:
        self._caches = {path: module.new_cache() for path, module in _FORMATS.items()}

    async def start(self, port: int = 0) -> None:
        """Listen on a port of this machine; 0 for any that is free."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=1 << 20)

    async def aclose(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        # Closing, not cancelling: asyncio's callback logs a cancelled connection as an error before Python 3.12.
        for connection in self._connected.values():
            connection.reader.feed_eof()
            connection.close()
        await asyncio.gather(*self._connected, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the server has not been started; use `async with` or `start`")
        return int(self._server.sockets[0].getsockname()[1])

    def base_url(self, provider: str) -> str:
        """What a client of a provider is given: Anthropic's adds `/v1` itself, OpenAI's does not."""
        return f"http://127.0.0.1:{self.port}" + ("" if provider == "anthropic" else "/v1")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection, number = Connection(reader, writer), self.connections
        self._connected[task] = connection
        self.connections += 1
        try:
            while (request := await connection.receive()) is not None:
                if not await self._one(connection, number, *request):
                    break
        finally:
            self._connected.pop(task, None)
            connection.close()

    async def _one(
        self, connection: Connection, place: int, method: str, path: str, headers: dict[str, str], raw: bytes
    ) -> bool:
        """Answer one request; whether the connection goes on."""
        number = len(self.requests)
        received = Received(path=path, headers=headers, raw=raw, body=_object(raw), connection=place, number=number)
        self.requests.append(received)
        form = _FORMATS.get(path)
        if form is None or method != "POST":
            await connection.answer(404, _JSON, b'{"error":{"message":"no such path"}}', {})
            return True
        try:
            return await self._reply(connection, form, received)
        except ConnectionError:
            self.gone.append(number)
            return False

    async def _reply(self, connection: Connection, form: ModuleType, received: Received) -> bool:
        fault = self.faults.get(received.number)
        match fault:
            case Closed():
                return False
            case Page(status):
                await connection.answer(status, "text/html", _HTML, {})
                return True
            case Status(status, kind, message, headers):
                await connection.answer(status, _JSON, _dump(form.error(status, kind, message)), headers)
                return True
            case _:
                pass
        refused = self._refusal(form, received)
        if refused is not None:
            await connection.answer(refused[0], _JSON, _dump(refused[1]), {})
            return True
        answer = self._answer(received)
        if answer is None:
            self.unanswered.append(received.number)
            message = f"this is request {received.number + 1}, and the server was given no answer for it"
            await connection.answer(500, _JSON, _dump(form.error(500, "", message)), {})
            return True
        counted = self._counted(answer, received)
        if not received.body.get("stream"):
            await connection.answer(200, _JSON, _dump(form.whole(answer, counted, received.body, self._given)), {})
            return True
        events = [*_written(form.stream(answer, counted, received.body, self._given))]
        if form is chat:
            events.append(b"data: [DONE]\n\n")
        return await self._stream(connection, form, fault, events, received.number)

    async def _stream(
        self, connection: Connection, form: ModuleType, fault: Fault | None, events: list[bytes], number: int
    ) -> bool:
        await connection.begin(fault.content_type if isinstance(fault, WrongType) else _EVENTS)
        if isinstance(fault, Silence):
            await _send(connection, events[: fault.after_events])
            await connection.gone()
            self.gone.append(number)
            return False
        if isinstance(fault, Drip):
            data = b"".join(events)
            for start in range(0, len(data), fault.size):
                await _pause(connection, fault.pause_s)
                await connection.chunk(data[start : start + fault.size])
        else:
            await _send(connection, _broken(events, fault, form))
        if isinstance(fault, CutStream):
            return False
        await connection.chunk(b"")
        return True

    def _refusal(self, form: ModuleType, received: Received) -> tuple[int, dict[str, Any]] | None:
        if form.key_of(received.headers) != self.key:
            return 401, form.error(401, "", "invalid x-api-key: Incorrect API key provided")
        if not received.body:
            return 400, form.error(400, "", "We could not parse the JSON body of your request.")
        model = received.body.get("model")
        if self.models is not None and model not in self.models:
            return 404, form.error(404, "", f"model: {model} does not exist")
        if tokens(len(received.raw)) > self.context_tokens:
            return 400, form.overflow(tokens(len(received.raw)), self.context_tokens)
        return self._invalid(form, received) if self.check else None

    def _invalid(self, form: ModuleType, received: Received) -> tuple[int, dict[str, Any]] | None:
        try:
            form.check(received.headers, received.body, self._given)
        except Invalid as error:
            return error.status, form.error(error.status, error.kind, str(error))
        except (AttributeError, KeyError, TypeError) as error:  # a value of another type than the format has there
            return 400, form.error(400, "", f"request has a value of the wrong type: {error}")
        return None

    def _answer(self, received: Received) -> Answer | None:
        if callable(self.respond):
            return self.respond(received)
        at, self._answered = self._answered, self._answered + 1
        return self.respond[at] if at < len(self.respond) else None

    def _counted(self, answer: Answer, received: Received) -> Counted:
        counted: Counted = self._caches[received.path].count(received.raw, received.body)
        if answer.input_tokens is not None:
            counted = Counted(input_tokens=answer.input_tokens)
        return counted if answer.cached_tokens is None else evolve(counted, cached=answer.cached_tokens, written=0)


def _written(events: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[bytes]:
    for name, data in events:
        yield (f"event: {name}\n".encode() if name else b"") + b"data: " + _dump(data) + b"\n\n"


def _broken(events: list[bytes], fault: Fault | None, form: ModuleType) -> list[bytes]:
    half = len(events) // 2
    match fault:
        case CutStream("inside"):
            return [*events[:half], events[half][: len(events[half]) // 2]]
        case CutStream("between"):
            return events[:half]
        case CutStream("before_end"):
            return events[:-3] if form is chat else events[:-1]  # the reason, the usage and [DONE]
        case ErrorEvent(kind, message):
            return [*events[:half], *_written([form.error_event(kind, message)])]
        case MalformedEvent():
            return [*events[:half], b'data: {"broken": \n\n', *events[half:]]
        case _:
            return events


async def _send(connection: Connection, events: list[bytes]) -> None:
    if events:
        await connection.chunk(b"".join(events))


async def _pause(connection: Connection, seconds: float) -> None:
    try:
        await asyncio.wait_for(connection.gone(), seconds)
    except TimeoutError:
        return
    raise ConnectionResetError("the client closed the connection")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body: Any = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
