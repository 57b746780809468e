"""Listeners hear everything once and in order, and none of them can stop a campaign."""

import asyncio
from datetime import UTC, datetime

import pytest

from alphalab.events import EventBus, Noticed, Recorded, Steered
from alphalab.experiments import Store


def recorded(number, note="x"):
    return Recorded(number=number, at=datetime(2026, 1, 1, tzinfo=UTC), event=Steered(note=note))


def test_every_sink_hears_every_event_in_order():
    first, second = [], []
    bus = EventBus(sinks=[first.append, second.append])
    for number in range(3):
        bus.publish(recorded(number))
    assert first == second == [recorded(number) for number in range(3)]


def test_a_failing_sink_is_told_of_once_and_switched_off():
    heard, calls = [], []

    def broken(event):
        calls.append(event)
        raise RuntimeError("disk full")

    bus = EventBus(sinks=[broken, heard.append])
    bus.publish(recorded(1))
    bus.publish(recorded(2))
    assert calls == [recorded(1)]
    notices = [item.event for item in heard if isinstance(item.event, Noticed)]
    assert len(notices) == 1
    assert "disk full" in notices[0].message
    assert [item.number for item in heard if not isinstance(item.event, Noticed)] == [1, 2]


def test_when_all_sinks_fail_nothing_is_raised():
    def broken(_event):
        raise RuntimeError("no")

    def broken_too(_event):
        raise RuntimeError("neither")

    EventBus(sinks=[broken, broken_too]).publish(recorded(1))


def test_an_interruption_in_a_sink_is_not_swallowed():
    def interrupted(_event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EventBus(sinks=[interrupted]).publish(recorded(1))


def test_a_sink_may_leave_while_it_hears():
    bus = EventBus()
    heard = []

    def once(event):
        heard.append(event)
        bus.sinks.remove(once)

    bus.sinks.append(once)
    bus.publish(recorded(1))
    bus.publish(recorded(2))
    assert heard == [recorded(1)]


def test_a_sink_that_appends_hears_its_own_event_later():
    with Store.in_memory(bus=EventBus()) as store:
        heard = []

        def answer(event):
            heard.append(event.event)
            if event.event == Steered(note="question"):
                store.append(Steered(note="answer"))

        store.bus.sinks.extend([answer, lambda event: heard.append(event.number)])
        store.append(Steered(note="question"))
    assert heard == [Steered(note="question"), 1, Steered(note="answer"), 2]


async def test_a_follower_hears_what_comes_after_it_and_is_forgotten_when_it_leaves():
    bus = EventBus()
    bus.publish(recorded(1))
    follower = bus.follow()
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    bus.publish(recorded(2))
    bus.publish(recorded(3))
    assert (await waiting).number == 2
    assert (await anext(follower)).number == 3
    await follower.aclose()
    bus.publish(recorded(4))
    assert bus._followers == []
