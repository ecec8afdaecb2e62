"""Lines whose order does not count: the same lines, each as often."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.tolerance import MAX_DIFFERENCES
from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.parity.compare.lines import LineReader

    Open = Callable[[], LineReader]
    Normalise = Callable[[list[bytes]], list[bytes]]

# By the first byte of their digests the lines fall into as many parts, of which one at a time is counted.
_PARTS = 256
_DIGEST_BYTES = 32


def compare_unordered(
    open_left: Open, open_right: Open, normalise_lines: Normalise, show: Callable[[bytes], str]
) -> Iterator[Difference]:
    """The lines that one side has more often, each with its place there.

    Memory is bounded: parts that are equal are found by the sums of their lines' digests, and only others are counted. Once
    enough is found to fill a report, the rest is not counted.
    """
    sums = zip(
        _sum_parts(_digests(open_left(), normalise_lines)), _sum_parts(_digests(open_right(), normalise_lines)), strict=True
    )
    found = 0
    for part in (part for part, (left, right) in enumerate(sums) if left != right):
        if found >= MAX_DIFFERENCES:
            yield Difference("", None, None, "and more lines that differ, which were not counted")
            return
        surplus = _count(_digests(open_left(), normalise_lines), part)
        surplus.subtract(_count(_digests(open_right(), normalise_lines), part))
        for line, place in _find(open_left(), normalise_lines, surplus):
            found += 1
            yield Difference(place, show(line), None, "only on one side, or more often there")
        missing = Counter({digest: -count for digest, count in surplus.items()})
        for line, place in _find(open_right(), normalise_lines, missing):
            found += 1
            yield Difference(place, None, show(line), "only on one side, or more often there")


def _digests(reader: LineReader, normalise_lines: Normalise) -> Iterator[tuple[bytes, bytes]]:
    """Each line, normalised, behind its digest."""
    for lines in reader:
        for line in normalise_lines(lines):
            yield hashlib.blake2b(line, digest_size=_DIGEST_BYTES).digest(), line


def _sum_parts(digests: Iterator[tuple[bytes, bytes]]) -> list[int]:
    """For each part the sum of its digests, which no order changes."""
    sums = [0] * _PARTS
    for digest, _ in digests:
        sums[digest[0]] += int.from_bytes(digest, "big")
    return sums


def _count(digests: Iterator[tuple[bytes, bytes]], part: int) -> Counter[bytes]:
    """How often each line of a part is there."""
    return Counter(digest for digest, _ in digests if digest[0] == part)


def _find(reader: LineReader, normalise_lines: Normalise, surplus: Counter[bytes]) -> Iterator[tuple[bytes, str]]:
    """The first places of the lines that are there more often than on the other side, as often as that."""
    remaining = {digest: count for digest, count in surplus.items() if count > 0}
    for number, (digest, line) in enumerate(_digests(reader, normalise_lines), start=1):
        if remaining.get(digest, 0):
            remaining[digest] -= 1
            yield line, f"line {number}"
