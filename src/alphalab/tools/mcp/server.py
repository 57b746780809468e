"""Where an MCP server is to be had."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from alphalab.errors import ConfigError


@frozen(kw_only=True)
class McpServer:
    """A command that is started and spoken to over its standard input and output, or a URL.

    A command runs with the caller's rights, outside any sandbox. Of the environment it gets HOME, LOGNAME, PATH,
    SHELL, TERM and USER, and what is named here.
    """

    command: str | None = None
    args: tuple[str, ...] = field(default=(), converter=tuple[str, ...])
    env: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Set for the command."""
    pass_env: tuple[str, ...] = field(default=(), converter=tuple[str, ...])
    """Variables of our own environment that the command gets too, e.g. a key."""
    cwd: Path | None = None
    url: str | None = None
    """Of a server that speaks streamable HTTP."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Sent with every request to the URL, e.g. `Authorization`."""

    @property
    def label(self) -> str:
        """As messages name it: without arguments and credentials."""
        if self.url is None:
            return f"MCP server {self.command!r}"
        parts = urlsplit(self.url)
        plain = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return f"MCP server {plain!r}"

    @property
    def environment(self) -> dict[str, str]:
        """What is added to the few variables that every command gets."""
        return {**{name: os.environ[name] for name in self.pass_env}, **self.env}

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not come back in an error message."""
        values = (*self.environment.values(), *self.headers.values())
        return tuple(value for value in values if len(value) >= 8)

    def problems(self) -> list[str]:
        """Everything that is wrong with it, in words."""
        if (self.command is None) == (self.url is None):
            return ["give either a command or a url"]
        return self._problems_of_url() if self.command is None else self._problems_of_command()

    def _problems_of_command(self) -> list[str]:
        found = [
            f"pass_env: {name!r} is not set in this environment" for name in self.pass_env if name not in os.environ
        ]
        if not self.command:
            found.append("command is empty")
        if self.headers:
            found.append("headers belong to a url")
        if self.cwd is not None and not self.cwd.is_dir():
            found.append(f"cwd: {str(self.cwd)!r} is not a folder")
        return found

    def _problems_of_url(self) -> list[str]:
        given = {"args": self.args, "env": self.env, "pass_env": self.pass_env, "cwd": self.cwd}
        found = [f"{name} belongs to a command" for name, value in given.items() if value]
        if urlsplit(self.url or "").scheme not in {"http", "https"}:
            found.append(f"url={self.url!r} must begin with http:// or https://")
        return found

    def require(self) -> None:
        """See that it can be used.

        Raises:
            ConfigError: All problems together.
        """
        problems = self.problems()
        if problems:
            raise ConfigError.of("MCP server", problems)
