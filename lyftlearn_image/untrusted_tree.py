"""Directories that a container wrote, as its root may have left them: any depth, any name, links, devices, setuid files.

They are walked by open directories and not by paths, so that neither a path that is too long nor a link leads anywhere else.
"""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lyftlearn_image.errors import RunError
from lyftlearn_image.limits import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.limits import Limits

# Each level takes an open file here, and Python's own walkers end at about a thousand.
_DEEPEST = 64
# Of a key in S3 (S3 user guide, "Naming Amazon S3 objects"), where artifacts go.
_LONGEST_PATH_BYTES = 1024
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_ID = stat.S_ISUID | stat.S_ISGID
_HINT = "Leave less, or raise `limits` in the suite."


class Entry(NamedTuple):
    """One name in the directory that is open as `directory`; `path` begins at the top. `status` is that of a link itself."""

    directory: int
    name: str
    path: str
    status: os.stat_result
    depth: int


@dataclass
class Allowance:
    """What is left of a run's limits for artifacts; RunError as soon as there is more."""

    limits: Limits
    bytes: int = 0
    files: int = 0

    def take(self, size: int, where: str, *, files: int = 0) -> None:
        """Counts so many further bytes and files."""
        self.bytes += size
        self.files += files
        if self.bytes > self.limits.artifact_bytes:
            raise RunError(
                f"the job left more than {format_bytes(self.limits.artifact_bytes)} of artifacts", where=where, hint=_HINT
            )
        if self.files > self.limits.artifact_files:
            raise RunError(f"the job left more than {self.limits.artifact_files:,} artifacts", where=where, hint=_HINT)

    def check_path(self, path: str) -> None:
        """Raises RunError for the path of an artifact that is too long or too deep."""
        if len(os.fsencode(path)) > _LONGEST_PATH_BYTES or path.strip("/").count("/") > _DEEPEST:
            raise RunError(
                f"an artifact has a path of more than {_LONGEST_PATH_BYTES:,} bytes or {_DEEPEST} directories",
                where=f"{path[:80]}…",
            )


def walk(top: Path) -> Iterator[Entry]:
    """Every entry below a directory, a directory before what is in it; nothing where there is no directory.

    A directory at `_DEEPEST` is given, and what is in it is not.
    """
    try:
        opened = [(os.open(top, _OPEN), "")]
    except OSError:
        return
    pending = [_entries(*opened[0], depth=0)]
    try:
        while pending:
            entry = next(pending[-1], None)
            if entry is None:
                pending.pop()
                os.close(opened.pop()[0])
                continue
            yield entry
            if stat.S_ISDIR(entry.status.st_mode) and entry.depth < _DEEPEST:
                # Whoever was told of it may have removed it.
                with contextlib.suppress(OSError):
                    opened.append((os.open(entry.name, _OPEN, dir_fd=entry.directory), f"{entry.path}/"))
                    pending.append(_entries(*opened[-1], depth=entry.depth + 1))
    finally:
        for descriptor, _ in opened:
            os.close(descriptor)


def _entries(descriptor: int, prefix: str, *, depth: int) -> Iterator[Entry]:
    with os.scandir(descriptor) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                yield Entry(descriptor, entry.name, f"{prefix}{entry.name}", entry.stat(follow_symlinks=False), depth)


def measure(top: Path, allowance: Allowance) -> None:
    """Counts all files below a directory; RunError when that is more than is allowed, deeper, or with longer paths."""
    for entry in walk(top):
        allowance.check_path(entry.path)
        if stat.S_ISDIR(entry.status.st_mode):
            allowance.take(0, str(top), files=1)
            if entry.depth == _DEEPEST:
                allowance.check_path(f"{entry.path}/…")
        else:
            allowance.take(entry.status.st_size if stat.S_ISREG(entry.status.st_mode) else 0, str(top), files=1)


def disarm(top: Path) -> None:
    """Takes set-user-ID and set-group-ID from everything below a directory and removes devices, FIFOs and sockets.

    What is deeper than anybody looks is removed too. Nothing may be writing there any more.
    """
    for entry in walk(top):
        mode = entry.status.st_mode
        if stat.S_ISDIR(mode) and entry.depth == _DEEPEST:
            _remove_out_of(entry, top)
        elif stat.S_ISLNK(mode):
            continue
        elif not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            with contextlib.suppress(OSError):
                os.unlink(entry.name, dir_fd=entry.directory)
        elif mode & _SET_ID:
            with contextlib.suppress(OSError):
                os.chmod(entry.name, stat.S_IMODE(mode) & ~_SET_ID, dir_fd=entry.directory)


def _remove_out_of(entry: Entry, top: Path) -> None:
    """Removes a directory whose path may be too long to name."""
    moved = _beside(top)
    with contextlib.suppress(OSError):
        os.rename(entry.name, moved, src_dir_fd=entry.directory)
        remove(moved)


def remove(top: Path) -> None:
    """Removes a directory with everything in it, as far as this user may; a link in its place is left alone.

    Directories are moved up before they are emptied: so no path is long, and none deep.
    """
    pending, place = [top], top.parent
    while pending:
        directory = pending.pop()
        try:
            descriptor = os.open(directory, _OPEN)
        except PermissionError:
            if not _open_up(directory):
                continue
            pending.append(directory)
            continue
        except OSError:
            continue
        try:
            pending.extend(_empty(descriptor, place / top.name))
        finally:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            directory.rmdir()


def _empty(descriptor: int, top: Path) -> list[Path]:
    """Removes the files of an open directory, and moves its directories up; where they are now."""
    moved: list[Path] = []
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, stat.S_IRWXU)
    with os.scandir(descriptor) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=descriptor)
                    continue
                os.chmod(entry.name, stat.S_IRWXU, dir_fd=descriptor, follow_symlinks=True)
                target = _beside(top)
                os.rename(entry.name, target, src_dir_fd=descriptor)
                moved.append(target)
    return moved


def _open_up(directory: Path) -> bool:
    """Lets this user into a directory of its own; whether that changed anything."""
    with contextlib.suppress(OSError):
        if stat.S_IMODE(directory.lstat().st_mode) != stat.S_IRWXU and not directory.is_symlink():
            directory.chmod(stat.S_IRWXU)
            return True
    return False


def _beside(top: Path) -> Path:
    return top.parent / f".removed-{uuid.uuid4().hex[:12]}"
