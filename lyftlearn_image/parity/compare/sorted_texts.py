"""Texts in their order, however many: few of them are in memory, and the others in a temporary file."""

from __future__ import annotations

import heapq
import tempfile
from typing import IO, TYPE_CHECKING, Self

from lyftlearn_image.parity.compare.file_blocks import read_blocks
from lyftlearn_image.parity.compare.unreadable import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# So many bytes are sorted at once; each text takes some beside its characters.
_RUN_BYTES = 16 << 20
_TEXT_BYTES = 60
MAX_SORTED_BYTES = 1 << 30
# What stands before the n of a line break, and before the m of itself.
_MARK = "\x02"


class SortedTexts:
    """Texts of which each character is a byte, sorted; to be gone through several times, also by several at once.

    UnreadableError when they are too large.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        # Each stretch of the file is sorted, and so is what is in memory.
        self._runs: list[tuple[int, int]] = []
        self._last: list[str] = []
        try:
            self._sort(texts)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[str]:
        if not self._runs:
            return iter(self._last)
        return heapq.merge(self._last, *(self._read(*run) for run in self._runs))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the temporary file back."""
        self._file.close()

    def _sort(self, texts: Iterable[str]) -> None:
        size = total = 0
        for text in texts:
            size += len(text) + _TEXT_BYTES
            total += len(text) + _TEXT_BYTES
            if total > MAX_SORTED_BYTES:
                raise UnreadableError("it is too large to be sorted")
            self._last.append(text)
            if size > _RUN_BYTES:
                self._write()
                size = 0
        self._last.sort()

    def _write(self) -> None:
        self._last.sort()
        start = self._file.tell()
        self._file.writelines(f"{_as_line(text)}\n".encode("latin-1") for text in self._last)
        self._runs.append((start, self._file.tell()))
        self._last = []

    def _read(self, start: int, end: int) -> Iterator[str]:
        rest = ""
        for _, block in read_blocks(self._file, start, end):
            text = rest + block.decode("latin-1")
            *lines, rest = text.split("\n")
            yield from map(_as_text, lines) if _MARK in text else lines


def _as_line(text: str) -> str:
    """The text without line breaks."""
    return text.replace(_MARK, f"{_MARK}m").replace("\n", f"{_MARK}n")


def _as_text(line: str) -> str:
    return line.replace(f"{_MARK}n", "\n").replace(f"{_MARK}m", _MARK)
