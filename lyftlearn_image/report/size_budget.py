"""How much of each thing a report of bounded size shows, and which case gets how much of the room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@dataclass(frozen=True)
class SizeBudget:
    """The most that is shown of each thing of a case; the whole is in report.json and in the runs' files.

    `subjects` is how many of those that differ, and of those that were compared; `differences` and `accepted` are per
    subject, `value_chars` per value, `stream_chars` per stream.
    """

    subjects: int
    differences: int
    accepted: int
    value_chars: int
    stream_chars: int


# From generous to sparse.
LADDER = (
    SizeBudget(subjects=200, differences=100, accepted=100, value_chars=2100, stream_chars=8000),
    SizeBudget(subjects=100, differences=50, accepted=50, value_chars=600, stream_chars=3000),
    SizeBudget(subjects=50, differences=20, accepted=20, value_chars=300, stream_chars=1500),
    SizeBudget(subjects=30, differences=10, accepted=5, value_chars=200, stream_chars=800),
    SizeBudget(subjects=20, differences=5, accepted=0, value_chars=120, stream_chars=300),
    SizeBudget(subjects=10, differences=3, accepted=0, value_chars=80, stream_chars=0),
)


@dataclass(frozen=True)
class Part:
    """What a report has of one case besides its line in the table.

    `weight` says roughly how much there is to show. `render` gives its text in pieces, so that one which grows too long is
    given up at once. `least_bytes` is a size that the text surely has: one beyond the room is not even begun.
    """

    is_failing: bool
    weight: int
    render: Callable[[SizeBudget], Iterable[str]]
    least_bytes: Callable[[SizeBudget], int] = lambda _: 0


def fit_parts(room_bytes: int, parts: Sequence[Part]) -> list[str | None]:
    """The text of each part, all together of at most so many bytes as UTF-8; None for one that there is no room for.

    Parts of cases that did not come out as expected have the whole room among them, and the others what is left. Within
    either the room is shared alike, and what a small part does not need goes to the larger ones.
    """
    texts: list[str | None] = [None] * len(parts)
    for is_failing in (True, False):
        waiting = sorted((part.weight, number) for number, part in enumerate(parts) if part.is_failing is is_failing)
        for position, (_, number) in enumerate(waiting):
            share = room_bytes // (len(waiting) - position)
            texts[number] = _fullest(share, room_bytes, parts[number])
            room_bytes -= len((texts[number] or "").encode("utf-8"))
    return texts


def _fullest(share_bytes: int, room_bytes: int, part: Part) -> str | None:
    """The fullest text within the share; the sparsest one may take all the room, for then there is not enough for each."""
    for budget in LADDER:
        if part.least_bytes(budget) <= share_bytes and (text := _text_within(share_bytes, part.render(budget))) is not None:
            return text
    sparsest = LADDER[-1]
    return _text_within(room_bytes, part.render(sparsest)) if part.least_bytes(sparsest) <= room_bytes else None


def _text_within(limit_bytes: int, pieces: Iterable[str]) -> str | None:
    kept: list[str] = []
    size_bytes = 0
    for piece in pieces:
        size_bytes += len(piece.encode("utf-8"))
        if size_bytes > limit_bytes:
            return None
        kept.append(piece)
    return "".join(kept)


def truncate(text: str, characters: int) -> str:
    """The text, or its beginning with a note of the whole length."""
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text):,} characters)"


def truncate_reason(text: str, characters: int) -> str:
    """The text, or its first line and its end: a traceback says what failed in its last lines."""
    if len(text) <= characters:
        return text
    head, _, rest = text.partition("\n")
    head = truncate(head, characters // 4)
    return f"{head}\n… ({len(text):,} characters)\n{(rest or text)[-(characters - len(head)) :]}"
