"""Directories of this machine that no other user may enter, and that the next run removes where this one was killed.

The name of each says whose it is: `lyftlearn-<owner>-…` (see `docker.ownership`). One that keeps its place, such as a report's,
is claimed by a file in such a directory; it is removed only where its own mark says the same owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image import untrusted_tree
from lyftlearn_image.emulation.docker.ownership import has_ended, owner
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs: where a secret never reaches a disk
_PREFIX = "lyftlearn-"
_SEPARATOR = "."
_CLAIM = "claim"
_MARK = ".lyftlearn-owner"


@contextlib.contextmanager
def private_directory(parent: Path | None = None) -> Iterator[Path]:
    """A new directory with mode 0700 in `parent`, or where temporary files are; gone at the end, however odd its content is."""
    prefix = f"{_PREFIX}{owner().replace('/', _SEPARATOR)}-"
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield path
    finally:
        untrusted_tree.remove(path)


@contextlib.contextmanager
def exclusive_directory(path: Path) -> Iterator[None]:
    """A directory, made where it is missing, in which no other run writes meanwhile, whoever's it is. It stays.

    A killed process holds nothing. A file system that has no locks gives none. Raises RunError where another run holds it.
    """
    try:
        path.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RunError(
            f"the reports cannot be written: {error.strerror}", where=str(path), hint="Name another directory with --report."
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                "another run writes its reports here", where=str(path), hint="Name another directory with --report."
            ) from None
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def claimed_directory(path: Path) -> Iterator[None]:
    """Makes a directory with mode 0700, in place of what is there. It stays, except where this process is killed."""
    untrusted_tree.remove(path)
    path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    path.mkdir(mode=stat.S_IRWXU)
    mark = path / _MARK
    mark.write_text(owner(), encoding="ascii")
    with private_directory() as claim:
        (claim / _CLAIM).write_bytes(os.fsencode(path.resolve()))
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)


def remove_leftovers() -> None:
    """Removes the directories of this user whose processes have ended."""
    for place in {Path(tempfile.gettempdir()), MEMORY}:
        with contextlib.suppress(OSError):
            for path in place.glob(f"{_PREFIX}*"):
                if (label := _owner_of(path)) and has_ended(label):
                    _remove_claimed(path / _CLAIM, label)
                    untrusted_tree.remove(path)


def _owner_of(path: Path) -> str:
    """Whose directory it is; empty where its name does not say so, and for one that another user may have named."""
    parts = path.name.removeprefix(_PREFIX).rpartition("-")[0].split(_SEPARATOR)
    with contextlib.suppress(OSError):
        status = path.lstat()
        if status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode):
            return "/".join(parts)
    return ""


def _remove_claimed(claim: Path, label: str) -> None:
    with contextlib.suppress(OSError):
        path = Path(os.fsdecode(claim.read_bytes()))
        if (path / _MARK).read_text(encoding="ascii") == label:
            untrusted_tree.remove(path)
