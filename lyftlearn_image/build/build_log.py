"""Where the whole output of an image's last build is kept."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TextIO

from lyftlearn_image.errors import LyftlearnError


def log_directory() -> Path:
    """The directory of all build logs."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "lyftlearn-image"


def log_path(image: str) -> Path:
    """Where the output of the last build of an image is kept."""
    return log_directory() / f"build-{re.sub(r'[^A-Za-z0-9_.-]', '_', image)}.log"


def open_log(log: Path) -> TextIO:
    """A new file in place of the last log: a build that still writes into that one keeps it to itself."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{log.name}.", dir=log.parent)
        Path(name).replace(log)
        return os.fdopen(descriptor, "w", encoding="utf-8")
    except OSError as error:
        raise LyftlearnError(
            f"the folder for build logs cannot be written: {error.strerror}",
            where=str(log.parent),
            hint="Set XDG_STATE_HOME to a folder that you can write.",
        ) from None
