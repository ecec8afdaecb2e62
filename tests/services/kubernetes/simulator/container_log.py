"""A container's log as the kubelet serves it: entries of the runtime with their times, of which a rotation hides the older."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

# A runtime cuts longer lines into entries of this size, each with a time; the kubelet serves them as one line.
_ENTRY_BYTES = 16 * 1024
_NS = 1_000_000_000


@dataclass(frozen=True)
class Entry:
    """A part of a line, or its end."""

    time_ns: int
    data: bytes

    @property
    def ends_line(self) -> bool:
        """Whether the next entry begins a line."""
        return self.data.endswith(b"\n")


@dataclass
class ContainerLog:
    """All that a container has written. What is read anew begins at `start`: the file before it was rotated away."""

    entries: list[Entry] = field(default_factory=list)
    start: int = 0
    _rest: bytes = b""

    def write(self, data: bytes, time_ns: int) -> None:
        """What the container writes; a line without an end waits for it in the runtime."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._add(line + b"\n", time_ns)
        while len(self._rest) >= _ENTRY_BYTES:
            self.entries.append(Entry(time_ns, self._rest[:_ENTRY_BYTES]))
            self._rest = self._rest[_ENTRY_BYTES:]

    def end(self, time_ns: int) -> None:
        """The container has ended: the runtime ends its last line."""
        if self._rest or (self.entries and not self.entries[-1].ends_line):
            self._add(self._rest + b"\n", time_ns)
        self._rest = b""

    def rotate(self) -> None:
        """The kubelet begins a new file."""
        self.start = len(self.entries)

    def served(self, begin: int, since_s: int | None, *, timestamps: bool) -> bytes:
        """The bytes of the entries from one on. Of a line whose beginning is older than `since_s` its other entries come."""
        parts: list[bytes] = []
        is_new_line = begin in {self.start, 0} or self.entries[begin - 1].ends_line
        for entry in self.entries[begin:]:
            if since_s is not None and entry.time_ns < since_s * _NS:
                continue
            if timestamps and is_new_line:
                parts.append(_rfc3339_nano(entry.time_ns).encode() + b" ")
            parts.append(entry.data)
            is_new_line = entry.ends_line
        return b"".join(parts)

    def _add(self, line: bytes, time_ns: int) -> None:
        for at in range(0, len(line), _ENTRY_BYTES):
            self.entries.append(Entry(time_ns, line[at : at + _ENTRY_BYTES]))


def _rfc3339_nano(time_ns: int) -> str:
    """As Go writes it: without trailing zeros."""
    seconds, rest = divmod(time_ns, _NS)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"
