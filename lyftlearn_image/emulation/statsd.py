"""A StatsD server that keeps the metrics which a script sends."""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Larger than any datagram that loopback or a bridge carries.
_DATAGRAM_BYTES = 65535
# The kernel keeps a burst until it is read.
_RECEIVE_BUFFER_BYTES = 4 << 20
# Of asm-generic/socket.h: with each datagram comes how many the kernel has dropped before it (socket(7), SO_RXQ_OVFL).
_SO_RXQ_OVFL = 40
_COUNTER = struct.Struct("=I")
_END_BYTES = 16
_MOST_LINES = 100_000
_MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class Metrics:
    """What was received, in order. `lost` says why that is not all of what was sent; empty where it is."""

    lines: tuple[str, ...]
    lost: str = ""


class StatsdSink:
    """Reads a bound UDP socket and keeps the lines of its datagrams. `address` is host:port."""

    def __init__(self, listener: socket.socket) -> None:
        self._socket = listener
        self._lines: list[str] = []
        self._kept_bytes = 0
        self._dropped = 0
        self._refused = 0
        self._error: Exception | None = None
        # Nobody else knows it: whatever a script sends, an empty datagram too, is no end.
        self._end = secrets.token_bytes(_END_BYTES)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        host, port = listener.getsockname()
        self.address = f"{host}:{port}"

    def close(self) -> Metrics:
        """All that was received. The sink takes no more. Raises RunError where it had died before.

        A datagram of our own marks the end: what the kernel has queued is read before it.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while self._reader.is_alive():
                sender.sendto(self._end, self._socket.getsockname())
                self._reader.join(timeout=0.5)
        if self._error is not None:
            raise RunError("the metrics of the run could not be read to their end", where=str(self._error)) from self._error
        return Metrics(tuple(self._lines), self._lost())

    def _read(self) -> None:
        try:
            while True:
                datagram, ancillary, _, _ = self._socket.recvmsg(_DATAGRAM_BYTES, socket.CMSG_SPACE(_COUNTER.size))
                for level, kind, data in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                        (self._dropped,) = _COUNTER.unpack(data)
                if datagram == self._end:
                    return
                for line in datagram.split(b"\n"):
                    if line:
                        self._keep(line)
        except Exception as error:  # noqa: BLE001 - raised again in `close`
            self._error = error

    def _keep(self, line: bytes) -> None:
        if len(self._lines) >= _MOST_LINES or self._kept_bytes + len(line) > _MOST_BYTES:
            self._refused += 1
            return
        self._kept_bytes += len(line)
        self._lines.append(_decode(line))

    def _lost(self) -> str:
        reasons = []
        if self._refused:
            reasons.append(f"{self._refused:,} lines after the first {len(self._lines):,}")
        if self._dropped:
            reasons.append(f"{self._dropped:,} datagrams that came faster than they could be read")
        return " and ".join(reasons)


def _decode(line: bytes) -> str:
    """A line's text; what is not UTF-8 as Python writes bytes, so that no two lines become one."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return repr(line)


@contextlib.contextmanager
def statsd_sink(host: str) -> Iterator[StatsdSink]:
    """A sink on a free UDP port of `host`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        with contextlib.suppress(OSError):  # an option of Linux
            listener.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        listener.bind((host, 0))
        sink = StatsdSink(listener)
        try:
            yield sink
        finally:
            with contextlib.suppress(RunError):
                sink.close()
