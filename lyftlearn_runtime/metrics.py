"""StatsD: a script sends to localhost:8125, as it would beside a sidecar; a relay carries it to the gateway."""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import threading

HOST, PORT = "127.0.0.1", 8125
_DATAGRAM_BYTES = 65535
# The relay looks this often whether it is to end. A script's last packet is waited for once as long.
_TICK_S = 0.05


def variables() -> dict[str, str]:
    """What StatsD and DogStatsD clients read."""
    return {"STATSD_HOST": HOST, "STATSD_PORT": str(PORT), "DD_AGENT_HOST": HOST, "DD_DOGSTATSD_PORT": str(PORT)}


def gateway(value: str | None) -> tuple[str, int] | None:
    """Host and port of LYFTLEARN_STATSD, None where metrics are dropped."""
    if not value or value == "drop":
        return None
    host, colon, port = value[len("udp://") :].rpartition(":")
    if not value.startswith("udp://") or not colon or not port.isdigit():
        raise ShimError("%s is %r; expected udp://host:port or drop" % (contract.STATSD, value), contract.EXIT_CONFIG)
    return host, int(port)


class Relay:
    """Carries datagrams from localhost:8125 to a gateway until it is closed."""

    def __init__(self, received: socket.socket, to: tuple[str, int]) -> None:
        import socket  # noqa: PLC0415 - see above
        import threading  # noqa: PLC0415 - only where there is a gateway

        self._socket = received
        # A socket that is bound to loopback can reach nothing else.
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = to
        self._closing = False
        self._thread: threading.Thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns when everything that the script had sent has been carried on."""
        self._closing = True
        self._thread.join()
        self._socket.close()
        self._sender.close()

    def _carry(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(_DATAGRAM_BYTES)
            except OSError:
                if self._closing:
                    return
                continue
            try:
                self._sender.sendto(datagram, self._to)
            except OSError:
                # StatsD is a service without promises: a gateway that is away loses metrics and nothing else.
                continue


def relay(value: str | None) -> Relay | None:
    """A running relay; None where metrics are dropped or somebody (a sidecar) listens on the port already."""
    to = gateway(value)
    if to is None:
        return None
    import socket  # noqa: PLC0415 - only where there is a gateway

    received = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        received.bind((HOST, PORT))
    except OSError:
        received.close()
        return None
    received.settimeout(_TICK_S)
    return Relay(received, to)
