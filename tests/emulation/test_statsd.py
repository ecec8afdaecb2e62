"""The StatsD sink of a run."""

from __future__ import annotations

import socket

from lyftlearn_image.emulation.statsd import statsd_sink


def test_the_sink_keeps_every_line_in_order() -> None:
    """A burst of datagrams, some with several lines, arrives complete and in order."""
    with statsd_sink("127.0.0.1") as sink, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        host, _, port = sink.address.partition(":")
        for number in range(500):
            sender.sendto(f"a:{number}|c\nb:{number}|g".encode(), (host, int(port)))
        lines = sink.close()
    assert lines == tuple(line for number in range(500) for line in (f"a:{number}|c", f"b:{number}|g"))
