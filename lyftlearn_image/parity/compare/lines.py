"""The lines of a file, many at a time and in bounded memory."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_CHUNK_BYTES = 1 << 18
# So much is compared or split into lines at once: around a line that differs no more than this is looked at line by line.
_STEP_BYTES = 1 << 13
# Where line after line differs, more and more of them are given out at once, up to so many bytes.
_MAX_STEP_BYTES = 1 << 16
# A longer line is read in pieces, each of which counts as a line.
MAX_LINE_BYTES = 1 << 20


class LineReader:
    """Reads lines without their line feeds; a line ends with a line feed and with nothing else.

    Lines that begin with one of `dropped` are left out. `shorten` is asked for less of a line that is too long: a bar that was
    drawn a million times is one line.
    """

    def __init__(
        self, file: IO[bytes], dropped: Collection[str] = (), shorten: Callable[[bytes], bytes] = lambda line: line
    ) -> None:
        self._file = file
        self._dropped = tuple(each.encode() for each in dropped)
        self._shorten = shorten
        # What was read, and where in it the next line begins.
        self._buffer = b""
        self._at = 0
        self._is_within_line = False
        self._is_at_end = False
        self._step_bytes = _STEP_BYTES
        # What the lines that were given out end with: nothing, a line feed, or another byte.
        self.end = b""

    def skip_same(self, other: LineReader) -> int:
        """Goes on to where both no longer have the same whole lines, and gives back how many those were."""
        skipped = 0
        while (length := self._count_same(other)) > 0:
            skipped += self._buffer.count(b"\n", self._at, self._at + length)
            self._at, other._at = self._at + length, other._at + length
            self.end = other.end = b"\n"
            self._step_bytes = other._step_bytes = _STEP_BYTES
        return skipped

    def _count_same(self, other: LineReader) -> int:
        """How many bytes of whole lines that were read already are the same."""
        common = min(self._fill(), other._fill())
        same = 0
        while same < common:
            step = min(_STEP_BYTES, common - same)
            left, right = self._at + same, other._at + same
            if self._buffer[left : left + step] != other._buffer[right : right + step]:
                break
            same += step
        return self._buffer.rfind(b"\n", self._at, self._at + same) + 1 - self._at

    def next_lines(self) -> list[bytes]:
        """The next lines; none at the end of the file."""
        if not self._fill():
            return []
        end = self._buffer.rfind(b"\n", self._at, self._at + self._step_bytes)
        self._step_bytes = min(self._step_bytes * 2, _MAX_STEP_BYTES)
        if end < 0:
            end = self._buffer.find(b"\n", self._at)
        # What has no line feed is the last line, or a piece of a long one.
        self._is_within_line = end < 0
        start, self._at = self._at, end + 1 or len(self._buffer)
        self.end = self._buffer[self._at - 1 : self._at]
        return [self._buffer[start:]] if self._is_within_line else self._buffer[start:end].split(b"\n")

    def unread(self, lines: list[bytes]) -> None:
        """Takes back the last of the lines that were given out last, but not all of them."""
        self._at -= sum(len(line) + 1 for line in lines)

    def __iter__(self) -> Iterator[list[bytes]]:
        return iter(self.next_lines, [])

    def _fill(self) -> int:
        """Reads until there is a whole line, or a piece of one that is too long; how many bytes there are."""
        while not self._is_at_end and self._buffer.find(b"\n", self._at) < 0 and len(self._buffer) - self._at < MAX_LINE_BYTES:
            chunk = self._file.read(_CHUNK_BYTES)
            self._is_at_end = not chunk
            self._buffer, self._at = self._buffer[self._at :] + chunk, 0
            if self._dropped:
                self._buffer = self._without_dropped(self._buffer)
            if len(self._buffer) >= MAX_LINE_BYTES and b"\n" not in self._buffer:
                self._buffer = self._shorten(self._buffer)
        return len(self._buffer) - self._at

    def _without_dropped(self, text: bytes) -> bytes:
        *lines, last = text.split(b"\n")
        first = lines[:1] if self._is_within_line else []
        kept = first + [line for line in lines[len(first) :] if not line.startswith(self._dropped)]
        if self._is_at_end and last.startswith(self._dropped) and (lines or not self._is_within_line):
            last = b""
        return b"".join(line + b"\n" for line in kept) + last
