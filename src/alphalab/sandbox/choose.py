"""From a setting to a sandbox."""

from __future__ import annotations

from alphalab.errors import ConfigError, SandboxError
from alphalab.sandbox.base import Sandbox
from alphalab.sandbox.bubblewrap import BubblewrapSandbox
from alphalab.sandbox.process import ProcessSandbox

_NO_ISOLATION = ("none", "process")


def get_sandbox(setting: str, *, allow_fallback: bool = False) -> Sandbox:
    """The sandbox that a setting names, once it has really started a command.

    Args:
        setting: `auto` or `bubblewrap` isolate; `none` (or `process`) only limits.
        allow_fallback: Let `auto` settle for limits where isolation is not to be had.

    Raises:
        ConfigError: The setting is unknown.
        SandboxError: What it names does not work on this machine.
    """
    if setting in _NO_ISOLATION:
        return _working(ProcessSandbox())
    if setting not in ("auto", "bubblewrap"):
        raise ConfigError(f"sandbox {setting!r} is unknown; use 'auto', 'bubblewrap' or 'none'")
    bubblewrap = BubblewrapSandbox()
    problems = bubblewrap.check()
    if not problems:
        return bubblewrap
    if setting == "auto" and allow_fallback:
        return _working(ProcessSandbox())
    raise SandboxError(
        f"no isolation on this machine: {'; '.join(problems)}. Install it with `apt-get install bubblewrap` and allow "
        "unprivileged user namespaces (sysctl user.max_user_namespaces), or accept that candidates can read and "
        'write your files with sandbox="none"'
    )


def _working(sandbox: Sandbox) -> Sandbox:
    problems = sandbox.check()
    if problems:
        raise SandboxError(f"sandbox {sandbox.tier!r} does not work: {'; '.join(problems)}")
    return sandbox
