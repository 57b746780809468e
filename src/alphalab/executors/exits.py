"""News of the end of processes, from the kernel to the event loop; no polling, and no need to be their parent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from attrs import define, field, frozen

_uncollected: set[int] = set()
"""Children that nobody follows any more; global, because children belong to the process and not to one watch."""


@frozen
class _Followed:
    pidfd: int
    child: int | None
    """Process id when it is our child, which must be collected once it has ended."""
    on_end: Callable[[str], None]


@define(eq=False)
class ExitWatch:
    """Calls back when a process ends. Belongs to one event loop at a time; `bind` moves it to the running one."""

    loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _followed: dict[str, _Followed] = field(factory=dict[str, _Followed], init=False)

    def bind(self) -> None:
        """Deliver news to the running loop from now on, e.g. in a second `asyncio.run`."""
        loop = asyncio.get_running_loop()
        if loop is self.loop:
            return
        self.loop = loop
        for name, followed in self._followed.items():
            loop.add_reader(followed.pidfd, followed.on_end, name)

    def follow(self, name: str, pidfd: int, on_end: Callable[[str], None], *, child: int | None = None) -> None:
        """Call `on_end(name)` when the process of a descriptor ends; the descriptor is ours from here on."""
        assert self.loop is not None
        self._followed[name] = _Followed(pidfd, child, on_end)
        self.loop.add_reader(pidfd, on_end, name)

    def forget(self, name: str) -> None:
        """Stop following a process; called for every one, after its end or before."""
        followed = self._followed.pop(name, None)
        if followed is None:
            return
        if self.loop is not None:
            self.loop.remove_reader(followed.pidfd)
        os.close(followed.pidfd)
        if followed.child is not None:
            _uncollected.add(followed.child)
        _collect()

    def forget_all(self) -> None:
        """Stop following everything and let go of the loop."""
        for name in list(self._followed):
            self.forget(name)
        self.loop = None


def _collect() -> None:
    """Free the process numbers of children that have ended, those forgotten while they ran included."""
    for child in list(_uncollected):
        try:
            ended = os.waitpid(child, os.WNOHANG)[0] == child
        except ChildProcessError:
            ended = True  # collected by something else in this process
        if ended:
            _uncollected.discard(child)
