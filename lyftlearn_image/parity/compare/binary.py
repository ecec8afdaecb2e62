"""Bytes: the same or not, and where they first are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS: frozenset[str] = frozenset()
SUFFIXES: tuple[str, ...] = ()
_CHUNK_BYTES = 1 << 20
_SHOWN_BYTES = 16


def compare(left: Path, right: Path, _options: Options, _context: ComparatorContext) -> tuple[Difference, ...]:
    """The first differing byte of two files, if there is one."""
    sizes = left.stat().st_size, right.stat().st_size
    position = 0
    with left.open("rb") as left_file, right.open("rb") as right_file:
        while True:
            left_chunk, right_chunk = left_file.read(_CHUNK_BYTES), right_file.read(_CHUNK_BYTES)
            if left_chunk != right_chunk:
                offset = _first_difference(left_chunk, right_chunk)
                end = offset + _SHOWN_BYTES
                detail = f"sizes {sizes[0]} and {sizes[1]} bytes" if sizes[0] != sizes[1] else "first differing byte"
                shown = left_chunk[offset:end].hex(" "), right_chunk[offset:end].hex(" ")
                return (Difference(f"byte {position + offset}", *shown, detail),)
            if not left_chunk:
                return ()
            position += len(left_chunk)


def _first_difference(left: bytes, right: bytes) -> int:
    """The offset of the first byte that differs; the end of the shorter one where it begins the longer one."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((offset for offset, (a, b) in pairs if a != b), min(len(left), len(right)))
