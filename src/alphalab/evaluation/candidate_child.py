"""The candidate's side of the pipe: loads a submission and runs its methods as they are asked for.

Run by its path in a sandboxed process that holds nothing worth stealing: no labels, no timer, no scorer. Whatever
the submission does to this process, it can do no more than answer wrongly. Imports numpy, nothing of the library.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

_MESSAGE_CHARS = 2000
_TRACEBACK_CHARS = 8000


def load_file(name: str, path: Path) -> ModuleType:
    """Import one file under a name, whatever else of that name is installed."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} cannot be loaded as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# By path, because this folder on `sys.path` would let its other files shadow the standard library.
frames = load_file("_alphalab_frames", Path(__file__).with_name("frames.py"))


class Unsuitable(Exception):
    """A result that is no array of plain numbers.

    Attributes:
        kind: Kind of the failure.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Pipe:
    """Private descriptors to the scorer; standard input becomes empty, standard output becomes standard error."""

    def __init__(self) -> None:
        self._requests, self._answers = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)

    def receive(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The next request."""
        return frames.read_frame(self._fill, max_bytes=sys.maxsize)

    def send(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Answer it."""
        for buffer in frames.encode(header, arrays):
            sent = 0
            while sent < len(buffer):
                sent += os.write(self._answers, buffer[sent:])

    def _fill(self, buffer: memoryview) -> None:
        filled = 0
        while filled < len(buffer):
            count = os.readv(self._requests, [buffer[filled:]])
            if count == 0:
                raise EOFError
            filled += count


def load(request: Mapping[str, Any]) -> Any:
    """The object that a submission defines."""
    folder = Path(request["folder"])
    sys.path.insert(0, str(folder))
    module = load_file(request["module"], folder / f"{request['module']}.py")
    return getattr(module, request["attribute"])()


def call(loaded: Any, request: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Run one method; arrays are read-only for it."""
    for array in arrays.values():
        array.flags.writeable = False
    result = getattr(loaded, request["method"])(*arrays.values(), **request["options"])
    return {} if result is None else {"result": as_plain_array(result)}


def as_plain_array(result: Any) -> Any:
    """A result as an array of plain numbers; torch tensors come to the CPU, and bfloat16 becomes float32."""
    if callable(getattr(result, "detach", None)):
        result = result.detach().cpu()
        result = (result.float() if str(result.dtype) == "torch.bfloat16" else result).numpy()
    try:
        array = np.asarray(result)
    except ValueError as error:
        raise Unsuitable("protocol", f"the result is no rectangular array: {error}") from error
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    if array.dtype.name not in frames.DTYPES:
        raise Unsuitable("wrong_dtype", f"the result is {type(result).__name__} of {array.dtype}, not plain numbers")
    if array.nbytes > frames.MAX_ANSWER_BYTES:
        raise Unsuitable("protocol", f"the result has {array.nbytes} bytes; at most {frames.MAX_ANSWER_BYTES} are read")
    return array


def failure(error: BaseException, kind: str) -> dict[str, Any]:
    """What the scorer is told about an exception."""
    if isinstance(error, MemoryError):
        kind = "out_of_memory"
    if isinstance(error, Unsuitable):
        kind, message = error.kind, str(error)
    else:
        message = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_exception(error))
    return {"failure": kind, "message": message[-_MESSAGE_CHARS:], "traceback": trace[-_TRACEBACK_CHARS:]}


def serve(loaded: list[Any], request: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Do what one request asks for."""
    if request["kind"] == "load":
        loaded.append(load(request))
        return {}
    return call(loaded[0], request, arrays)


def main() -> None:
    """Answer requests until the scorer closes the pipe."""
    pipe = Pipe()
    loaded: list[Any] = []
    while True:
        try:
            request, arrays = pipe.receive()
        except EOFError:
            return
        answer: dict[str, Any] = {}
        results: dict[str, Any] = {}
        try:
            results = serve(loaded, request, arrays)
        except BaseException as error:  # noqa: BLE001, it may raise anything, `SystemExit` included; the scorer judges
            answer = failure(error, "import_failed" if request["kind"] == "load" else "crashed")
        pipe.send({**answer, "token": request["token"]}, results)


if __name__ == "__main__":
    main()
