"""A StatsD sink: takes what a script sends, and keeps it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Larger than any datagram that loopback or a bridge carries.
_DATAGRAM_BYTES = 65535
# A burst is kept by the kernel until the reader's turn comes.
_RECEIVE_BUFFER_BYTES = 4 << 20


class StatsdSink:
    """A UDP socket on `address` (host:port) whose datagrams are kept as lines."""

    def __init__(self, received: socket.socket) -> None:
        self._socket = received
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        host, port = received.getsockname()
        self.address = f"{host}:{port}"

    def close(self) -> tuple[str, ...]:
        """Every line that came, in order; the sink takes no more.

        An empty datagram of our own marks the end: what the kernel had queued before it is read first.
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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as received:
        received.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        received.bind((host, 0))
        sink = StatsdSink(received)
        try:
            yield sink
        finally:
            sink.close()
