"""Kernel limits of a command, set by a shell that then becomes the command.

`preexec_fn` would fork the caller without exec, which is unsafe beside threads and slow for a process that holds
gigabytes; `prlimit` after the start leaves a moment without limits. A POSIX shell takes 1 ms and is everywhere.
"""

from __future__ import annotations

import resource

from alphalab.resources import ProcessLimits

GIB = 2**30
_OPEN_FILES = 1024
# Thread stacks, BLAS buffers and allocator arenas are reserved and hardly touched, more so with more threads, so the
# kernel's limits lie above the agreed one: they stop a single huge allocation at once. What is really touched is
# watched from outside. (Importing torch 2.13 for CPUs maps 0.8 GiB, 0.25 GiB of it writable.)
_WRITABLE_SLACK_GIB = 4
_MAPPED_SLACK_GIB = 16
# Enough for the watcher to see that a command went over, so that it ends rather than limps on.
_PROCESS_SLACK = 32


def limited(
    argv: tuple[str, ...], limits: ProcessLimits, *, address_space: bool = True, count_processes: bool = False
) -> list[str]:
    """The command line that sets the limits and then runs `argv` under the same pid.

    Args:
        argv: The command.
        limits: What it may use.
        address_space: Limit mapped memory as well. CUDA maps more than any machine has, so not where a GPU is given.
        count_processes: Limit processes in the kernel. Right only in a user namespace of its own, where others'
            processes do not count; the kernel ignores it for root.
    """
    settings = [_setting("c", resource.RLIMIT_CORE, 0, 512), _setting("n", resource.RLIMIT_NOFILE, _OPEN_FILES, 1)]
    settings.append(_setting("f", resource.RLIMIT_FSIZE, limits.file_gib * GIB, 512))
    if limits.memory_gib is not None:
        settings.append(_setting("d", resource.RLIMIT_DATA, (limits.memory_gib + _WRITABLE_SLACK_GIB) * GIB, 1024))
    if limits.memory_gib is not None and address_space:
        settings.append(_setting("v", resource.RLIMIT_AS, (limits.memory_gib + _MAPPED_SLACK_GIB) * GIB, 1024))
    if count_processes:  # bash calls it -u, dash and busybox -p
        number = _within_hard_limit(resource.RLIMIT_NPROC, limits.processes + _PROCESS_SLACK)
        settings.append(f"ulimit -u {number} 2>/dev/null || ulimit -p {number}")
    # When the machine runs out of memory the kernel ends the command, not the campaign that started it.
    settings.append("{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null")
    return ["/bin/sh", "-c", "; ".join([*settings, 'exec "$@"']), "sh", *argv]


def _setting(flag: str, kind: int, amount: float, unit: int) -> str:
    return f"ulimit -{flag} {_within_hard_limit(kind, int(amount)) // unit}"


def _within_hard_limit(kind: int, amount: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return amount if hard == resource.RLIM_INFINITY else min(amount, hard)
