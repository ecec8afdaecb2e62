"""How much of each thing a report of bounded size shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Caps:
    """The most that is shown of each thing; the whole is in report.json and in the runs' files.

    `differences` and `accepted` are per compared subject, `characters` per value, `stream` characters per stream,
    `failing` whole cases that did not come out as expected, `expected` whole cases that did; the others are a line in
    the table.
    """

    differences: int
    accepted: int
    characters: int
    stream: int
    failing: int
    expected: int


# From generous to sparse. A report takes the first one with which it is small enough; cases that came out as expected
# give way first.
_LADDER = (
    Caps(differences=100, accepted=100, characters=2100, stream=8000, failing=500, expected=500),
    Caps(differences=50, accepted=50, characters=600, stream=3000, failing=500, expected=500),
    Caps(differences=20, accepted=20, characters=300, stream=1500, failing=300, expected=300),
    Caps(differences=10, accepted=5, characters=200, stream=800, failing=200, expected=100),
    Caps(differences=5, accepted=0, characters=120, stream=300, failing=100, expected=20),
    Caps(differences=3, accepted=0, characters=80, stream=0, failing=50, expected=0),
    Caps(differences=0, accepted=0, characters=80, stream=0, failing=0, expected=0),
)


def within(limit_bytes: int, render: Callable[[Caps], Iterable[str]]) -> str:
    """The fullest rendering that takes at most so many bytes as UTF-8, or the sparsest one there is.

    `render` gives its text in pieces, so that one which grows too long is given up at once.
    """
    *fuller, sparsest = _LADDER
    for caps in fuller:
        text = _text_within(limit_bytes, render(caps))
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


def cut(text: str, characters: int) -> str:
    """The text, or its beginning with a note of the whole length."""
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text):,} characters)"
