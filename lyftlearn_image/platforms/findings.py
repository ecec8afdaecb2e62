"""What a target says of one field of a workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Remark:
    """An error is refused there, a note has no effect there. `key` is the field's place in the workload."""

    key: Key
    what: str
    hint: str = ""
    level: Literal["error", "note"] = "error"
