"""What a case's runs leave on the disk: logs, in which no secret stays, and the data that went in and came out."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image import untrusted_tree
from lyftlearn_image.parity.secrets import redact_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

REQUEST = "request.json"
# Directories of a run that hold what went into the script and came out of it.
_DATA_DIRECTORIES = ("artifacts", "opt-ml*", "volumes")


def tidy(directory: Path, secrets: Collection[str], *, keep_data: bool) -> None:
    """Takes the secrets out of the logs below a case's directory, and removes its data unless somebody wants to look at it.

    What the script made is its own, and may be binary; everything else is a log of some kind. The request is written without
    secrets.
    """
    for path in _logs_and_data(directory):
        if path.is_symlink():
            continue
        if path.is_dir():
            if not keep_data:
                untrusted_tree.remove(path)
        elif path.is_file() and path.name != REQUEST:
            redact_file(path, secrets)


def _logs_and_data(directory: Path) -> Iterator[Path]:
    """Every file below a directory, but the directories of data as they are: nobody knows how deep they go."""
    pending = [directory]
    while pending:
        with os.scandir(pending.pop()) as found:
            # All at once: a file that is redacted is replaced.
            for entry in list(found):
                is_directory = entry.is_dir(follow_symlinks=False)
                if is_directory and not any(fnmatchcase(entry.name, form) for form in _DATA_DIRECTORIES):
                    pending.append(Path(entry.path))
                else:
                    yield Path(entry.path)
