"""A stretch of a file, block after block."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from lyftlearn_image.parity.compare.unreadable import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1 << 16


def read_blocks(file: IO[bytes], start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The blocks of a stretch, each with its place; others may read in the file meanwhile. UnreadableError when it is cut."""
    while start < end:
        file.seek(start)
        block = file.read(min(BLOCK_BYTES, end - start))
        if not block:
            raise UnreadableError("it is cut")
        yield start, block
        start += len(block)


def find_first(file: IO[bytes], start: int, end: int, without: bytes) -> tuple[int, bytes] | None:
    """The first byte of a stretch that is none of some others, and its place."""
    for place, block in read_blocks(file, start, end):
        if rest := block.lstrip(without):
            return place + len(block) - len(rest), rest[:1]
    return None


def find_end(file: IO[bytes], start: int, end: int, without: bytes) -> int:
    """Where the last byte of a stretch ends that is none of some others."""
    found = start
    for place, block in read_blocks(file, start, end):
        if rest := block.rstrip(without):
            found = place + len(rest)
    return found
