"""Every event has a wire tag, a past tense, and comes back from the record as it was."""

import json
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab._serde import dump, dumps, load, loads
from alphalab.errors import ConfigError
from alphalab.events import EVENT_TAGS, Event, ExperimentScored, LessonChanged, Noticed, Recorded, Steered
from alphalab.experiments import Store
from alphalab.measurement import Failure, Measurement, Outcome
from alphalab.messages import Usage

KINDS = sorted(EVENT_TAGS.items())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(-1e12, 1e12)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(0, 10**9),
    float: NUMBERS,
    bool: st.booleans(),
    str | None: st.none() | TEXT,
    tuple[str, ...]: st.lists(TEXT, max_size=3),
    dict[str, Any]: st.dictionaries(TEXT, st.none() | NUMBERS | TEXT | st.lists(TEXT, max_size=2), max_size=3),
    Usage: st.builds(Usage, calls=st.integers(0, 9), cost_usd=st.none() | st.floats(0, 1e6)),
    Outcome: st.builds(Measurement, value=NUMBERS) | st.builds(Failure, kind=st.just("crashed"), message=TEXT),
}


def events_of(kind: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{attribute.name: BY_TYPE[hints[attribute.name]] for attribute in attrs.fields(kind)})


def test_every_kind_has_one_tag():
    assert set(EVENT_TAGS.values()) == set(typing.get_args(Event))
    assert len(EVENT_TAGS) == len(set(EVENT_TAGS.values()))


@pytest.mark.parametrize(("tag", "kind"), KINDS)
@given(data=st.data())
def test_round_trip(tag, kind, data):
    event = data.draw(events_of(kind))
    text = dumps(event, Event)
    assert json.loads(text)["event"] == tag
    assert loads(text, Event, strict=True) == event


@given(st.one_of(*(events_of(kind) for _, kind in KINDS)))
def test_the_record_gives_back_what_it_was_given(event):
    with Store.in_memory() as store:
        store.append(event)
        (recorded,) = store.events()
    assert recorded.event == event
    assert recorded.number == 1
    assert loads(dumps(recorded), Recorded) == recorded


@pytest.mark.parametrize(("tag", "kind"), KINDS)
def test_events_are_values_with_their_fields_documented(tag, kind):
    assert kind.__doc__
    assert kind.__attrs_attrs__
    event = kind(**{item.name: _smallest(kind, item.name) for item in attrs.fields(kind)})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(event, attrs.fields(kind)[0].name, "x")


def _smallest(kind, name):
    hint = typing.get_type_hints(kind)[name]
    samples = {str: "", int: 0, float: 0.0, bool: False, Usage: Usage(), Outcome: Measurement(value=0.0)}
    return samples.get(
        hint, () if typing.get_origin(hint) is tuple else {} if typing.get_origin(hint) is dict else None
    )


def test_the_tag_of_a_renamed_class_would_stay():
    assert dump(Steered(note="x"), Event) == {"event": "steered", "note": "x"}


def test_an_event_of_a_newer_version_is_named():
    with pytest.raises(ConfigError, match="unknown event 'campaign_cloned'; known: agent_finished, "):
        load({"event": "campaign_cloned"}, Event)


def test_an_older_event_lacks_fields_that_came_later():
    read = load({"event": "lesson_changed", "lesson": "L-001", "action": "added", "text": "x"}, Event)
    assert read == LessonChanged(lesson="L-001", action="added", text="x")


def test_a_newer_event_may_carry_more():
    assert load({"event": "steered", "note": "x", "mood": "good"}, Event) == Steered(note="x")


def test_the_outcome_inside_an_event_keeps_its_tag():
    event = ExperimentScored(
        experiment="exp-0001", split="search", seed=0, outcome=Failure(kind="crashed", message="it raised")
    )
    assert dump(event, Event)["outcome"]["status"] == "rejected"


def test_a_number_that_is_not_finite_does_not_go_on_record():
    with Store.in_memory() as store:
        with pytest.raises(ValueError, match="JSON"):
            store.append(Noticed(message="x", facts={"loss": float("nan")}))
        assert store.events() == ()


def test_a_time_on_record_is_utc(tmp_path: Path):
    with Store.open(tmp_path / "state.db") as store:
        recorded = store.append(Steered(note="x"))
        assert store.events()[0].at == recorded.at
    assert recorded.at.tzinfo is UTC
    assert abs((datetime.now(UTC) - recorded.at).total_seconds()) < 60
