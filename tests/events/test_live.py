"""What models write, for those who watch: few pieces, no secrets, nothing on record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab._clock import ManualClock
from alphalab._redaction import REDACTED, Redaction
from alphalab.events import EventBus, LivePieces, ModelStreamed
from alphalab.messages import Delta

SECRET = "hunter2-hunter2-hunter2"


def pieces(told, clock=None, secrets=(SECRET,)):
    return LivePieces(
        agent="a",
        role="r",
        experiment="exp-0001",
        publish=told.append,
        clock=clock or ManualClock(),
        redaction=Redaction(secrets),
    )


def say(live, *texts, kind="text"):
    for text in texts:
        live.take(Delta(kind=kind, text=text))


def test_many_deltas_are_few_pieces_and_all_of_the_text():
    told, clock = [], ManualClock()
    live = pieces(told, clock)
    clock.advance(1)
    words = [f"word{number} " for number in range(1000)]
    say(live, *words)
    live.flush()
    assert "".join(piece.text for piece in told) == "".join(words)
    assert len(told) < 60
    assert {(piece.agent, piece.role, piece.experiment, piece.kind) for piece in told} == {
        ("a", "r", "exp-0001", "text")
    }


def test_what_is_old_enough_is_told_at_once():
    told, clock = [], ManualClock()
    live = pieces(told, clock)
    clock.advance(1)
    say(live, "first words ")
    assert [piece.text for piece in told] == ["first words"]
    say(live, "more ")
    assert len(told) == 1
    clock.advance(0.2)
    say(live, "words ")
    assert len(told) == 2


def test_kinds_are_kept_apart_and_a_restart_voids_what_was_pending():
    told = []
    live = pieces(told)
    say(live, "hm", kind="thinking")
    say(live, "so", kind="text")
    live.take(Delta(kind="restart", text="rate limited"))
    say(live, "again")
    live.flush()
    assert [(piece.kind, piece.text) for piece in told] == [
        ("thinking", "hm"),
        ("restart", "rate limited"),
        ("text", "again"),
    ]


@given(data=st.data(), before=st.text(max_size=300), after=st.text(max_size=300))
def test_a_secret_is_never_told_however_it_is_cut(data, before, after):
    told, clock = [], ManualClock()
    live = pieces(told, clock)
    text = f"{before} {SECRET} {after}"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        clock.advance(1)
        say(live, text[start:end])
    live.flush()
    whole = "".join(piece.text for piece in told)
    assert SECRET not in whole
    assert REDACTED in whole


def test_a_listener_that_fails_is_switched_off_and_named_once():
    heard = []

    def broken(piece):
        raise RuntimeError("no")

    bus = EventBus(live=[broken, heard.append])
    piece = ModelStreamed(agent="a", role="r", kind="text", text="x")
    told = [bus.stream(piece) for _ in range(3)]
    assert "broken" in told[0]
    assert told[1:] == [None, None]
    assert heard == [piece] * 3


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_a_word_without_an_end_is_told_in_the_end(size):
    told, clock = [], ManualClock()
    live = pieces(told, clock)
    for _ in range(size // 100):
        clock.advance(1)
        say(live, "y" * 100)
    live.flush()
    assert "".join(piece.text for piece in told) == "y" * size
