"""Where the strings, brackets and commas of a JSON text are: found for a hundred thousand bytes at once, and not one by one."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from lyftlearn_image.parity.compare.file_blocks import BLOCK_BYTES, read_blocks
from lyftlearn_image.parity.compare.unreadable import UnreadableError

# Python's own reader gives up at about as many.
_MAX_LEVELS = 950
_QUOTE, _BACKSLASH, COMMA = b'"\\,'
# For each byte what it does to the depth.
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1
_IS_MARK = _STEPS != 0
_IS_MARK[COMMA] = True


@dataclass(frozen=True)
class Marks:
    """Brackets and commas outside of strings: where they are, which bytes they are, and the depth behind each."""

    places: Any
    kinds: Any
    depths: Any


class Scanner:
    """Goes through a JSON text, block after block. The first must begin outside of a string."""

    def __init__(self) -> None:
        self.depth = 0
        self.is_in_string = False
        self._is_escaped = False

    def scan(self, block: bytes) -> Marks:
        """The marks of the next block."""
        array = np.frombuffer(block, np.uint8)
        quotes = array == _QUOTE
        quotes[self._escaped(array)] = False
        is_inside = np.cumsum(quotes, dtype=np.uint32) + np.uint32(self.is_in_string) & 1
        places = np.flatnonzero(_IS_MARK[array] & (is_inside == 0))
        kinds = array[places]
        depths = self.depth + np.cumsum(_STEPS[kinds], dtype=np.int64)
        self.is_in_string = bool(is_inside[-1])
        self.depth = int(depths[-1]) if len(depths) else self.depth
        return Marks(places, kinds, depths)

    def _escaped(self, array: Any) -> Any:
        """The places behind an odd number of backslashes."""
        backslashes = np.flatnonzero(array == _BACKSLASH)
        is_first = np.diff(backslashes, prepend=-2) > 1
        starts = backslashes[is_first]
        lengths = np.diff(np.append(np.flatnonzero(is_first), len(backslashes)))
        ends = starts + lengths
        if self._is_escaped:
            # What the last block ended with belongs to the run with which this one begins.
            if len(starts) and starts[0] == 0:
                lengths[0] += 1
            else:
                ends, lengths = np.insert(ends, 0, 0), np.insert(lengths, 0, 1)
        escaped = ends[lengths % 2 == 1]
        self._is_escaped = bool(len(escaped) and escaped[-1] == len(array))
        return escaped[:-1] if self._is_escaped else escaped


class LargeContainers:
    """The objects and lists of a text that are larger than a block, by where they begin."""

    def __init__(self, starts: Any, ends: Any) -> None:
        order = np.argsort(starts, kind="stable")
        self._starts, self._ends = starts[order], ends[order]

    @classmethod
    def none(cls) -> LargeContainers:
        """Of a text that has none."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    def first_within(self, start: int, end: int) -> tuple[int, int] | None:
        """Where the first one begins and ends that begins in this stretch."""
        number = bisect_left(self._starts, start)
        if number == len(self._starts) or self._starts[number] >= end:
            return None
        return int(self._starts[number]), int(self._ends[number])


def find_large_containers(file: IO[bytes], start: int, end: int) -> LargeContainers | None:
    """What is large of the object or list that a stretch of a file is, which is itself; None when it is no single one."""
    scanner = Scanner()
    opened: list[int] = []
    starts, ends = _Numbers(), _Numbers()
    closed_at = 0
    for at, block in read_blocks(file, start, end):
        depth = scanner.depth
        marks = scanner.scan(block)
        for place in _closing_earlier_ones(marks, depth).tolist():
            if not opened:
                return None
            begin, closed_at = opened.pop(), at + place + 1
            if not opened and closed_at < end:
                return None
            if closed_at - begin > BLOCK_BYTES:
                starts.append(begin)
                ends.append(closed_at)
        opened += (at + _left_open(marks)).tolist()
        if at == start and opened[:1] != [start]:
            return None
        if len(opened) > _MAX_LEVELS:
            raise UnreadableError(f"it is nested more than {_MAX_LEVELS} levels deep")
        if not opened and closed_at < end:
            return None
    return None if opened else LargeContainers(starts.array(), ends.array())


class _Numbers:
    """Numbers in eight bytes each."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def append(self, number: int) -> None:
        """One more."""
        self._bytes += number.to_bytes(8, "little")

    def array(self) -> Any:
        """All of them."""
        return np.frombuffer(bytes(self._bytes), "<i8")


def _closing_earlier_ones(marks: Marks, depth: int) -> Any:
    """The places of the brackets that close what was open at the block's beginning, at which the depth was this one."""
    lowest = np.minimum.accumulate(np.append(depth, marks.depths))[:-1]
    return marks.places[marks.depths < lowest]


def _left_open(marks: Marks) -> Any:
    """The places of the brackets that nothing closes in their block."""
    lowest_behind = np.minimum.accumulate(marks.depths[::-1])[::-1]
    return marks.places[(_STEPS[marks.kinds] == 1) & (lowest_behind >= marks.depths)]
