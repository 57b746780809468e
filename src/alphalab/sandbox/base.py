"""What a sandbox promises, whichever tool provides it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from alphalab.commands import Command, CommandResult, Sandboxed


class Sandbox(ABC):
    """Runs commands that are not trusted.

    Every tier scrubs the environment to an allow-list, limits memory, processes, files and time, and ends a
    command together with everything it started. Only tiers with `isolates` keep it from reading and writing elsewhere.
    """

    tier: ClassVar[str]
    """Name recorded with every score."""
    isolates: ClassVar[bool]
    """Whether files outside the command's access, and the network, are really absent."""

    @abstractmethod
    def check(self) -> tuple[str, ...]:
        """Why it does not work on this machine; empty when it does. Really starts a command."""

    @abstractmethod
    def launch(self, command: Command, *, stdin: Any = None, stdout: Any = None, stderr: Any = None) -> Sandboxed:
        """Start a command whose pipes the caller reads and writes.

        Raises:
            SandboxError: The command could not be started.
        """

    @abstractmethod
    async def run(self, command: Command) -> CommandResult:
        """Run a command to its end or its limit; a limit is a result, not an exception."""
