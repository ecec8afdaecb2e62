"""StatsD: a script sends to localhost:8125, as it would beside a sidecar; what comes there goes to the gateway, or nowhere."""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    import threading
    from typing import Any

HOST, PORT = "127.0.0.1", 8125
DROP = "drop"
_UNIX = "unixgram://"  # datadogpy's word for it
_DATAGRAM_BYTES = 65535
# A burst of metrics waits here until it is carried on; the kernel gives what it allows of this.
_BUFFER_BYTES = 4 << 20
# A name server that does not answer must not keep a job that is done.
_LAST_CHANCE_S = 2.0


def statsd_variables() -> dict[str, str]:
    """What StatsD and DogStatsD clients read."""
    return {"STATSD_HOST": HOST, "STATSD_PORT": str(PORT), "DD_AGENT_HOST": HOST, "DD_DOGSTATSD_PORT": str(PORT)}


def parse_gateway(value: str) -> tuple[str, int]:
    """Host and port of LYFTLEARN_STATSD, or the path of a Unix socket and 0, as of a node's agent."""
    if value.startswith(_UNIX) and value[len(_UNIX) :].startswith("/"):
        return value[len(_UNIX) :], 0
    host, colon, port = value[len("udp://") :].rpartition(":")
    if not value.startswith("udp://") or not host or not colon or not port.isdigit():
        expected = f"udp://host:port, {_UNIX}/path or {DROP}"
        raise ShimError(f"{contract.STATSD} is {value!r}; expected {expected}", contract.EXIT_CONFIG)
    return host.strip("[]"), int(port)


class Sink:
    """localhost:8125, held so that a client never finds it closed; nobody reads what comes."""

    def __init__(self, received: _socket.socket) -> None:
        self._received = received

    def start(self, pid: int) -> None:
        """Nothing to do: the kernel drops what nobody reads."""

    def close(self) -> None:
        """Gives the port back."""
        self._received.close()


class Relay(Sink):
    """Carries datagrams from localhost:8125 to a gateway."""

    def __init__(self, received: _socket.socket, to: tuple[str, int]) -> None:
        super().__init__(received)
        self._to = to
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self, pid: int) -> None:  # noqa: ARG002 - as above
        """Begins to carry. What came before is in the socket's buffer."""
        import threading  # noqa: PLC0415 - only where there is a gateway

        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns when everything that the script has sent has been carried on; none of it is lost on loopback."""
        if self._thread is not None:
            import socket  # noqa: PLC0415 - see above

            self._closing = True
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", (HOST, PORT))
            self._thread.join(_LAST_CHANCE_S)
        super().close()

    def _carry(self) -> None:
        import socket  # noqa: PLC0415 - see above

        try:
            family, kind, address = self._address(socket)
        except OSError as error:
            log_line(f"{contract.STATSD}: {self._to[0]} is not known: {error.strerror}; metrics are dropped")
            return
        # A socket that is bound to loopback can reach nothing else.
        with socket.socket(family, kind) as sender:
            while True:
                try:
                    datagram = self._received.recv(_DATAGRAM_BYTES)
                except BlockingIOError:
                    return  # closing, and nothing is left
                if not datagram and self._closing:
                    self._received.settimeout(0)
                    continue
                try:
                    sender.sendto(datagram, address)
                except OSError:
                    # StatsD is a service without promises: a gateway that is away loses metrics and nothing else.
                    continue

    def _address(self, socket: Any) -> tuple[Any, Any, Any]:
        place, port = self._to
        if not port:
            return socket.AF_UNIX, socket.SOCK_DGRAM, place
        family, kind, _, _, address = socket.getaddrinfo(place, port, type=socket.SOCK_DGRAM)[0]
        return family, kind, address


def listen(value: str | None, context: str) -> Sink | None:
    """localhost:8125 as LYFTLEARN_STATSD wants it; None where somebody else is to have it.

    Without a word a pod is left alone, for a sidecar may come and take the port. Elsewhere nobody else can, and metrics
    are dropped: a client with a connected socket would meet ECONNREFUSED on a port that nobody holds.
    """
    if not value and context == "kubernetes":
        return None
    to = None if not value or value == DROP else parse_gateway(value)
    import _socket  # noqa: PLC0415 - the part in C: `socket` brings `selectors` and `enum`, a sixth of a start

    received = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    received.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, _BUFFER_BYTES)
    try:
        received.bind((HOST, PORT))
    except OSError:
        received.close()  # a sidecar has it, or the shim that started this one
        return None
    return Relay(received, to) if to else Sink(received)
