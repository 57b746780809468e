"""Asking a person, without ever waiting for one who is not there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from alphalab.errors import ConfigError
from alphalab.tools.base import Tool, tool

Asker = Callable[[str], Awaitable[str | None]]
"""Puts a question to a person; None when nobody can answer."""
_ALONE = "decide yourself, and write the assumption down where your result is described."


def ask_human(asker: Asker | None = None, *, time_limit_s: float = 300.0) -> Tool:
    """A tool that puts a question to a person; with nobody to ask it answers at once.

    Args:
        asker: Gets the question and returns the answer, e.g. `console_asker`; None when a run has no person.
        time_limit_s: Seconds to wait for an answer.

    Raises:
        ConfigError: The time limit is not above zero.
    """
    if not time_limit_s > 0:
        raise ConfigError(f"time_limit_s={time_limit_s!r} must be above zero; leave asker out to never wait")

    @tool(name="ask_human", time_limit_s=time_limit_s + 10)
    async def ask(question: str) -> str:
        """Ask the person in charge something that only they can decide.

        Args:
            question: One question, with what is needed to answer it.
        """
        if asker is None:
            return f"Nobody is here; {_ALONE}"
        limit = asyncio.timeout(time_limit_s)
        try:
            async with limit:
                answer = await asker(question)
        except TimeoutError:
            if not limit.expired():
                raise
            return f"Nobody answered within {time_limit_s:g} s; {_ALONE}"
        return answer if answer and answer.strip() else f"Nobody is here; {_ALONE}"

    return ask


async def console_asker(question: str) -> str | None:
    """Ask on the terminal; None at once when standard input is none."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        return None
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    print(f"\n{question}\n> ", end="", flush=True)  # noqa: T201 - the terminal is where the person is
    descriptor = sys.stdin.fileno()
    loop.add_reader(descriptor, ready.set)  # a thread in readline() could not be ended at the time limit
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return sys.stdin.readline().strip()
