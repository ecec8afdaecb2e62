"""What a platform would refuse, or ignore, of one field of a workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """An error is refused there, a note has no effect there. `field` is the field's place in the workload."""

    field: FieldPath
    what: str
    hint: str = ""
    level: Literal["error", "note"] = "error"
