"""One synchronous facade: a background event loop and one line per class.

`run_sync = syncify("run")` looks `run` up on `self`, so overriding `run` is enough. It works in a script
and in a notebook, whose own loop is busy in another thread. Ctrl-C cancels the work and waits for its clean-up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from alphalab.errors import ConfigError

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop per process is the point
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="alphalab-loop", daemon=True).start()
        return _loop


def run_blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for its result."""
    loop = _background_loop()
    if _running_loop() is loop:
        coroutine.close()
        raise ConfigError("a synchronous method was called from inside alphalab's own loop; await the async one there")
    tasks: list[asyncio.Task[Any] | None] = []

    async def watched() -> T:
        tasks.append(asyncio.current_task())
        return await coroutine

    future = asyncio.run_coroutine_threadsafe(watched(), loop)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        _wait_for_cleanup(tasks, loop)
        raise


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _wait_for_cleanup(
    tasks: list[asyncio.Task[Any] | None], loop: asyncio.AbstractEventLoop, patience_s: float = 30.0
) -> None:
    async def settle() -> None:
        for task in tasks:  # not all tasks of the loop: others, such as a server, go on
            if task is not None:
                await asyncio.wait([task], timeout=patience_s)

    settled: Future[None] = asyncio.run_coroutine_threadsafe(settle(), loop)
    try:
        settled.result(timeout=patience_s + 1)
    except (TimeoutError, CancelledError):
        return


def syncify(name: str) -> Callable[..., Any]:
    """A method that runs the coroutine method `name` of the same object to its end."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return run_blocking(getattr(self, name)(*args, **kwargs))

    call.__name__ = f"{name}_sync"
    call.__qualname__ = call.__name__
    call.__doc__ = f"Run `{name}` to its end and return its result; the same arguments. Works in scripts and notebooks."
    return call
