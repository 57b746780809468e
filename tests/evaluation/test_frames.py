"""Frames: what goes in comes out, and what is not a frame is refused before anything is allocated."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from alphalab.evaluation.frames import DTYPES, FrameError, encode, read_frame


def reader(data):
    position = 0

    def fill(buffer):
        nonlocal position
        piece = data[position : position + len(buffer)]
        if len(piece) < len(buffer):
            raise EOFError
        buffer[:] = piece
        position += len(piece)

    return fill


def read(data, max_bytes=10**6):
    return read_frame(reader(data), max_bytes=max_bytes)


ARRAYS = arrays_of.arrays(
    dtype=st.sampled_from(DTYPES), shape=arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=5), ARRAYS, max_size=3))
def test_round_trip(arrays):
    header, read_arrays = read(b"".join(encode({"token": "a"}, arrays)))
    assert header == {"token": "a"}
    assert list(read_arrays) == list(arrays)
    for name, array in arrays.items():
        assert read_arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(read_arrays[name], array)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_refused_in_one_way(data):
    with pytest.raises((FrameError, EOFError)):
        read(struct.pack("<I", max(0, len(data) - 8)) + data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(DTYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "dtype", "shape"]), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_any_layout_is_refused_in_one_way_or_stays_within_the_limit(listed):
    text = json.dumps({"arrays": listed}).encode()
    try:
        _, arrays = read(struct.pack("<I", len(text)) + text + bytes(2000), max_bytes=1000)
    except FrameError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= 1000


def test_size_is_checked_before_memory_is_taken():
    with pytest.raises(FrameError, match="larger than 100 bytes"):
        read(b"".join(encode({}, {"x": np.zeros(101, dtype="u1")})), max_bytes=100)


def test_only_plain_numbers_are_sent():
    for array in (np.array(["a"]), np.array([None]), np.array([1j]), np.zeros(2, dtype="f4,i4"), np.zeros(1, "M8[s]")):
        with pytest.raises(FrameError, match="can be sent"):
            encode({}, {"x": array})
