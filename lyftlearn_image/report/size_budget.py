"""How much of each thing a report of bounded size shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class SizeBudget:
    """The most that is shown of each thing; the whole is in report.json and in the runs' files.

    `differences` and `accepted` are per compared subject, `value_chars` per value, `stream_chars` per stream,
    `failing_cases` whole cases that did not come out as expected, `expected_cases` whole cases that did; the others are
    a line in the table.
    """

    differences: int
    accepted: int
    value_chars: int
    stream_chars: int
    failing_cases: int
    expected_cases: int


# From generous to sparse. A report takes the first one with which it is small enough; cases that came out as expected
# give way first.
_LADDER = (
    SizeBudget(differences=100, accepted=100, value_chars=2100, stream_chars=8000, failing_cases=500, expected_cases=500),
    SizeBudget(differences=50, accepted=50, value_chars=600, stream_chars=3000, failing_cases=500, expected_cases=500),
    SizeBudget(differences=20, accepted=20, value_chars=300, stream_chars=1500, failing_cases=300, expected_cases=300),
    SizeBudget(differences=10, accepted=5, value_chars=200, stream_chars=800, failing_cases=200, expected_cases=100),
    SizeBudget(differences=5, accepted=0, value_chars=120, stream_chars=300, failing_cases=100, expected_cases=20),
    SizeBudget(differences=3, accepted=0, value_chars=80, stream_chars=0, failing_cases=50, expected_cases=0),
    SizeBudget(differences=0, accepted=0, value_chars=80, stream_chars=0, failing_cases=0, expected_cases=0),
)


def render_within(limit_bytes: int, render: Callable[[SizeBudget], Iterable[str]]) -> str:
    """The fullest rendering that takes at most so many bytes as UTF-8, or the sparsest one there is.

    `render` gives its text in pieces, so that one which grows too long is given up at once.
    """
    *fuller, sparsest = _LADDER
    for budget in fuller:
        text = _text_within(limit_bytes, render(budget))
        if text is not None:
            return text
    return "".join(render(sparsest))


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
