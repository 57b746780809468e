"""What Linux tells about running processes, read without a vendor package."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import frozen

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FOLDER = Path("/proc")
_SMALLEST_BYTES = 4096


@frozen
class Process:
    """One process, as `/proc/<pid>/stat` shows it."""

    pid: int
    parent: int
    session: int
    threads: int
    start: int
    """Clock ticks since boot; with the pid it names a process for good."""
    resident_bytes: int
    """File pages and shared pages included."""
    gone: bool
    """Ended, its parent has not been told yet; not so where only its first thread has ended."""


def read_process(pid: int) -> Process | None:
    """One process, or None when it is gone."""
    try:
        text = (_FOLDER / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything, further parentheses included; fields count from the last one.
    fields = text[text.rindex(")") + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        threads=int(fields[17]),
        start=int(fields[19]),
        resident_bytes=int(fields[21]) * PAGE_BYTES,
        gone=fields[0] in "ZX" and int(fields[17]) <= 1,
    )


def all_processes() -> Iterator[Process]:
    """Every process of the machine that can be seen."""
    for name in os.listdir(_FOLDER):  # noqa: PTH208, a Path per process doubles the time of a scan
        if name.isdigit() and (process := read_process(int(name))) is not None:
            yield process


def child_pids(pid: int) -> list[int]:
    """Children of a process, those of its threads included."""
    children: list[int] = []
    with suppress(OSError):  # gone meanwhile: no children
        for task in (_FOLDER / str(pid) / "task").iterdir():
            with suppress(OSError):
                children.extend(int(child) for child in (task / "children").read_text().split())
    return children


def tree(roots: Iterable[int], *, at_most: int) -> dict[int, Process]:
    """The processes `roots` and all their descendants.

    Args:
        roots: Pids; those that are gone are left out.
        at_most: The walk ends once it has seen more processes than this, so that a fork bomb costs little.
    """
    found: dict[int, Process] = {}
    waiting = list(roots)
    while waiting and len(found) <= at_most:
        pid = waiting.pop()
        if pid not in found and (process := read_process(pid)) is not None:
            found[pid] = process
            waiting.extend(child_pids(pid))
    return found


def has_marker(pid: int, marker: bytes) -> bool:
    """Whether a process was started with this `NAME=value` in its environment."""
    try:
        return marker in (_FOLDER / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def private_bytes(pid: int) -> int:
    """Memory that a process needs for itself: anonymous and shared pages, each divided by the number of its users.

    File pages, e.g. of a mapped data set, are left out: the kernel takes them back when it needs room.
    """
    wanted = {"Pss_Anon:": 1024, "Pss_Shmem:": 1024}
    with suppress(OSError):
        fields = (_FOLDER / str(pid) / "smaps_rollup").read_text().splitlines()
        amounts = [int(line.split()[1]) * wanted[line.split()[0]] for line in fields[1:] if line.split()[0] in wanted]
        if amounts:
            return sum(amounts)
    process = read_process(pid)
    return process.resident_bytes if process else 0


def unlinked_bytes(pids: Iterable[int]) -> int:
    """Disk and memory held by files that are open but have no name any more, memfds included."""
    seen: dict[tuple[int, int], int] = {}
    for pid in pids:
        with suppress(OSError):
            for entry in os.scandir(_FOLDER / str(pid) / "fd"):
                with suppress(OSError):
                    facts = entry.stat()
                    if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
                        seen[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(seen.values())


def entry_bytes(folders: Iterable[Path]) -> Iterator[float]:
    """Disk used by each entry below some folders, in no order; an iterator, so that a walk can be spread over time.

    Each entry counts one block at least, so that a million empty files are seen. A folder that cannot be looked
    into counts as infinite: nesting beyond the longest path, or taking away permissions, is no hiding place.
    """
    waiting = [os.fspath(folder) for folder in folders]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    facts = entry.stat(follow_symlinks=False)
                    yield max(facts.st_blocks * 512, _SMALLEST_BYTES)
                    if stat.S_ISDIR(facts.st_mode):
                        waiting.append(entry.path)
        except NotADirectoryError:
            yield _file_bytes(path)
        except FileNotFoundError:  # removed while the walk went on
            continue
        except OSError:
            yield float("inf")


def _file_bytes(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0
