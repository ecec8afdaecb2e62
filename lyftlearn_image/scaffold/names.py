"""Names that follow from a directory's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 40


def name_of(directory: Path) -> str:
    """The directory's name as that of a workload or an image."""
    text = re.sub(r"[^a-z0-9]", "-", directory.resolve().name.lower())
    return re.sub(r"-+", "-", text)[:_LONGEST].strip("-") or "team"


def image_of(directory: Path) -> str:
    """What the image of a directory's Dockerfile is called."""
    return f"{name_of(directory)}:latest"
