"""A private copy of a submission, taken without following anything out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from attrs import define

from alphalab.candidates import CandidateFailed

MAX_BYTES = 64 * 2**20
MAX_FILES = 2000
_MAX_DEPTH = 32
_CHUNK = 2**20


def copy_submission(submission: Path, target: Path) -> None:
    """Copy a submission folder that its author may still be changing.

    Byte code is left out: Python would prefer it to the source that was reviewed.

    Raises:
        CandidateFailed: The folder is missing, too large, or holds links, devices or pipes.
    """
    try:
        folder = os.open(submission, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise CandidateFailed.because("missing_file", f"submission folder {submission.name!r} does not exist") from None
    except OSError as error:
        message = f"submission {submission.name!r} is not a folder of its own: {error.strerror}"
        raise CandidateFailed.because("forbidden", message) from error
    try:
        _Copy().folder(folder, target, ())
    finally:
        os.close(folder)


@define(kw_only=True, eq=False)
class _Copy:
    """Counts what was copied; every folder is opened relative to its parent, so a swapped link is not followed."""

    bytes_left: int = MAX_BYTES
    files_left: int = MAX_FILES

    def folder(self, source: int, target: Path, place: tuple[str, ...]) -> None:
        if len(place) > _MAX_DEPTH:
            raise _forbidden(place[:3], f"lies more than {_MAX_DEPTH} folders deep")
        target.mkdir()
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            if entry.name == "__pycache__" or entry.name.endswith((".pyc", ".pyo")):
                continue
            self._count((*place, entry.name))
            self._entry(entry, source, target / entry.name, (*place, entry.name))

    def _count(self, place: tuple[str, ...]) -> None:
        self.files_left -= 1
        if self.files_left < 0:
            raise _forbidden(place[:1], f"is one of more than {MAX_FILES} files")

    def _entry(self, entry: os.DirEntry[str], source: int, target: Path, place: tuple[str, ...]) -> None:
        # Looking first keeps devices from being opened; looking again at what was opened defeats a swap in between.
        if not (stat.S_ISREG(mode := entry.stat(follow_symlinks=False).st_mode) or stat.S_ISDIR(mode)):
            raise _forbidden(place, "is a symbolic link" if stat.S_ISLNK(mode) else "is neither file nor folder")
        try:
            descriptor = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=source)
        except OSError as error:
            raise _forbidden(place, f"cannot be read: {error.strerror}") from error
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                self.folder(descriptor, target, place)
            elif stat.S_ISREG(mode):
                self._file(descriptor, target, place)
            else:
                raise _forbidden(place, "is neither file nor folder")
        finally:
            os.close(descriptor)

    def _file(self, descriptor: int, target: Path, place: tuple[str, ...]) -> None:
        with target.open("xb") as stream:
            while chunk := os.read(descriptor, _CHUNK):
                self.bytes_left -= len(chunk)
                if self.bytes_left < 0:
                    raise _forbidden(place, f"takes the submission above {MAX_BYTES} bytes")
                stream.write(chunk)


def _forbidden(place: tuple[str, ...], what: str) -> CandidateFailed:
    return CandidateFailed.because("forbidden", f"{'/'.join(place)!r} {what}; a submission is plain files and folders")
