"""Frames between a scorer and a candidate: a JSON header and raw arrays, nothing that can execute.

```
4 bytes   length of the header, little-endian
n bytes   header, a JSON object; "arrays" lists {"name", "dtype", "shape"}
m bytes   the arrays one after the other, C order, little-endian
```

The candidate's process loads this file by its path, so it imports nothing of the library. Whatever arrives is
checked before anything is allocated for it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Fill = Callable[[memoryview], None]
"""Fills the whole buffer from a pipe, or raises."""

DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
MAX_HEADER_BYTES = 2**20
MAX_ANSWER_BYTES = 256 * 2**20
_MAX_DIMENSIONS = 16
_MAX_LENGTH = 2**40
_PREFIX = struct.Struct("<I")


class FrameError(ValueError):
    """Bytes that are not a frame; the message says which rule they break."""


def encode(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> list[memoryview]:
    """A frame as buffers to be written in order.

    Raises:
        FrameError: An array is not of a plain numeric type, or the header is too long.
    """
    plain = {name: _plain(name, array) for name, array in arrays.items()}
    listed = [{"name": name, "dtype": array.dtype.name, "shape": array.shape} for name, array in plain.items()]
    text = json.dumps({**header, "arrays": listed}, allow_nan=False).encode()
    if len(text) > MAX_HEADER_BYTES:
        raise FrameError(f"header of {len(text)} bytes is longer than {MAX_HEADER_BYTES}")
    bodies = [array.reshape(-1).view(np.uint8).data for array in plain.values() if array.size]
    return [memoryview(_PREFIX.pack(len(text)) + text), *bodies]


def read_frame(fill: Fill, *, max_bytes: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read one frame.

    Args:
        fill: Where bytes come from.
        max_bytes: Of all arrays together.

    Raises:
        FrameError: What arrives is not a frame, or is larger than agreed.
    """
    prefix = bytearray(_PREFIX.size)
    fill(memoryview(prefix))
    (length,) = _PREFIX.unpack(prefix)
    if not 0 < length <= MAX_HEADER_BYTES:
        raise FrameError(f"header length {length} is not between 1 and {MAX_HEADER_BYTES}")
    text = bytearray(length)
    fill(memoryview(text))
    header = _header(text)
    layout = _layout(header.pop("arrays", None), max_bytes)
    arrays = {name: np.empty(shape, dtype=dtype) for name, (dtype, shape) in layout.items()}
    for array in arrays.values():
        if array.size:
            fill(array.reshape(-1).view(np.uint8).data)
    return header, arrays


def _plain(name: str, array: Array) -> Array:
    if array.dtype.name not in DTYPES:
        raise FrameError(f"array {name!r} has dtype {array.dtype}; only {', '.join(DTYPES)} can be sent")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)


def _header(text: bytearray) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise FrameError("header is not a JSON object")
    return cast("dict[str, Any]", header)


def _layout(listed: Any, max_bytes: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    if not isinstance(listed, list):
        raise FrameError("header does not list its arrays")
    layout: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
    total = 0
    for entry in cast("list[Any]", listed):
        name, dtype, shape = _entry(entry)
        total += math.prod(shape) * dtype.itemsize
        if name in layout:
            raise FrameError(f"array {name!r} is listed twice")
        if total > max_bytes:
            raise FrameError(f"arrays are larger than {max_bytes} bytes")
        layout[name] = dtype, shape
    return layout


def _entry(entry: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    if not isinstance(entry, dict) or set(cast("dict[str, Any]", entry)) != {"name", "dtype", "shape"}:
        raise FrameError("an array needs exactly a name, a dtype and a shape")
    fields = cast("dict[str, Any]", entry)
    name, dtype, shape = fields["name"], fields["dtype"], fields["shape"]
    if not isinstance(name, str):
        raise FrameError("the name of an array is not a string")
    if dtype not in DTYPES:
        raise FrameError(f"dtype {dtype!r:.40} is none of {', '.join(DTYPES)}")
    if not isinstance(shape, list) or len(cast("list[Any]", shape)) > _MAX_DIMENSIONS:
        raise FrameError(f"a shape is a list of at most {_MAX_DIMENSIONS} lengths")
    lengths = cast("list[Any]", shape)
    if not all(type(length) is int and 0 <= length <= _MAX_LENGTH for length in lengths):
        raise FrameError(f"a shape holds whole numbers from 0 to {_MAX_LENGTH}")
    # Zero elements hide the other lengths from the size limit, and numpy refuses a product beyond its index type.
    if math.prod(length for length in lengths if length) > _MAX_LENGTH:
        raise FrameError(f"a shape spans more than {_MAX_LENGTH} elements")
    return name, np.dtype(dtype).newbyteorder("<"), tuple(lengths)
