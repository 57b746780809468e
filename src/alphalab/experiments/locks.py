"""One writing process per file, and what the file system below it can do."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path

from attrs import define

from alphalab.errors import StoreError

NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs"}
    | {"panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs"}
)
"""Types, beside every `fuse.*`, whose shared memory cannot be trusted between machines."""


def file_system_type(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Type of the file system that holds a path, as the kernel names it; `unknown` where that cannot be read."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return "unknown"
    real = path.resolve()
    best, found = -1, "unknown"
    for _source, point, kind, *_rest in (line.split() for line in lines if line.count(" ") >= 2):
        folder = Path(point.encode().decode("unicode_escape"))  # a space in a mount point is written \040
        if real.is_relative_to(folder) and len(folder.parts) >= best:
            best, found = len(folder.parts), kind
    return found


def allows_wal(kind: str) -> bool:
    """Whether a write-ahead log works there: its index is shared memory, which only a local disk shares."""
    return kind != "unknown" and kind not in NETWORK_FILE_SYSTEMS and not kind.startswith("fuse.")


@define(kw_only=True, eq=False)
class WriterLock:
    """An exclusive `flock` on a file beside the database.

    The kernel drops it when its process dies, so a crash leaves nothing to clean up. The file itself stays, because
    deleting it would let two processes lock two files of the same name.
    """

    descriptor: int

    @classmethod
    def acquire(cls, database: Path) -> WriterLock:
        """Take the lock or say who has it.

        Raises:
            StoreError: Another process writes, or the lock file cannot be made.
        """
        path = database.with_name(f"{database.name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"{path} cannot be written ({error.strerror}); make the folder writable, or open the campaign read-only"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
            os.pwrite(descriptor, owner, 0)
            os.ftruncate(descriptor, len(owner))
        except OSError as error:
            os.close(descriptor)
            raise _refusal(database, path, error) from error
        return cls(descriptor=descriptor)

    def release(self) -> None:
        """Let others write."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)  # closing alone would not do while a forked child holds a copy
        os.close(self.descriptor)


def _refusal(database: Path, lock: Path, error: OSError) -> StoreError:
    if not isinstance(error, BlockingIOError):
        return StoreError(f"{lock} cannot be locked ({error.strerror}); keep the workspace on a file system with flock")
    pid, host = _owner(lock)
    return StoreError(
        f"{database} is already open for writing by process {pid} on {host}; end that process or wait for it, "
        "or open the campaign read-only",
        pid=pid,
        host=host,
    )


def _owner(lock: Path) -> tuple[int | None, str]:
    try:
        owner = json.loads(lock.read_text())
        return int(owner["pid"]), str(owner["host"])
    except (OSError, ValueError, KeyError, TypeError):  # the other process is just writing it
        return None, "an unknown host"
