"""Differences that a suite accepts, each with its reason and, where it is to end, its date."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from collections.abc import Sequence


class Acceptance(BaseModel):
    """One accepted difference; `subject` and `place` may have `*`. After `until` it counts again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str = Field(
        min_length=1,
        description="What differs: exit status, stdout, stderr, metrics, environment, or a file's path; may have `*`.",
    )
    place: str = Field(default="*", description="Where in it, as the report names the place; may have `*`.")
    reason: str = Field(min_length=1, description="Why this difference is expected; the report repeats it.")
    until: date | None = Field(default=None, description="The last day on which it is accepted; after it, it counts again.")


def apply_acceptances(
    comparisons: Sequence[Comparison], acceptances: Sequence[Acceptance], today: date
) -> tuple[Comparison, ...]:
    """The comparisons with every accepted difference marked with its reason."""
    return tuple(
        replace(
            comparison,
            differences=tuple(
                _accept(difference, comparison.subject, acceptances, today) for difference in comparison.differences
            ),
        )
        for comparison in comparisons
    )


def find_unused_acceptances(comparisons: Sequence[Comparison], acceptances: Sequence[Acceptance]) -> tuple[Comparison, ...]:
    """What tells of entries that name no difference that is there; it does not count, for such a one hides nothing."""
    unused = [
        acceptance
        for acceptance in acceptances
        if not any(_names(acceptance, each.subject, one) for each in comparisons for one in each.differences)
    ]
    told = (
        Difference(acceptance.subject, None, None, f"no difference at {acceptance.place}", accepted="the entry is not needed")
        for acceptance in unused
    )
    return (Comparison("accept", "accept", tuple(told)),) if unused else ()


def _names(acceptance: Acceptance, subject: str, difference: Difference) -> bool:
    return fnmatchcase(subject, acceptance.subject) and fnmatchcase(difference.place, acceptance.place)


def _accept(difference: Difference, subject: str, acceptances: Sequence[Acceptance], today: date) -> Difference:
    """The difference as the first acceptance leaves it that names it; one that is accepted already stays."""
    if difference.accepted is not None:
        return difference
    for acceptance in acceptances:
        if _names(acceptance, subject, difference):
            if acceptance.until is None or today <= acceptance.until:
                return replace(difference, accepted=acceptance.reason)
            expired = f"accepted until {acceptance.until}, which is past: {acceptance.reason}"
            return replace(difference, detail="; ".join(text for text in (difference.detail, expired) if text))
    return difference
