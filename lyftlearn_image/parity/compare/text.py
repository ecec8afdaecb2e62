"""Text, line by line, after what is known to change from run to run has been replaced."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.normalisers import normalise
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = frozenset({"normalise"})
SUFFIXES = (".txt", ".log", ".md", ".yaml")
# Above this, lines are compared one by one in their order; aligning would take quadratic time.
MAX_ALIGNED_LINES = 5000


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Line differences of two text files; a byte that is no UTF-8 is shown as its escape."""
    return compare_texts(_read(left), _read(right), options)


def compare_texts(left: str, right: str, options: Options) -> tuple[Difference, ...]:
    """Line differences of two texts. A line ends with a line feed and with nothing else."""
    left, right = normalise(left, options.normalise), normalise(right, options.normalise)
    if left == right:
        return ()
    left_lines, right_lines = left.removesuffix("\n").split("\n"), right.removesuffix("\n").split("\n")
    if left_lines == right_lines:
        return (Difference("end", repr(left[-1:]), repr(right[-1:]), "only one ends with a line break"),)
    is_short = max(len(left_lines), len(right_lines)) <= MAX_ALIGNED_LINES
    return limit_differences((_aligned if is_short else _in_order)(left_lines, right_lines))


def _aligned(left: list[str], right: list[str]) -> Iterator[Difference]:
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            yield from _rows(left[i1:i2], right[j1:j2], i1, j1)


def _in_order(left: list[str], right: list[str]) -> Iterator[Difference]:
    for number, (left_line, right_line) in enumerate(zip(left, right, strict=False), start=1):
        if left_line != right_line:
            yield Difference(f"line {number}", _format(left_line), _format(right_line))
    if len(left) != len(right):
        yield Difference("length", str(len(left)), str(len(right)), "number of lines")


def _rows(left: list[str], right: list[str], left_start: int, right_start: int) -> Iterator[Difference]:
    """Two stretches side by side, numbered as on the left, where there are more of them on the right as there."""
    for offset in range(max(len(left), len(right))):
        left_line = _format(left[offset]) if offset < len(left) else None
        right_line = _format(right[offset]) if offset < len(right) else None
        start = left_start if left_line is not None else right_start
        yield Difference(f"line {start + offset + 1}", left_line, right_line)


def _format(line: str) -> str:
    return format_value(line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def _read(path: Path) -> str:
    # Any bytes whatever become a text of their own: a text that only looks like another one's escapes stays another text.
    return path.read_bytes().decode("utf-8", "surrogateescape")
