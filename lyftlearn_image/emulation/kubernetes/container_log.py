"""A container's log as the node keeps it, and as `kubectl logs` shows it.

A row is `<time> <stream> <F|P> <text>`: a line over 16 KiB is in several rows, all but its last with P. Source:
containerd internal/cri (MaxContainerLogLineSize); recorded in pods, case 19.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

LINE_BYTES = 16384


class Row(NamedTuple):
    """One row of a log file."""

    stream: str
    tag: str
    text: bytes


class Log:
    """Takes pieces of output as they come, and has them on disk as rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._pending = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """One piece of a stream, cut anywhere."""
        *lines, rest = (self._pending[stream] + data).split(b"\n")
        for line in lines:
            self._line(stream, line, "F")
        while len(rest) > LINE_BYTES:
            self._row(Row(stream, "P", rest[:LINE_BYTES]))
            rest = rest[LINE_BYTES:]
        self._pending[stream] = rest

    def close(self) -> None:
        """Writes what has no newline at its end, too."""
        for stream, rest in self._pending.items():
            if rest:
                self._line(stream, rest, "P")
        self._file.close()

    def _line(self, stream: str, line: bytes, tag: str) -> None:
        while len(line) > LINE_BYTES:
            self._row(Row(stream, "P", line[:LINE_BYTES]))
            line = line[LINE_BYTES:]
        self._row(Row(stream, tag, line))

    def _row(self, row: Row) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
        self._file.write(b" ".join((stamp, row.stream.encode(), row.tag.encode(), row.text)) + b"\n")
        self._file.flush()


def rows(path: Path) -> list[Row]:
    """The rows of a log file."""
    found = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        _, stream, tag, text = line.split(b" ", 3)
        found.append(Row(stream.decode(), tag.decode(), text))
    return found


def text_of(path: Path) -> bytes:
    """What `kubectl logs` shows: rows joined to lines, both streams in the order of arrival."""
    return b"".join(row.text + (b"\n" if row.tag == "F" else b"") for row in rows(path))
