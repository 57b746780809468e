"""What is written can be read again, exactly; what is wrong is named, all of it, with its place."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from alphalab._serde import dump, dumps, load, loads
from alphalab.errors import ConfigError
from alphalab.measurement import Failure, Measurement, Outcome
from alphalab.messages import (
    Block,
    ImageBlock,
    Message,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Usage,
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@frozen(kw_only=True)
class Everything:
    flag: bool = True
    count: int = 3
    share: float = 0.5
    name: str = "n"
    colour: Colour = Colour.RED
    mode: Literal["a", "b"] = "a"
    at: datetime = datetime(2026, 1, 31, 12, tzinfo=UTC)
    wait: timedelta = timedelta(seconds=90)
    raw: bytes = b"\0\xff"
    path: Path = Path("a/b")
    scalar: bool | int | float | str = 1
    perhaps: int | None = None
    many: tuple[int, ...] = field(default=(1, 2), converter=tuple)
    table: dict[str, Any] = field(factory=dict)


def problems(data, kind=Everything, **more):
    with pytest.raises(ConfigError) as caught:
        load(data, kind, **more)
    return caught.value.problems


def test_round_trip_of_every_kind_of_field():
    value = Everything(colour=Colour.BLUE, perhaps=7, table={"x": [1, None, {"y": 2.5}]})
    assert loads(dumps(value), Everything, strict=True) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flag", "false"),
        ("flag", 1),
        ("flag", None),
        ("count", "3"),
        ("count", 3.0),
        ("count", True),
        ("share", "0.5"),
        ("share", True),
        ("share", None),
        ("name", 3),
        ("name", b"x"),
        ("colour", "green"),
        ("mode", "c"),
        ("wait", "90"),
        ("wait", True),
        ("raw", 3),
        ("raw", "not base64!"),
        ("path", 3),
        ("scalar", None),
        ("scalar", [1]),
        ("perhaps", "7"),
        ("perhaps", False),
        ("many", [1, "2"]),
        ("many", 3),
        ("table", [1]),
        ("at", "yesterday"),
        ("at", 1769860800),
    ],
)
def test_nothing_is_converted_by_guessing(name, value):
    (problem,) = problems({name: value})
    assert f"@ $.{name}" in problem


def test_a_whole_number_is_a_float_too():
    read = load({"share": 1}, Everything)
    assert type(read.share) is float


@pytest.mark.parametrize("value", [True, 1, 1.5, "1"])
def test_a_scalar_keeps_its_type(value):
    assert type(load({"scalar": value}, Everything).scalar) is type(value)


def test_members_of_an_enumeration_come_back_as_members():
    assert load({"colour": "blue"}, Everything).colour is Colour.BLUE
    (problem,) = problems({"colour": "green"})
    assert problem == "'green' is none of 'red', 'blue' @ $.colour"


def test_times_need_a_zone_and_are_utc():
    (problem,) = problems({"at": "2026-01-31T12:00:00"})
    assert "has no zone; write it as UTC" in problem
    read = load({"at": "2026-01-31T13:00:00+01:00"}, Everything)
    assert read.at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert read.at.tzinfo is UTC
    written = dump(Everything(at=datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))))
    assert written["at"] == "2026-01-31T12:00:00+00:00"


def test_a_time_from_toml_is_read_as_it_is():
    assert load({"at": datetime(2026, 1, 31, 12, tzinfo=UTC)}, Everything).at.hour == 12
    assert "has no zone" in problems({"at": datetime(2026, 1, 31, 12)})[0]  # noqa: DTZ001 - the point of it


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_not_written(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(Everything(share=value))
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(Everything(table={"deep": [value]}))


def test_all_problems_together_with_their_places():
    found = problems({"flag": "no", "count": "3", "many": [1, "2", 3.5], "colour": "green"})
    assert len(found) == 5
    assert {line.partition(" @ ")[2] for line in found} == {
        "$.flag",
        "$.count",
        "$.many[1]",
        "$.many[2]",
        "$.colour",
    }


@frozen(kw_only=True)
class Nested:
    inner: Everything
    needed: str


def test_missing_and_unknown_keys_in_depth():
    found = problems({"inner": {"flat": 1, "count": "x"}, "extra": 2}, Nested, strict=True, subject="plan")
    assert sorted(found) == [
        "expected int, got 'x' @ $.inner.count",
        "required key 'needed' is missing @ $.needed",
        "unknown key(s) extra",
        "unknown key(s) flat @ $.inner",
    ]


def test_what_is_lenient_about_logs():
    assert load({"inner": {"flat": 1}, "needed": "x", "extra": 2}, Nested).needed == "x"


def test_text_that_is_not_json_names_its_subject():
    with pytest.raises(ConfigError, match=r"^events\.jsonl: not JSON: "):
        loads("{", Everything, subject="events.jsonl")


@pytest.mark.parametrize("data", [[1, 2], [], "text", "count", None, 3])
def test_only_an_object_is_read_as_one(data):
    assert problems(data) == (f"expected an object, got {data!r}",)
    assert problems({"inner": data, "needed": "x"}, Nested) == (f"expected an object, got {data!r} @ $.inner",)


# -- unions ------------------------------------------------------------------------------------------------------------


def test_a_tag_is_a_wire_name_and_not_a_class_name():
    assert dump(TextBlock(text="hi"), Block) == {"type": "text", "text": "hi", "extra": {}}
    assert dump(Failure(kind="crashed", message="it raised"), Outcome)["status"] == "rejected"
    assert dump(Measurement(value=1.0), Outcome)["status"] == "scored"


@pytest.mark.parametrize("tag", ["TextBlock", "", None, 3, ["text"]])
def test_an_unknown_tag_names_the_known_ones(tag):
    (problem,) = problems({"type": tag, "text": "hi"}, Block)
    assert "unknown type" in problem
    assert "image, opaque, text, thinking, tool_result, tool_use" in problem


def test_without_a_tag():
    assert "unknown type None; known" in problems({"text": "hi"}, Block)[0]
    assert "expected an object with a 'type'" in problems("hi", Block)[0]


def test_problems_inside_a_union_keep_their_place():
    (problem,) = problems({"role": "user", "content": [{"type": "text", "text": 3}]}, Message)
    assert problem == "expected str, got 3 @ $.content[0].text"


def test_a_tool_result_holds_texts_and_pictures_only():
    inner = {"type": "tool_use", "id": "1", "name": "shell", "input": {}}
    (problem,) = problems({"type": "tool_result", "tool_use_id": "1", "content": [inner]}, Block)
    assert "unknown type 'tool_use'; known: image, text" in problem


def test_a_measurement_that_is_not_finite_does_not_come_in():
    with pytest.raises(ConfigError, match="NaN is not JSON"):
        loads('{"status": "scored", "value": NaN}', Outcome)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
EXTRA = st.dictionaries(TEXTS, JSON, max_size=2)
TEXT = st.builds(TextBlock, text=TEXTS, extra=EXTRA)
IMAGE = st.builds(
    ImageBlock,
    data=st.binary(max_size=20),
    media_type=st.sampled_from(["image/png", "image/webp"]),
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
    extra=EXTRA,
)
BLOCKS = (
    TEXT
    | IMAGE
    | st.builds(ThinkingBlock, text=TEXTS, signature=st.none() | TEXTS, extra=EXTRA)
    | st.builds(ToolUseBlock, id=TEXTS, name=TEXTS, input=EXTRA, extra=EXTRA)
    | st.builds(
        ToolResultBlock,
        tool_use_id=TEXTS,
        content=st.lists(TEXT | IMAGE, max_size=3),
        is_error=st.booleans(),
        extra=EXTRA,
    )
)
MESSAGES = st.builds(Message, role=st.sampled_from(["user", "assistant"]), content=st.lists(BLOCKS, max_size=4))


@given(MESSAGES)
def test_messages_come_back_as_they_were(message):
    assert loads(dumps(message), Message, strict=True) == message


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.dictionaries(TEXTS, st.floats(-1e9, 1e9), max_size=3), EXTRA
)
def test_measurements_come_back_to_the_last_bit(value, secondary, details):
    measured = Measurement(value=value, low=value, secondary=secondary, details=details)
    assert loads(dumps(measured, Outcome), Outcome, strict=True) == measured


@given(st.builds(Failure, kind=st.sampled_from(["crashed", "timed_out"]), message=st.text(max_size=30), details=EXTRA))
def test_failures_come_back_whatever_a_candidate_wrote(failure):
    assert loads(dumps(failure, Outcome).encode().decode(), Outcome, strict=True) == failure


@given(st.integers(0), st.none() | st.floats(0, 1e9))
def test_an_unknown_price_stays_unknown(tokens, cost):
    usage = Usage(calls=1, input_tokens=tokens, cost_usd=cost)
    assert loads(dumps(usage), Usage) == usage
    assert "cost_usd" in json.loads(dumps(usage))


@given(JSON)
def test_whatever_comes_is_read_or_refused_with_a_sentence(data):
    for kind in (Everything, Message, Block, Outcome):
        error = refusal(data, kind)
        assert error is None or (str(error).startswith("letter: ") and error.problems)


def refusal(data, kind):
    try:
        load(data, kind, subject="letter")
    except ConfigError as error:
        return error
    return None
