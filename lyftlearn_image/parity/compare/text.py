"""Text, line by line, after what is known to change from run to run has been replaced.

Lines are read and compared many at a time; only those that differ are normalised, and nothing is held of the others.
"""

from __future__ import annotations

import functools
import io
import os
from typing import IO, TYPE_CHECKING

from lyftlearn_image.parity.compare.alignment import align
from lyftlearn_image.parity.compare.line_shapes import LineShapes
from lyftlearn_image.parity.compare.lines import LineReader
from lyftlearn_image.parity.compare.normalisers import DroppedLines, normalise, stays_within_lines
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.compare.unordered_lines import compare_unordered
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.normalisers import Replacement
    from lyftlearn_image.parity.compare.options import Options

    Normalise = Callable[[list[bytes]], list[bytes]]

OPTIONS = frozenset({"normalise", "unordered"})
SUFFIXES = (".txt", ".log", ".md", ".yaml")
# Longer texts are compared line by line in their order; aligning needs all lines at once.
MAX_ALIGNED_LINES = 5000
_MAX_ALIGNED_BYTES = 4 << 20
# A pattern that may reach over the end of a line needs the whole text several times in memory.
MAX_WHOLE_BYTES = 24 << 20


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Line differences of two text files; a byte that is no UTF-8 is shown as its escape."""
    with left.open("rb", buffering=0) as left_file, right.open("rb", buffering=0) as right_file:
        return limit_differences(compare_streams(left_file, right_file, options))


def compare_streams(left: IO[bytes], right: IO[bytes], options: Options) -> Iterator[Difference]:
    """Line differences of two texts, both of which can be read twice."""
    dropped = [each.prefix for each in options.normalise if isinstance(each, DroppedLines)]
    rules = tuple(each for each in options.normalise if not isinstance(each, DroppedLines))
    across = [each for each in rules if not stays_within_lines(each)]
    if across:
        size = max(_size(left), _size(right))
        if size > MAX_WHOLE_BYTES:
            yield Difference("", None, None, _too_large(across[0], size))
            return
        left, right = (_normalise_whole(each, rules) for each in (left, right))
        rules = ()

    def read(file: IO[bytes]) -> LineReader:
        file.seek(0)
        is_with_bars = "progress-bars" in rules
        return LineReader(file, dropped, functools.partial(_normalise_bytes, ("progress-bars",)) if is_with_bars else bytes)

    normalise_lines = functools.partial(_normalise_lines, rules)
    if options.unordered:
        yield from compare_unordered(lambda: read(left), lambda: read(right), normalise_lines, _format)
    elif max(_size(left), _size(right)) <= _MAX_ALIGNED_BYTES and (short := _short(read(left), read(right))):
        yield from _aligned(*short, normalise_lines)
    else:
        yield from _in_order(read(left), read(right), normalise_lines, LineShapes(rules))


def _short(left: LineReader, right: LineReader) -> tuple[tuple[list[bytes], bytes], tuple[list[bytes], bytes]] | None:
    """The lines of both and their ends; None when they are too many to be aligned."""
    sides = []
    for reader in (left, right):
        lines: list[bytes] = []
        for more in reader:
            lines += more
            if len(lines) > MAX_ALIGNED_LINES:
                return None
        sides.append((lines or [b""], reader.end))
    return sides[0], sides[1]


def _aligned(
    left: tuple[list[bytes], bytes], right: tuple[list[bytes], bytes], normalise_lines: Normalise
) -> Iterator[Difference]:
    left_lines, right_lines = normalise_lines(left[0]), normalise_lines(right[0])
    if left_lines == right_lines:
        yield from _compare_ends(left[1], right[1])
        return
    for i1, i2, j1, j2 in align(left_lines, right_lines):
        yield from _rows(left_lines[i1:i2], right_lines[j1:j2], i1, j1)


def _in_order(left: LineReader, right: LineReader, normalise_lines: Normalise, shapes: LineShapes) -> Iterator[Difference]:
    number = 0
    is_same = True
    while True:
        number += left.skip_same(right)
        left_lines, right_lines = left.next_lines(), right.next_lines()
        count = min(len(left_lines), len(right_lines))
        if not count:
            break
        for each in _compare_blocks(left_lines[:count], right_lines[:count], number, normalise_lines, shapes):
            is_same = False
            yield each
        number += count
        left.unread(left_lines[count:])
        right.unread(right_lines[count:])
    left_count = number + len(left_lines) + sum(map(len, left))
    right_count = number + len(right_lines) + sum(map(len, right))
    if left_count != right_count:
        yield Difference("length", str(left_count), str(right_count), "number of lines")
    elif is_same:
        yield from _compare_ends(left.end, right.end)


def _compare_blocks(
    left: list[bytes], right: list[bytes], start: int, normalise_lines: Normalise, shapes: LineShapes
) -> Iterator[Difference]:
    """Differences of as many lines on both sides, the first of which has the number `start`, from 0."""
    if left == right:
        return
    places = shapes.find_unsure(left, right)
    pairs = zip(
        places,
        normalise_lines([left[place] for place in places]),
        normalise_lines([right[place] for place in places]),
        strict=True,
    )
    for place, one, other in pairs:
        if one != other:
            yield Difference(f"line {start + place + 1}", _format(one), _format(other))


def _rows(left: Sequence[bytes], right: Sequence[bytes], left_start: int, right_start: int) -> Iterator[Difference]:
    """Two stretches side by side, numbered as on the left, where there are more of them on the right as there."""
    for offset in range(max(len(left), len(right))):
        left_line = _format(left[offset]) if offset < len(left) else None
        right_line = _format(right[offset]) if offset < len(right) else None
        start = left_start if left_line is not None else right_start
        yield Difference(f"line {start + offset + 1}", left_line, right_line)


def _compare_ends(left: bytes, right: bytes) -> Iterator[Difference]:
    if (left == b"\n") != (right == b"\n"):
        yield Difference("end", repr(_decode(left)), repr(_decode(right)), "only one ends with a line break")


def _normalise_lines(rules: tuple[str | Replacement, ...], lines: list[bytes]) -> list[bytes]:
    # None of the rules reaches over the end of a line: many lines at once give what each would give.
    return _normalise_bytes(rules, b"\n".join(lines)).split(b"\n") if rules and lines else lines


def _normalise_bytes(rules: tuple[str | Replacement, ...], text: bytes) -> bytes:
    # Any bytes whatever become a text of their own: a text that only looks like another one's escapes stays another text.
    return normalise(text.decode("utf-8", "surrogateescape"), rules).encode("utf-8", "surrogateescape")


def _normalise_whole(file: IO[bytes], rules: tuple[str | Replacement, ...]) -> IO[bytes]:
    file.seek(0)
    return io.BytesIO(_normalise_bytes(rules, file.read()))


def _too_large(rule: str | Replacement, size: int) -> str:
    pattern = rule if isinstance(rule, str) else rule.pattern
    return (
        f"not compared: the pattern {pattern!r} may reach over the end of a line, which is done up to "
        f"{MAX_WHOLE_BYTES:,} bytes, and the text has {size:,}"
    )


def _size(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")


def _format(line: bytes) -> str:
    return format_value(_decode(line))
