"""The form of recorded model calls on disk: JSON Lines, in which nothing is written twice.

```
{"kind": "header", "format": 1, "model": ..., "capabilities": {...}}
{"kind": "part", "digest": ..., "value": ...}
{"kind": "call", "thread": 3, "began": 41, "ended": 44, "labels": {...}, "system": DIGEST, "tools": DIGEST,
 "after": 35, "keep": 12, "messages": [DIGEST, ...], "response": {...}, "deltas": [[kind, text], ...]}
```

A `part` is a system prompt, the tools, or a message; it is written when it is first used. A call names the messages
that are new since the call of the same thread that ended at `after`, of which it keeps the first `keep`, so that the
file grows with what is said and not with what is sent. `began` and `ended` count through all calls of the file and give
the order in which they overlapped. A call that failed has `error` in place of `response`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import field, frozen

from alphalab import errors
from alphalab._ids import digest
from alphalab._serde import dump, load
from alphalab.errors import ConfigError, ModelError
from alphalab.messages import Delta, Usage
from alphalab.models.base import Capabilities, ModelResponse

FORMAT = 1


def over_texts(value: Any, change: Callable[[str], str]) -> Any:
    """JSON data with every text changed; the bytes of images stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [over_texts(each, change) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        picture = pairs.get("type") == "image"
        return {key: each if picture and key == "data" else over_texts(each, change) for key, each in pairs.items()}
    return value


def _longest_first(folders: Mapping[str, Path]) -> tuple[tuple[str, str], ...]:
    """Placeholder and path, each as it was given and as it resolves."""
    pairs = {
        (f"<{name}>", str(path)) for name, given in folders.items() for path in (Path(given), Path(given).resolve())
    }
    return tuple(sorted(pairs, key=lambda pair: -len(pair[1])))


@frozen
class Folders:
    """Folders that lie elsewhere when a cassette is played; it holds their names."""

    pairs: tuple[tuple[str, str], ...] = field(converter=_longest_first)

    def hide(self, text: str) -> str:
        """Names in place of paths."""
        for name, path in self.pairs:
            text = text.replace(path, name)
        return text

    def show(self, text: str) -> str:
        """Paths in place of names."""
        for name, path in self.pairs:
            text = text.replace(name, path)
        return text


@frozen(kw_only=True)
class Call:
    """One recorded call."""

    thread: int
    """The same for all calls of one conversation."""
    began: int
    ended: int
    """Place among the beginnings and ends of all calls."""
    labels: dict[str, str]
    system: str
    """Digest of the system prompt."""
    tools: str
    """Digest of the tools and of the form of the answer."""
    messages: tuple[str, ...]
    """Digests."""
    answer: dict[str, Any]
    """`response` or `error`, and `deltas`."""

    def deltas(self) -> tuple[Delta, ...]:
        """Pieces of the answer, each as long as it was of one kind."""
        return tuple(Delta(kind=kind, text=text) for kind, text in self.answer["deltas"])

    def response(self, change: Callable[[str], str]) -> ModelResponse:
        """The answer, its texts changed.

        Raises:
            ModelError: The recorded call failed with that error.
        """
        failure = self.answer.get("error")
        if failure is not None:
            raise _error(failure)
        return load(over_texts(self.answer["response"], change), ModelResponse, subject="the recorded answer")


@frozen(kw_only=True)
class Cassette:
    """What one file holds."""

    model: str
    capabilities: Capabilities
    parts: dict[str, Any]
    """JSON by digest."""
    calls: tuple[Call, ...]
    """In the order in which they ended."""


def encode_line(kind: str, **fields: Any) -> str:
    """One line of a cassette."""
    return json.dumps({"kind": kind, **fields}, ensure_ascii=False, allow_nan=False) + "\n"


def part_digest(value: Any) -> str:
    """Name of a part."""
    return digest(value)[:20]


def error_fields(error: ModelError) -> dict[str, Any]:
    """A failure as JSON: its class, its message and what it is billed."""
    known = next(cls for cls in type(error).__mro__ if getattr(errors, cls.__name__, None) is cls)
    facts = {name: value for name, value in vars(error).items() if isinstance(value, str | int | float | bool)}
    usage = {} if error.usage is None else {"usage": dump(error.usage)}
    return {"class": known.__name__, "message": str(error), "facts": facts, **usage}


def _error(fields: dict[str, Any]) -> ModelError:
    kind: type[ModelError] = getattr(errors, fields["class"])
    usage = {"usage": load(fields["usage"], Usage, subject="the recorded usage")} if "usage" in fields else {}
    return kind(fields["message"], **fields["facts"], **usage)


def read_cassette(path: Path) -> Cassette:
    """A cassette from its file; a last line that was cut off when the process was killed is left out.

    Raises:
        ConfigError: There is no such file, or it is no cassette of this format.
    """
    if not path.is_file():
        raise ConfigError(f"there is no cassette {str(path)!r}; record one with RecordingModel(model, path)")
    lines = _lines(path)
    if not lines or lines[0].get("kind") != "header" or lines[0].get("format") != FORMAT:
        raise ConfigError(f"{str(path)!r} is no cassette of format {FORMAT}; its first line must be a header")
    header, parts, calls = lines[0], dict[str, Any](), dict[int, Call]()
    try:
        for line in lines[1:]:
            if line["kind"] == "part":
                parts[line["digest"]] = line["value"]
            elif line["kind"] == "call":
                calls[line["ended"]] = _call(line, calls)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{str(path)!r} is damaged: {error!r} is missing or not of its kind") from error
    return Cassette(
        model=header["model"],
        capabilities=load(header["capabilities"], Capabilities, subject=str(path)),
        parts=parts,
        calls=tuple(calls[ended] for ended in sorted(calls)),
    )


def _call(line: dict[str, Any], calls: Mapping[int, Call]) -> Call:
    kept = () if line["after"] is None else calls[line["after"]].messages[: line["keep"]]
    return Call(
        thread=line["thread"],
        began=line["began"],
        ended=line["ended"],
        labels=line["labels"],
        system=line["system"],
        tools=line["tools"],
        messages=(*kept, *line["messages"]),
        answer={key: line[key] for key in ("response", "error", "deltas") if key in line},
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    texts = path.read_text(encoding="utf-8").split("\n")
    found = list[dict[str, Any]]()
    for number, text in enumerate(texts[:-1], start=1):  # the last one is empty, or was cut off
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError as error:
            raise ConfigError(f"{str(path)!r} is damaged in line {number}: {error}") from error
    return found
