"""The StatsD sink of a run: what a script sends is kept whole, or the run's metrics are an error."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, strategies as st

from lyftlearn_image.emulation import statsd
from lyftlearn_image.emulation.statsd import StatsdSink, statsd_sink
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = 65507
ODD = st.sampled_from(
    [b"", b"\n", b"\n\n", b"\0", b"\xff\xfe", b"a:1|c\xff", b"\x1b]0;x\x07", b"no colon", b":|", b"a" * LARGEST]
)


def send(sink: StatsdSink, datagrams: Iterable[bytes]) -> None:
    """Sends each."""
    host, _, port = sink.address.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, (host, int(port)))


def test_the_sink_keeps_every_line_in_order() -> None:
    """A burst of datagrams, some with several lines, arrives complete and in order."""
    with statsd_sink("127.0.0.1") as sink:
        send(sink, (f"a:{number}|c\nb:{number}|g".encode() for number in range(500)))
        metrics = sink.close()
    assert metrics.lines == tuple(line for number in range(500) for line in (f"a:{number}|c", f"b:{number}|g"))
    assert not metrics.lost


@example([b"before:1|c", b"", b"after:2|c"])
@given(st.lists(ODD | st.binary(max_size=100), max_size=20))
def test_no_datagram_ends_the_sink_and_no_two_become_one(datagrams: list[bytes]) -> None:
    """Every line that is not empty is there, whatever bytes it has; other bytes give another text."""
    with statsd_sink("127.0.0.1") as sink:
        send(sink, [*datagrams, b"last:1|c"])
        metrics = sink.close()
    sent = [line for datagram in datagrams for line in datagram.split(b"\n") if line]
    assert len(metrics.lines) == len(sent) + 1
    assert metrics.lines[-1] == "last:1|c"
    assert len(set(metrics.lines)) == len({*sent, b"last:1|c"})
    for line in metrics.lines:
        line.encode()  # it can be written to any report


@pytest.mark.parametrize(("lines", "size"), [(5, 1), (1, 30), (100, 100)])
def test_a_flood_is_kept_up_to_a_limit_and_told(monkeypatch: pytest.MonkeyPatch, lines: int, size: int) -> None:
    """By number and by bytes."""
    monkeypatch.setattr(statsd, "_MOST_LINES", 4)
    monkeypatch.setattr(statsd, "_MOST_BYTES", 20)
    with statsd_sink("127.0.0.1") as sink:
        send(sink, [b"x" * size] * lines)
        metrics = sink.close()
    assert sum(map(len, metrics.lines)) <= 20
    assert len(metrics.lines) <= 4
    assert metrics.lost.endswith(f"lines after the first {len(metrics.lines):,}")


class _Stopped:
    """A socket whose reader reads nothing until it may."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.is_full = False

    def recvmsg(self, *arguments: int) -> object:
        while not self.is_full:
            pass
        return self._listener.recvmsg(*arguments)

    def getsockname(self) -> object:
        return self._listener.getsockname()


def test_what_the_kernel_has_dropped_is_told() -> None:
    """Datagrams that come faster than they are read are lost, and nobody but the kernel knows how many."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 10)
        listener.setsockopt(socket.SOL_SOCKET, statsd._SO_RXQ_OVFL, 1)
        listener.bind(("127.0.0.1", 0))
        stopped = _Stopped(listener)
        sink = StatsdSink(stopped)  # type: ignore[arg-type] - what it uses of a socket
        send(sink, [b"a:1|c" * 100] * 500)
        stopped.is_full = True
        metrics = sink.close()
    assert len(metrics.lines) < 500
    assert metrics.lost == f"{500 - len(metrics.lines)} datagrams that came faster than they could be read"


def test_a_sink_that_dies_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came after it is not there, and two runs without it would be alike."""

    def fail(_: bytes) -> str:
        raise ValueError("planted")

    monkeypatch.setattr(statsd, "_decode", fail)
    with statsd_sink("127.0.0.1") as sink:
        send(sink, [b"a:1|c"])
        with pytest.raises(RunError, match="could not be read to their end"):
            sink.close()
