"""Bytes: the same or not, and where they first are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import Tools
    from lyftlearn_image.parity.compare.rule import Rule

_CHUNK_BYTES = 1 << 20
_SHOWN_BYTES = 16


def compare(left: Path, right: Path, rule: Rule, tools: Tools) -> tuple[Difference, ...]:  # noqa: ARG001 - the comparators' signature
    """The first differing byte of two files, if there is one."""
    sizes = left.stat().st_size, right.stat().st_size
    at = 0
    with left.open("rb") as mine, right.open("rb") as theirs:
        while True:
            one, other = mine.read(_CHUNK_BYTES), theirs.read(_CHUNK_BYTES)
            if one != other:
                offset = next(
                    (i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
                )
                end = offset + _SHOWN_BYTES
                detail = f"sizes {sizes[0]} and {sizes[1]} bytes" if sizes[0] != sizes[1] else "first differing byte"
                return (Difference(f"byte {at + offset}", one[offset:end].hex(" "), other[offset:end].hex(" "), detail),)
            if not one:
                return ()
            at += len(one)
