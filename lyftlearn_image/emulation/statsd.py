"""A StatsD server that keeps the metrics which a script sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Larger than any datagram that loopback or a bridge carries.
_DATAGRAM_BYTES = 65535
# The kernel keeps a burst until it is read.
_RECEIVE_BUFFER_BYTES = 4 << 20


class StatsdSink:
    """Reads a bound UDP socket and keeps the lines of its datagrams. `address` is host:port."""

    def __init__(self, listener: socket.socket) -> None:
        self._socket = listener
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        host, port = listener.getsockname()
        self.address = f"{host}:{port}"

    def close(self) -> tuple[str, ...]:
        """Every line that was received, in order. The sink takes no more.

        An empty datagram of our own marks the end: what the kernel has queued is read before it.
        """
        if self._reader.is_alive():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                while self._reader.is_alive():
                    sender.sendto(b"", self._socket.getsockname())
                    self._reader.join(timeout=0.5)
        return tuple(self._lines)

    def _read(self) -> None:
        while datagram := self._socket.recv(_DATAGRAM_BYTES):
            self._lines.extend(line for line in datagram.decode("utf-8", "replace").split("\n") if line)


@contextlib.contextmanager
def statsd_sink(host: str) -> Iterator[StatsdSink]:
    """A sink on a free UDP port of `host`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        listener.bind((host, 0))
        sink = StatsdSink(listener)
        try:
            yield sink
        finally:
            sink.close()
