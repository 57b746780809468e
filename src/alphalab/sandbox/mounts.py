"""What exists inside a bubblewrap sandbox, as its command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from alphalab.commands import Command
from alphalab.sandbox.environment import python_folders
from alphalab.sandbox.rlimits import GIB

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_SETTINGS = (
    *("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types"),
    *("nsswitch.conf", "os-release"),
)
_NETWORK_SETTINGS = ("resolv.conf", "hosts", "services", "protocols", "ssl", "pki", "ca-certificates")
_HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_GPU_HARDWARE = ("/sys/bus/pci", "/sys/devices", "/sys/module/nvidia", "/sys/class/drm")

_Mount = tuple[int, int, tuple[str, ...]]
"""Depth, rank and arguments: parents come before what lies in them, and among equals the later rank wins."""


def gpu_devices() -> tuple[str, ...]:
    """Device files of NVIDIA GPUs on this machine."""
    return tuple(sorted(str(path) for path in Path("/dev").glob("nvidia*")))


def mount_arguments(command: Command) -> list[str]:
    """Options of `bwrap` that build the file system a command sees."""
    python = [path for path in python_folders() if not path.is_relative_to("/usr")]
    mounts = [*_base(command), *_read_only(python, rank=1), *_given(command)]
    ordered = [argument for _, _, arguments in sorted(mounts) for argument in arguments]
    return [*ordered, *_masks(command), "--dir", str(command.cwd), "--chdir", str(command.cwd), "--remount-ro", "/"]


def _base(command: Command) -> Iterator[_Mount]:
    yield from _system()
    names = (*_SETTINGS, *(_NETWORK_SETTINGS if command.network else ()))
    hardware = (*_HARDWARE, *(_GPU_HARDWARE if gpu_devices() else ()))
    yield from _read_only([*(Path("/etc") / name for name in names), *map(Path, hardware)], rank=0)
    size = str(int(command.limits.file_gib * GIB))
    yield 2, 0, ("--proc", "/proc")
    devices = tuple(argument for device in gpu_devices() for argument in ("--dev-bind-try", device, device))
    yield 2, 0, ("--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm", *devices, "--remount-ro", "/dev")  # noqa: S108
    yield 2, 0, ("--size", size, "--tmpfs", "/tmp", "--dir", "/tmp/home")  # noqa: S108


def _system() -> Iterator[_Mount]:
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield 2, 0, ("--symlink", str(path.readlink()), name)
        elif path.exists():
            yield len(path.parts), 0, ("--ro-bind", name, name)


def _read_only(paths: Iterable[Path], *, rank: int) -> Iterator[_Mount]:
    for path in paths:
        yield len(path.parts), rank, ("--ro-bind-try", str(path), str(path))


def _given(command: Command) -> Iterator[_Mount]:
    # Asking `Access` keeps what lies below a writable folder writable, and drops links that lead to what is hidden.
    access = command.access
    readable = [path for path in access.readable if access.may_read(path) and not access.may_write(path)]
    yield from _read_only(readable, rank=2)
    for path in access.writable:
        if access.may_write(path):
            yield len(path.parts), 3, ("--bind", str(path), str(path))


def _masks(command: Command) -> Iterator[str]:
    for path in sorted({*command.access.hidden, *(hidden.resolve() for hidden in command.access.hidden)}):
        if path.is_dir():
            yield from ("--perms", "0555", "--size", "4096", "--tmpfs", str(path), "--remount-ro", str(path))
        elif path.exists():
            yield from ("--ro-bind", "/dev/null", str(path))
