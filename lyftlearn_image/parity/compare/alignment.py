"""Which stretches of two sequences of lines differ, in a time that is bounded whatever the lines are."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Each further edit costs as many steps as there were edits; beyond this, lines are compared one by one.
MAX_EDITS = 600


def align(left: Sequence[bytes], right: Sequence[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches `left[i1:i2]` and `right[j1:j2]` that differ, between which everything is the same.

    By E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), and not by difflib, which takes minutes for
    5,000 lines that are often the same. With more than MAX_EDITS edits, everything between the first and the last is one
    stretch for every line that differs.
    """
    start = _count_common(left, right)
    end = _count_common(left[start:][::-1], right[start:][::-1])
    middle_left, middle_right = left[start : len(left) - end], right[start : len(right) - end]
    matches = _match(middle_left, middle_right)
    if matches is None:
        matches = [
            (place, place) for place, pair in enumerate(zip(middle_left, middle_right, strict=False)) if pair[0] == pair[1]
        ]
    edges = [(-1, -1), *matches, (len(middle_left), len(middle_right))]
    for (i, j), (next_i, next_j) in pairwise(edges):
        if next_i - i > 1 or next_j - j > 1:
            yield start + i + 1, start + next_i, start + j + 1, start + next_j


def _count_common(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    """How many items at the beginning are the same."""
    shorter = min(len(left), len(right))
    return next((place for place in range(shorter) if left[place] != right[place]), shorter)


def _match(left: Sequence[bytes], right: Sequence[bytes]) -> list[tuple[int, int]] | None:
    """The places of a longest common subsequence, in order; None when there are too many edits between the two."""
    # For each number of edits, how far it gets on the left for each diagonal (place on the left less place on the right).
    furthest = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(len(left) + len(right), MAX_EDITS) + 1):
        history.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            i = _step(furthest, diagonal, edits)
            j = i - diagonal
            while i < len(left) and 0 <= j < len(right) and left[i] == right[j]:
                i, j = i + 1, j + 1
            furthest[diagonal] = i
            if i >= len(left) and j >= len(right):
                return _trace(history, i, j)
    return None


def _step(furthest: dict[int, int], diagonal: int, edits: int) -> int:
    """Where an edit more leads to on a diagonal: by an insertion from above it, or by a deletion from below it."""
    if diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]):
        return furthest[diagonal + 1]
    return furthest[diagonal - 1] + 1


def _trace(history: list[dict[int, int]], i: int, j: int) -> list[tuple[int, int]]:
    """The matches on the way to the end, from what was known before each edit."""
    matches = []
    for edits in range(len(history) - 1, -1, -1):
        diagonal = i - j
        begin = _step(history[edits], diagonal, edits)
        while i > max(begin, 0) and j > 0:
            i, j = i - 1, j - 1
            matches.append((i, j))
        if edits:
            is_insertion = diagonal == -edits or (
                diagonal != edits and history[edits][diagonal - 1] < history[edits][diagonal + 1]
            )
            i, j = (begin, begin - diagonal - 1) if is_insertion else (begin - 1, begin - diagonal)
    return matches[::-1]
