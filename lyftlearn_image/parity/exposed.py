"""Files of a case that are kept as the script made them, and hold one of its secrets."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lyftlearn_image import untrusted_tree
from lyftlearn_runtime.secret_forms import Finder

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
# Nobody looks through more of them.
MAX_NAMED = 100
AND_MORE = "and more"


def find_exposed(directory: Path, secrets: Collection[str]) -> tuple[str, ...]:
    """What is below a directory, by its path in it, whose bytes or name have a form of a secret.

    At most MAX_NAMED, and AND_MORE where there are more. What a file holds compressed is not looked into.
    """
    finder = Finder(secrets)
    if not finder.longest:
        return ()
    found: list[str] = []
    for entry in untrusted_tree.walk(directory):
        if finder.find(os.fsencode(entry.name)) or _holds(entry, finder):
            if len(found) == MAX_NAMED:
                return (*sorted(found), AND_MORE)
            found.append(entry.path)
    return tuple(sorted(found))


def _holds(entry: untrusted_tree.Entry, finder: Finder) -> bool:
    """Whether a regular file has a secret in it, or a link in its target, which is not followed."""
    try:
        if stat.S_ISLNK(entry.status.st_mode):
            return finder.find(os.fsencode(os.readlink(entry.name, dir_fd=entry.directory))) is not None
        if not stat.S_ISREG(entry.status.st_mode):
            return False
        descriptor = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=entry.directory)
    except OSError:  # gone, or not ours to read
        return False
    with os.fdopen(descriptor, "rb") as file:
        kept = b""
        while chunk := file.read(_CHUNK_BYTES):
            if finder.find(kept + chunk):
                return True
            kept = (kept + chunk)[-finder.longest :]
    return False
