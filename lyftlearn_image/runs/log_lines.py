"""The lines of a log, however long a script makes them: of each the beginning is enough to look at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LONGEST_LINE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16


class LineSplitter:
    """Cuts a stream into lines without their ends; of a line over LONGEST_LINE_BYTES, it gives the first of its bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that end in this piece."""
        *ended, rest = data.split(b"\n")
        for end in ended:
            self._keep(end)
            yield self._take()
        self._keep(rest)

    def flush(self) -> Iterator[str]:
        """The last line, where the stream does not end with one's end."""
        if self._size:
            yield self._take()

    def _keep(self, part: bytes) -> None:
        part = part[: LONGEST_LINE_BYTES - self._size]
        if part:
            self._parts.append(part)
            self._size += len(part)

    def _take(self) -> str:
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return line.decode("utf-8", "replace")


def read_lines(paths: Iterable[Path]) -> Iterator[str]:
    """The lines of several logs, one after the other."""
    for path in paths:
        splitter = LineSplitter()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield from splitter.feed(chunk)
        yield from splitter.flush()


def read_end(path: Path, size: int) -> bytes:
    """The last bytes of a file, however large it is; empty for none."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        return file.read(size)
