"""Writing down what a model is asked and what it answers, so that it can be played again without it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from alphalab._redaction import Redaction
from alphalab._serde import dump
from alphalab.errors import ConfigError, ModelError
from alphalab.messages import Delta, Message
from alphalab.models.base import Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.cassette import (
    FORMAT,
    Folders,
    encode_line,
    error_fields,
    over_texts,
    part_digest,
    read_cassette,
)
from alphalab.models.wire.body import Conversations


class RecordingModel(Model):
    """Passes every call on to a model and appends it to a cassette when it is answered.

    Failed calls are recorded with their error; cancelled ones have no answer and are not. Secrets are replaced by
    `[redacted]` before anything is written. Every call is one write to the end of the file, so that a killed process
    loses at most the calls that were under way; a file that is there is gone on with. One model writes one file.

    Args:
        model: Who answers.
        path: The cassette.
        folders: Folders whose place differs when the cassette is played, by a name of their own, e.g.
            `{"workspace": "/scratch/runs/a"}`; the cassette holds `<workspace>` instead of the path.
        redaction: What is secret; None for the values of variables whose names end like `_API_KEY` or `_TOKEN`, and
            everything that looks like a key.

    Raises:
        ConfigError: The file is there and is no cassette, or is one of another model.
    """

    def __init__(
        self,
        model: Model,
        path: Path | str,
        *,
        folders: Mapping[str, Path | str] | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        self.name = model.name
        self.capabilities = model.capabilities
        self.model = model
        self.path = Path(path)
        self._redaction = redaction or Redaction.of_environment()
        self._folders = Folders({name: Path(folder) for name, folder in (folders or {}).items()})
        self._parts = Conversations(self._message)
        self._texts: dict[str, Any] = {}
        """Parts that are not in the file yet, by digest."""
        self._tape = _Tape(path=self.path)
        self._tape.open(model)

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """The model's answer.

        Raises:
            ModelError: As the model raises it.
        """
        began, deltas = self._tape.tick(), list[Delta]()

        def hear(delta: Delta) -> None:
            deltas.append(delta)
            if on_delta is not None:
                on_delta(delta)

        try:
            response = await self.model.generate(request, on_delta=hear)
        except ModelError as error:
            self._record(request, began, deltas, error=error_fields(error))
            raise
        self._record(request, began, deltas, response=dump(response))
        return response

    def check(self) -> tuple[str, ...]:
        """What the model's own check says."""
        return self.model.check()

    async def aclose(self) -> None:
        """Let go of the model's connections."""
        await self.model.aclose()

    def _record(self, request: ModelRequest, began: int, deltas: list[Delta], **answer: Any) -> None:
        form = {"tools": [dump(tool) for tool in request.tools], "output_schema": request.output_schema}
        self._tape.append(
            conversation=request.conversation,
            began=began,
            labels=self._clean(request.labels),
            system=self._part(request.system),
            tools=self._part(form),
            messages=[each.decode() for each in self._parts.encoded(request.conversation, request.messages)],
            fresh=self._texts,
            answer=self._clean({**answer, "deltas": _joined(deltas)}),
        )

    def _message(self, message: Message) -> bytes:
        return self._part(dump(message)).encode()

    def _part(self, value: Any) -> str:
        clean = self._clean(value)
        name = part_digest(clean)
        if name not in self._tape.parts:
            self._texts[name] = clean
        return name

    def _clean(self, value: Any) -> Any:
        return over_texts(self._redaction.json(value), self._folders.hide)


@define(kw_only=True, eq=False)
class _Tape:
    """The file, and what is needed to write nothing twice."""

    path: Path
    parts: set[str] = field(factory=set[str])
    """Digests of what is in the file."""
    threads: dict[str, tuple[int, int, tuple[str, ...]]] = field(factory=dict[str, "tuple[int, int, tuple[str, ...]]"])
    """Number, last end and messages of each conversation that has a name."""
    _count: int = 0
    _thread_count: int = 0
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def open(self, model: Model) -> None:
        """Begin a file, or go on with one."""
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(encode_line("header", format=FORMAT, model=model.name, capabilities=dump(model.capabilities)))
            return
        self._drop_broken_line()
        known = read_cassette(self.path)
        if known.model != model.name:
            raise ConfigError(
                f"{str(self.path)!r} is a cassette of model {known.model!r}, not of {model.name!r}; name another file"
            )
        self.parts = set(known.parts)
        self._count = max((call.ended for call in known.calls), default=0)
        self._thread_count = max((call.thread for call in known.calls), default=0)

    def tick(self) -> int:
        """The next place in the order of beginnings and ends."""
        with self._lock:
            self._count += 1
            return self._count

    def append(
        self,
        *,
        conversation: str,
        began: int,
        labels: dict[str, str],
        system: str,
        tools: str,
        messages: list[str],
        fresh: dict[str, Any],
        answer: dict[str, Any],
    ) -> None:
        """Write one call, and the parts it is the first to use."""
        ended = self.tick()
        with self._lock:
            thread, after, known = self.threads.get(conversation, (None, None, ()))
            if thread is None:
                self._thread_count += 1
                thread = self._thread_count
            keep = _common(known, messages)
            new = [name for name in (system, tools, *messages) if name in fresh and name not in self.parts]
            lines = [encode_line("part", digest=name, value=fresh.pop(name)) for name in dict.fromkeys(new)]
            place = {"thread": thread, "began": began, "ended": ended, "labels": labels}
            said = {"system": system, "tools": tools, "after": after, "keep": keep, "messages": messages[keep:]}
            self._write("".join([*lines, encode_line("call", **place, **said, **answer)]))
            self.parts.update(new)
            if conversation:
                self.threads[conversation] = (thread, ended, tuple(messages))

    def _write(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(text)

    def _drop_broken_line(self) -> None:
        data = self.path.read_bytes()
        if not data.endswith(b"\n"):
            self.path.write_bytes(data[: data.rfind(b"\n") + 1])


def _common(known: tuple[str, ...], now: list[str]) -> int:
    same = 0
    for one, other in zip(known, now, strict=False):
        if one != other:
            break
        same += 1
    return same


def _joined(deltas: list[Delta]) -> list[list[str]]:
    """Neighbours of one kind as one text, so that no secret hides between two pieces."""
    joined = list[list[str]]()
    for delta in deltas:
        if joined and joined[-1][0] == delta.kind != "restart":
            joined[-1][1] += delta.text
        else:
            joined.append([delta.kind, delta.text])
    return joined
