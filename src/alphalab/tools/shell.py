"""A shell inside the sandbox."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from alphalab.commands import Command, CommandResult, Launcher
from alphalab.errors import ToolError
from alphalab.resources import ProcessLimits
from alphalab.tools.base import Tool, ToolContext, tool
from alphalab.tools.output import show

_FOLDER = "shell.folder"
_SCRIPT = r"""exec 2>&1
cd -- "$2" 2>/dev/null || echo "(the folder $2 is gone; back in $PWD)"
trap "printf '\n%s%s\n' $3 \"\$PWD\"" EXIT
eval "set --; $1"
"""
"""Both outputs in one stream keep their order; the trap reports the folder also after `exit` and errors."""


def shell(
    *,
    max_timeout_s: int = 3600,
    network: bool = False,
    env: Mapping[str, str] | None = None,
    limits: ProcessLimits | None = None,
) -> Tool:
    """A tool that runs bash commands in the agent's sandbox; `cd` lasts from one call to the next.

    Args:
        max_timeout_s: Longest time a model may ask for.
        network: Whether commands reach the network.
        env: Set for every command, beside the sandbox's own allow-list.
        limits: Memory, processes, files and output of one command.
    """
    variables, bounds = dict(env or {}), limits or ProcessLimits()

    @tool(name="shell", time_limit_s=max_timeout_s + 60)
    async def run(ctx: ToolContext, command: str, timeout_s: int = 120) -> str:
        """Run a bash command and see its output and exit code.

        `cd` lasts until the next call; variables and background processes do not. Paths of other tools still
        start at the first working folder.

        Args:
            command: Any bash script.
            timeout_s: Seconds until it is ended.
        """
        launcher = _require(ctx, command, timeout_s, max_timeout_s)
        mark = f"folder-{secrets.token_hex(8)}:"
        folder = str(ctx.state.get(_FOLDER, ctx.cwd))
        result = await launcher.run(
            Command(
                argv=("bash", "-c", _SCRIPT, "bash", command, folder, mark),
                cwd=ctx.cwd,
                access=ctx.access,
                env=variables,
                limits=bounds,
                network=network,
                time_limit_s=float(timeout_s),
            )
        )
        output, folder = _split(result.stdout, mark, folder)
        ctx.state[_FOLDER] = folder
        return _report(ctx, result, output, folder)

    return run


def _require(ctx: ToolContext, command: str, timeout_s: int, max_timeout_s: int) -> Launcher:
    if ctx.launcher is None:
        raise ToolError("commands are not allowed here; use the file tools")
    if not 1 <= timeout_s <= max_timeout_s:
        raise ToolError(f"timeout_s={timeout_s} must lie between 1 and {max_timeout_s}; split longer work up")
    if "\0" in command or any("\ud800" <= character <= "\udfff" for character in command):
        raise ToolError("the command holds a character that no program can be given (NUL or half a surrogate pair)")
    return ctx.launcher


def _split(stdout: str, mark: str, folder: str) -> tuple[str, str]:
    """Output and the folder that the trap reported; the old folder when the command was killed before it."""
    before, found, after = stdout.rpartition(f"\n{mark}")
    return (before, after.split("\n", 1)[0]) if found else (stdout, folder)


def _report(ctx: ToolContext, result: CommandResult, output: str, folder: str) -> str:
    text = "\n".join(part for part in (output.rstrip("\n"), result.stderr.strip()) if part)
    place = "" if folder == str(ctx.cwd) else f", now in {folder}"
    notes = f"{_ending(result)}, {result.seconds:.1f} s{place}"
    shown = f"{show(ctx, 'shell', text) or '(no output)'}\n[{notes}]"
    if result.limit is not None or result.timed_out:
        raise ToolError(shown)
    return shown


def _ending(result: CommandResult) -> str:
    dropped = ", output beyond the limit was dropped" if result.truncated else ""
    if result.timed_out or result.limit == "time":
        return f"ended at its time limit{dropped}"
    if result.limit is not None:
        return f"ended at its limit of {result.limit}{dropped}"
    return f"exit code {result.exit_code}{dropped}"
