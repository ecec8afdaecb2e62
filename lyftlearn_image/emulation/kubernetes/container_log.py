"""A container's log as the node keeps it, and as `kubectl logs` prints it.

An entry is `<time> <stream> <F|P> <content>`, the format of the CRI. A line over 16 KiB takes several entries, all but the last
with the tag P (partial). Source: containerd internal/cri (MaxContainerLogLineSize); recorded in pods, case 19. A node rotates
its logs; here the file ends at a limit, and the end of the log is known all the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

MAX_ENTRY_BYTES = 16384
# More than a termination message takes of a log.
TAIL_BYTES = 16384


class LogEntry(NamedTuple):
    """One entry of a log file. `tag` is F (full) or P (partial)."""

    stream: str
    tag: str
    content: bytes


class ContainerLog:
    """Writes the output of a container to its log file, entry by entry, up to `limit_bytes`."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._file = path.open("wb")
        self._left = limit_bytes
        self._tail = bytearray()
        self._pending = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """Takes a piece of a stream, cut anywhere."""
        *lines, rest = (self._pending[stream] + data).split(b"\n")
        for line in lines:
            self._write_line(stream, line, "F")
        while len(rest) > MAX_ENTRY_BYTES:
            self._write_entry(LogEntry(stream, "P", rest[:MAX_ENTRY_BYTES]))
            rest = rest[MAX_ENTRY_BYTES:]
        self._pending[stream] = rest

    @property
    def tail(self) -> bytes:
        """The last TAIL_BYTES of what `kubectl logs` prints."""
        return bytes(self._tail[-TAIL_BYTES:])

    def close(self) -> None:
        """Writes what is left without a newline at its end, and closes the file."""
        for stream, rest in self._pending.items():
            if rest:
                self._write_line(stream, rest, "P")
        self._file.close()

    def _write_line(self, stream: str, line: bytes, tag: str) -> None:
        while len(line) > MAX_ENTRY_BYTES:
            self._write_entry(LogEntry(stream, "P", line[:MAX_ENTRY_BYTES]))
            line = line[MAX_ENTRY_BYTES:]
        self._write_entry(LogEntry(stream, tag, line))

    def _write_entry(self, entry: LogEntry) -> None:
        self._tail += _printed(entry)
        if len(self._tail) > 4 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        if self._left <= 0:
            return
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
        self._left -= self._file.write(b" ".join((time, entry.stream.encode(), entry.tag.encode(), entry.content)) + b"\n")
        self._file.flush()


def read_entries(path: Path) -> list[LogEntry]:
    """The entries of a log file."""
    entries = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        _, stream, tag, content = line.split(b" ", 3)
        entries.append(LogEntry(stream.decode(), tag.decode(), content))
    return entries


def read_log(path: Path) -> bytes:
    """What `kubectl logs` prints: entries joined to lines, both streams in the order of arrival."""
    return b"".join(map(_printed, read_entries(path)))


def _printed(entry: LogEntry) -> bytes:
    return entry.content + (b"\n" if entry.tag == "F" else b"")
