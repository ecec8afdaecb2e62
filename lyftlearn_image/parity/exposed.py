"""Files of a case that are kept as the script made them, and hold one of its secrets."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lyftlearn_runtime.secret_forms import Finder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
# Nobody looks through more of them.
MAX_NAMED = 100
AND_MORE = "and more"


def find_exposed(directory: Path, secrets: Collection[str]) -> tuple[str, ...]:
    """The files below a directory, by their paths in it, whose bytes or names have a form of a secret.

    At most MAX_NAMED, and AND_MORE where there are more. What a file holds compressed is not looked into.
    """
    finder = Finder(secrets)
    if not finder.longest:
        return ()
    found: list[str] = []
    for path in _files(directory):
        name = os.path.relpath(path, directory)
        if finder.find(os.fsencode(name)) or _holds(path, finder):
            if len(found) == MAX_NAMED:
                return (*found, AND_MORE)
            found.append(name)
    return tuple(found)


def _files(directory: Path) -> Iterator[str]:
    """Regular files and links, in the order of their names; no link is followed."""
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            yield os.path.join(parent, name)  # noqa: PTH118 - a tree may have many thousand files


def _holds(path: str, finder: Finder) -> bool:
    try:
        if stat.S_ISLNK(os.lstat(path).st_mode):
            return finder.find(os.fsencode(os.readlink(path))) is not None  # noqa: PTH115 - as above
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # gone, or not ours to read
        return False
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        kept = b""
        while chunk := file.read(_CHUNK_BYTES):
            if finder.find(kept + chunk):
                return True
            kept = (kept + chunk)[-finder.longest :]
    return False
