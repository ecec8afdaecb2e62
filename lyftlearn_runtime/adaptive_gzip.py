"""A gzip file that is written no slower than its bytes are worth: what does not shrink is stored.

The result is one gzip member (RFC 1952) of one deflate stream (RFC 1951), which every reader takes: each segment is
compressed for itself and ends at a byte, as pigz has it, so that several are compressed at once, each at its own level. Equal
content gives equal bytes, on however many processors.
"""

from __future__ import annotations

import os
import zlib
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from typing_extensions import Self

_SEGMENT_BYTES = 1 << 20
# What a segment is judged by: some of its bytes, from several places.
_SAMPLES = 4
_SAMPLE_BYTES = 4 << 10
# What is left of a sample → the level. A sixteenth less of a model's weights is not worth twenty times the time.
_LEVELS = ((0.6, 3), (0.9, 1))
_STORED = 0
_RAW = -15
_MOST_THREADS = 4
# No name, no time of change, and a system that is unknown, so that it is the same each time.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# An empty block of fixed codes, with the mark that it is the last one.
_LAST_BLOCK = b"\x03\x00"


class AdaptiveGzip:
    """Takes bytes, and writes them to a file that only needs `write`. As a context it is complete at the end.

    After an exception nothing more is written: a file that is cut is no archive, and nobody takes it for one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._buffer = bytearray(_SEGMENT_BYTES)
        self._filled = 0
        self._size = 0
        self._crc = 0
        self._threads = min(_MOST_THREADS, os.cpu_count() or 1)
        self._executor: Any = None
        self._at_work: deque[Any] = deque()
        file.write(_HEADER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._executor:
                self._executor.shutdown()

    def tell(self) -> int:
        """How many bytes came, before they are compressed."""
        return self._size

    def write(self, data: bytes | memoryview) -> int:
        """Takes more."""
        left = memoryview(data)
        while left:
            taken = min(len(left), _SEGMENT_BYTES - self._filled)
            self._buffer[self._filled : self._filled + taken] = left[:taken]
            self._filled += taken
            left = left[taken:]
            if self._filled == _SEGMENT_BYTES:
                self._pass_on()
        self._size += len(data)
        return len(data)

    def _pass_on(self) -> None:
        """Has a whole segment compressed, beside what comes after it."""
        segment, self._buffer, self._filled = self._buffer, bytearray(_SEGMENT_BYTES), 0
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - what is small needs no threads

            self._executor = ThreadPoolExecutor(self._threads)
        self._at_work.append(self._executor.submit(_compress, segment))
        self._crc = zlib.crc32(segment, self._crc)
        if len(self._at_work) > self._threads:
            self._file.write(self._at_work.popleft().result())

    def _finish(self) -> None:
        while self._at_work:
            self._file.write(self._at_work.popleft().result())
        rest = bytes(self._buffer[: self._filled])
        if rest:
            self._file.write(_compress(rest))
        self._crc = zlib.crc32(rest, self._crc)
        self._file.write(_LAST_BLOCK + self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little"))


def _compress(segment: bytes | bytearray) -> bytes:
    """A segment as blocks of a deflate stream, none of them the last one."""
    return _deflate(segment, _level(segment), zlib.Z_SYNC_FLUSH)


def _level(segment: bytes | bytearray) -> int:
    """How hard it is worth trying, by what is left of some of its bytes."""
    step = max(_SAMPLE_BYTES, len(segment) // _SAMPLES)
    sample = b"".join(segment[start : start + _SAMPLE_BYTES] for start in range(0, len(segment), step))
    left = len(_deflate(sample, 1, zlib.Z_FINISH)) / len(sample)
    return next((level for most, level in _LEVELS if left <= most), _STORED)


def _deflate(data: bytes | bytearray, level: int, flush: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, _RAW)
    return compressor.compress(data) + compressor.flush(flush)
