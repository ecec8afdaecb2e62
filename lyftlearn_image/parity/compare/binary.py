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
# Small enough for the allocator to give the same memory again, and for the processor's cache.
_CHUNK_BYTES = 1 << 17
_SHOWN_BYTES = 16


def compare(left: Path, right: Path, _options: Options, _context: ComparatorContext) -> tuple[Difference, ...]:
    """The first differing byte of two files, if there is one."""
    found = _first_differing_chunks(left, right)
    if found is None:
        return ()
    start, left_chunk, right_chunk = found
    offset = _first_difference(left_chunk, right_chunk)
    end = offset + _SHOWN_BYTES
    sizes = left.stat().st_size, right.stat().st_size
    detail = f"sizes {sizes[0]} and {sizes[1]} bytes" if sizes[0] != sizes[1] else "first differing byte"
    return (Difference(f"byte {start + offset}", left_chunk[offset:end].hex(" "), right_chunk[offset:end].hex(" "), detail),)


def count_same_bytes(left: Path, right: Path) -> int | None:
    """How many bytes at the beginning of two files are surely the same; None when all of both are."""
    found = _first_differing_chunks(left, right)
    return found[0] if found else None


def _first_differing_chunks(left: Path, right: Path) -> tuple[int, bytes, bytes] | None:
    """Where the first pieces of two files stand that differ, and both pieces."""
    position = 0
    with left.open("rb", buffering=0) as left_file, right.open("rb", buffering=0) as right_file:
        while True:
            left_chunk, right_chunk = left_file.read(_CHUNK_BYTES), right_file.read(_CHUNK_BYTES)
            if left_chunk != right_chunk:
                return position, left_chunk, right_chunk
            if not left_chunk:
                return None
            position += len(left_chunk)


def _first_difference(left: bytes, right: bytes) -> int:
    """The offset of the first byte that differs; the end of the shorter one where it begins the longer one."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((offset for offset, (a, b) in pairs if a != b), min(len(left), len(right)))
