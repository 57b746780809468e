"""A shell inside the sandbox."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Mapping

from alphalab.commands import Command, CommandResult, Launcher
from alphalab.errors import ToolError
from alphalab.resources import ProcessLimits
from alphalab.tools.base import Tool, ToolContext, tool
from alphalab.tools.output import shorten, show

_FOLDER = "shell.folder"
_SAID = 2000
"""Characters of the sandbox's own words that are shown."""
_SCRIPT = r"""exec {__out}>&2 2>&1
cd -- "$2" 2>/dev/null || echo "(the folder $2 is gone; back in $PWD)"
trap "printf '\n%s%s\n' $3 \"\$PWD\" >&$__out" EXIT
eval "unset __out; set --; $1"
"""
"""Both outputs in one stream keep their order; the trap reports the folder also after `exit` and errors, and does it
where the command's own output, however long, is not in the way."""


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
        said, folder = _split(result.stderr, mark, folder)
        ctx.state[_FOLDER] = folder
        return _report(ctx, result, said, folder, bounds.output_bytes)

    return run


def _require(ctx: ToolContext, command: str, timeout_s: int, max_timeout_s: int) -> Launcher:
    if ctx.launcher is None:
        raise ToolError("commands are not allowed here; use the file tools")
    if not 1 <= timeout_s <= max_timeout_s:
        raise ToolError(f"timeout_s={timeout_s} must lie between 1 and {max_timeout_s}; split longer work up")
    if "\0" in command or any("\ud800" <= character <= "\udfff" for character in command):
        raise ToolError("the command holds a character that no program can be given (NUL or half a surrogate pair)")
    return ctx.launcher


def _split(stderr: str, mark: str, folder: str) -> tuple[str, str]:
    """What the sandbox said, and the folder that the trap reported; the old one when it did not come so far."""
    before, found, after = stderr.rpartition(f"\n{mark}")
    return (before, after.split("\n", 1)[0]) if found else (stderr, folder)


def _report(ctx: ToolContext, result: CommandResult, said: str, folder: str, limit: int) -> str:
    place = "" if folder == str(ctx.cwd) else f", now in {folder}"
    # The output is not joined with the rest before it is cut: it may be ten million characters.
    parts = (
        show(ctx, "shell", result.stdout).rstrip("\n"),
        _dropped(limit) if result.truncated else "",
        shorten(said.strip(), _SAID),
    )
    text = "\n".join(part for part in parts if part) or "(no output)"
    shown = f"{text}\n[{_ending(result)}, {result.seconds:.1f} s{place}]"
    if result.limit is not None or result.timed_out:
        raise ToolError(shown)
    return shown


def _dropped(limit: int) -> str:
    return f"[what came after the first {limit} bytes of output was dropped; write it to a file to keep it]"


def _ending(result: CommandResult) -> str:
    if result.timed_out or result.limit == "time":
        return "ended at its time limit"
    if result.limit is not None:
        return f"ended at its limit of {result.limit}"
    # Negative from the sandbox; above 128 from a shell whose child a signal ended.
    number = -result.exit_code if result.exit_code < 0 else result.exit_code - 128
    known = {each.value: each.name for each in signal.Signals}
    return (
        f"exit code {number + 128}, as by signal {number} ({known[number]})"
        if number in known
        else (f"exit code {result.exit_code}")
    )
