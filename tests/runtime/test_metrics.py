"""StatsD: what a script sends to localhost:8125 reaches the gateway, a sidecar, or nobody."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime import metrics
from lyftlearn_runtime.errors import ShimError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.docker.network import Network
    from tests.runtime.conftest import Shim

SEND = (
    "import socket\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "for n in range({}): s.sendto(b'm:%d|c' % n, ('127.0.0.1', 8125))\n"
)
POD = ("-e", "KUBERNETES_SERVICE_HOST=10.0.0.1")


@pytest.fixture
def gateway(network: Network) -> Iterator[socket.socket]:
    """A UDP gateway on this machine that containers reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as received:
        received.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        received.bind((network.gateway, 0))
        received.settimeout(5)
        yield received


def lines(received: socket.socket, count: int) -> list[str]:
    """The next datagrams."""
    return [received.recv(65535).decode() for _ in range(count)]


def to(received: socket.socket) -> tuple[str, ...]:
    """The options that name the gateway."""
    host, port = received.getsockname()
    return ("-e", f"LYFTLEARN_STATSD=udp://{host}:{port}")


def test_the_last_metric_before_the_end_arrives(shim: Shim, network: Network, gateway: socket.socket) -> None:
    """A script that sends and ends at once loses nothing, and the order stays."""
    done = shim.python(SEND.format(100), "--network", network.name, *to(gateway))
    assert done.returncode == 0, done.stderr
    assert lines(gateway, 100) == [f"m:{number}|c" for number in range(100)]


def test_the_variables_of_every_client_name_localhost(shim: Shim) -> None:
    """StatsD's own and Datadog's; how the shim was told is not the script's business."""
    program = "import os; print({k: v for k, v in os.environ.items() if 'STATSD' in k or k.startswith('DD_')})"
    expected = {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": "8125", "DD_AGENT_HOST": "127.0.0.1", "DD_DOGSTATSD_PORT": "8125"}
    assert eval(shim.python(program, "-e", "LYFTLEARN_STATSD=drop").stdout) == expected  # noqa: S307 - a dict, printed


@pytest.mark.parametrize("options", [(), ("-e", "LYFTLEARN_STATSD=drop")], ids=["not said", "drop"])
def test_a_connected_client_meets_no_refusal(shim: Shim, options: tuple[str, ...]) -> None:
    """On a port that nobody holds the second send of a connected socket would raise ConnectionRefusedError."""
    program = (
        "import socket, time\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 8125))\n"
        "for _ in range(3): s.send(b'm:1|c'); time.sleep(0.01)\n"
        "print('sent')\n"
    )
    assert shim.python(program, *options).stdout == "sent\n"


@pytest.mark.parametrize(
    ("options", "free"),
    [(POD, True), ((*POD, "-e", "LYFTLEARN_STATSD=drop"), False)],
    ids=["not said", "drop"],
)
def test_a_pods_port_is_left_to_a_sidecar(shim: Shim, options: tuple[str, ...], free: bool) -> None:  # noqa: FBT001 - a case
    """Containers of a pod share localhost, and a sidecar may start later than the shim."""
    program = (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "try: s.bind(('127.0.0.1', 8125)); print('True')\n"
        "except OSError: print('False')\n"
    )
    assert shim.python(program, *options).stdout == f"{free}\n"


def test_a_sidecar_that_is_there_keeps_the_port(shim: Shim, network: Network, gateway: socket.socket) -> None:
    """The script's metrics go to it; the shim takes no part."""
    program = (
        "import socket, subprocess\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 8125)); s.settimeout(5)\n"
        f"subprocess.run(['/opt/lyftlearn/bin/entrypoint', 'python3', '-c', {SEND.format(1)!r}], check=True)\n"
        "print(s.recv(100).decode())\n"
    )
    options = ("--entrypoint", "/usr/bin/env", "--network", network.name, *to(gateway))
    assert shim.python(program, *options).stdout == "m:0|c\n"


def test_a_gateway_that_is_away_costs_metrics_and_nothing_else(shim: Shim) -> None:
    """An unknown name is said in one line; the script and its end are not held up."""
    done = shim.python(SEND.format(3) + "print('done')", "-e", "LYFTLEARN_STATSD=udp://statsd.invalid:8125")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.startswith("lyftlearn: LYFTLEARN_STATSD: statsd.invalid is not known: ")


@pytest.mark.parametrize(
    "value", ["gateway:8125", "udp://gateway", "udp://:8125", "udp://gateway:port", "tcp://gateway:1", "unixgram://here"]
)
def test_a_malformed_gateway_is_told(value: str) -> None:
    """With what was expected."""
    with pytest.raises(ShimError, match="expected udp://host:port, unixgram:///path or drop"):
        metrics.parse_gateway(value)


def test_an_ipv6_gateway_is_understood() -> None:
    """In brackets, as in a URL."""
    assert metrics.parse_gateway("udp://[fd00::1]:8125") == ("fd00::1", 8125)


def test_a_unix_socket_of_the_nodes_agent_gets_every_metric(shim: Shim, tmp_path: Path) -> None:
    """Mounted where the workload says; the script still sends to localhost:8125."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as agent:
        agent.bind(str(tmp_path / "dsd.socket"))
        (tmp_path / "dsd.socket").chmod(0o777)
        agent.settimeout(20)
        options = ("-v", f"{tmp_path}:/var/run/agent", "-e", "LYFTLEARN_STATSD=unixgram:///var/run/agent/dsd.socket")
        done = shim.python(SEND.format(3), *options)
        assert done.returncode == 0, done.stderr
        assert agent.recv(1000)
