"""A workload in the making, while a manifest is read level by level."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.importer.fields import Left

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.importer.documents import Documents
    from lyftlearn_image.platforms.kubernetes.importer.fields import Fields


@dataclass
class Draft:
    """What was read so far. `options` are those below `kubernetes`; `left` is what is not carried as it was.

    `name` is the manifest's; `is_ours` tells whether our own compiler made it.
    """

    documents: Documents
    name: str
    left: list[Left]
    fields: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    is_ours: bool = False

    def set_option(self, key: str, value: Any, default: Any) -> None:
        """Sets an option below `kubernetes` that is not the default."""
        if value is not None and value != default:
            self.options[key] = value

    def leave(self, fields: Fields, key: str, why: str, advice: str) -> None:
        """Notes that a field is not carried as it was."""
        self.left.append(Left(f"{fields.place}.{key}", why, advice))
