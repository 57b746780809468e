"""Commands that run under a sandbox: what they may touch, what they gave back, and the seam that launches them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from attrs import field, frozen

from alphalab.resources import ProcessLimits


def _paths(values: Sequence[Path | str]) -> tuple[Path, ...]:
    return tuple(Path(value).absolute() for value in values)


@frozen(kw_only=True)
class Access:
    """Files and folders that a tool or a command may read and write; everything else does not exist for it."""

    readable: tuple[Path, ...] = field(default=(), converter=_paths)
    writable: tuple[Path, ...] = field(default=(), converter=_paths)
    """Readable too."""
    hidden: tuple[Path, ...] = field(default=(), converter=_paths)
    """Below a readable or writable folder, and still absent."""

    def may_read(self, path: Path) -> bool:
        """Whether the path, links followed, lies in what is readable."""
        return self._covers((*self.readable, *self.writable), path)

    def may_write(self, path: Path) -> bool:
        """Whether the path, links followed, lies in what is writable."""
        return self._covers(self.writable, path)

    def _covers(self, roots: tuple[Path, ...], path: Path) -> bool:
        real = path.resolve()
        if any(real.is_relative_to(root.resolve()) for root in self.hidden):
            return False
        return any(real.is_relative_to(root.resolve()) for root in roots)


@frozen(kw_only=True)
class Command:
    """One command for a sandbox."""

    argv: tuple[str, ...] = field(converter=tuple)
    cwd: Path
    access: Access = field(factory=Access)
    env: dict[str, str] = field(factory=dict[str, str])
    """Set beside the sandbox's own allow-list; the caller's environment is never passed on."""
    limits: ProcessLimits = field(factory=ProcessLimits)
    network: bool = False
    time_limit_s: float | None = 120.0


@frozen(kw_only=True)
class CommandResult:
    """What a finished command left."""

    exit_code: int
    """Negative: the signal that ended it."""
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False
    limit: str | None = None
    """Which limit ended it: `time`, `memory`, `processes`, `disk`, `output`; None when it ended by itself."""
    truncated: bool = False
    """Output beyond the limit was dropped."""


class Sandboxed(Protocol):
    """A running sandboxed command whose pipes the caller holds."""

    process: subprocess.Popen[bytes]

    def limit_hit(self) -> str | None:
        """Which limit ended it, or None."""
        ...

    def kill(self) -> None:
        """End it and everything it started; returns when all are gone."""
        ...


class Launcher(Protocol):
    """A sandbox as the layers beside it see it."""

    tier: ClassVar[str]
    """Name recorded with every score, e.g. `bubblewrap`."""
    isolates: ClassVar[bool]
    """Whether what a command may not touch is really absent for it."""

    def launch(self, command: Command, *, stdin: Any = None, stdout: Any = None, stderr: Any = None) -> Sandboxed:
        """Start a command whose pipes the caller reads and writes."""
        ...

    async def run(self, command: Command) -> CommandResult:
        """Run a command to its end or its limit."""
        ...
