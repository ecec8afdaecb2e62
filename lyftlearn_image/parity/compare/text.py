"""Text, line by line, after what is known to change from run to run has been replaced."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.tolerance import bounded
from lyftlearn_image.parity.differences import Difference, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import Tools
    from lyftlearn_image.parity.compare.rule import Rule

NORMALISERS = {
    "timestamps": (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?|\b\d\d:\d\d:\d\d([.,]\d+)?\b", "<time>"),
    "durations": (r"\b\d+(\.\d+)?\s?(ns|us|µs|ms|s|sec|secs|seconds|m|min|minutes|h|hours)\b", "<duration>"),
    "addresses": (r"\b0x[0-9a-fA-F]{4,}\b", "<address>"),
    "pids": (r"\b([Pp][Ii][Dd])([ =:]+)\d+\b", r"\1\2<pid>"),
    "temporary-paths": (r"/tmp/[^\s'\":,]+", "<temporary>"),  # noqa: S108 - what is looked for
}
# Above this, lines are compared one by one in their order; aligning would take quadratic time.
_ALIGNED_LINES = 5000


def compare(left: Path, right: Path, rule: Rule, tools: Tools) -> tuple[Difference, ...]:  # noqa: ARG001 - the comparators' signature
    """Line differences of two text files; invalid UTF-8 is compared as its escapes."""
    return compare_texts(_read(left), _read(right), rule)


def compare_texts(left: str, right: str, rule: Rule) -> tuple[Difference, ...]:
    """Line differences of two texts."""
    if left == right:
        return ()
    mine, theirs = normalise(left, rule).splitlines(), normalise(right, rule).splitlines()
    if mine == theirs:
        # splitlines does not see whether the last line ends with a line break.
        ends = normalise(left, rule).endswith("\n"), normalise(right, rule).endswith("\n")
        return (
            ()
            if ends[0] == ends[1]
            else (Difference("end", repr(left[-1:]), repr(right[-1:]), "only one ends with a line break"),)
        )
    return bounded(_aligned(mine, theirs) if max(len(mine), len(theirs)) <= _ALIGNED_LINES else _in_order(mine, theirs))


def normalise(text: str, rule: Rule) -> str:
    """The text with the rule's normalisers applied in their order."""
    for one in rule.normalise:
        pattern, replacement = NORMALISERS[one] if isinstance(one, str) else (one.pattern, one.replace)
        text = re.sub(pattern, replacement, text)
    return text


def _aligned(left: list[str], right: list[str]) -> Iterator[Difference]:
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            yield from _rows(left[i1:i2], right[j1:j2], i1, j1)


def _in_order(left: list[str], right: list[str]) -> Iterator[Difference]:
    for number, (mine, theirs) in enumerate(zip(left, right, strict=False)):
        if mine != theirs:
            yield Difference(f"line {number + 1}", shown(mine), shown(theirs))
    if len(left) != len(right):
        yield Difference("length", str(len(left)), str(len(right)), "number of lines")


def _rows(left: list[str], right: list[str], at: int, at_right: int) -> Iterator[Difference]:
    for offset in range(max(len(left), len(right))):
        mine = shown(left[offset]) if offset < len(left) else None
        theirs = shown(right[offset]) if offset < len(right) else None
        yield Difference(f"line {(at if mine is not None else at_right) + offset + 1}", mine, theirs)


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "backslashreplace")
