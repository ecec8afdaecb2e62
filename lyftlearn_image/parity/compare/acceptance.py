"""Differences that a suite accepts, each with its reason and, where it is to end, its date."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.parity.differences import Comparison, Difference


class Acceptance(BaseModel):
    """One accepted difference; `subject` and `place` may have `*`. After `until` it counts again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str = Field(min_length=1)
    place: str = "*"
    reason: str = Field(min_length=1)
    until: date | None = None


def accept(comparisons: Sequence[Comparison], acceptances: Sequence[Acceptance], today: date) -> tuple[Comparison, ...]:
    """The comparisons with every accepted difference marked with its reason."""
    return tuple(
        replace(one, differences=tuple(_accept(difference, one.subject, acceptances, today) for difference in one.differences))
        for one in comparisons
    )


def _accept(difference: Difference, subject: str, acceptances: Sequence[Acceptance], today: date) -> Difference:
    if difference.accepted is not None:
        return difference
    for one in acceptances:
        if fnmatchcase(subject, one.subject) and fnmatchcase(difference.place, one.place):
            if one.until is None or today <= one.until:
                return replace(difference, accepted=one.reason)
            expired = f"accepted until {one.until}, which is past: {one.reason}"
            return replace(difference, detail="; ".join(text for text in (difference.detail, expired) if text))
    return difference
