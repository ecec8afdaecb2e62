"""Leads the link-local addresses of the platforms' agents to a server of this machine, for one network's containers alone.

A container reaches 169.254.170.2 by its default route, the run's bridge. There a NAT rule for packets of this one bridge
gives them to the server, which listens on the gateway at any port. What else was tried:

- The address on the bridge itself: the host would then reach its own agent no more (an ECS or CodeBuild host has one), port
  80 must be free of any server on all addresses, and it takes root to listen there.
- The address in each container's network namespace: a container that only enters namespaces must start first, some 300 ms.
- A second network with the agents' subnet: the engine has a subnet once, and so one run at a time.

A rule costs 1 ms a run and nothing a container, any number of runs have one each, and what the host itself sends is not
touched. It is removed with the run; a killed run's rule names its bridge, by which `cleanup` finds it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import docker

    from lyftlearn_image.emulation.docker.network import Network

# SageMaker's credentials as on ECS; EKS Pod Identity's agent (EKS user guide, pod-id-how-it-works); and the instance
# metadata, so that a container here never finds the identity of the instance that this machine may be.
ADDRESSES = ("169.254.170.2", "169.254.170.23", "169.254.169.254")
_PORT = "80"
_SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/bin:/bin"
# What the program of the host needs to run in a container that has nothing of its own; /run has its lock.
_HOST_FOLDERS = ("/usr", "/lib", "/lib64", "/etc/alternatives", "/run")
_INTERFACES = Path("/sys/class/net")
# A rule as it is listed; the host's own agents lead its addresses elsewhere without a bridge of the engine.
_OF_A_BRIDGE = re.compile(
    rf"-A PREROUTING -d (?:{'|'.join(map(re.escape, ADDRESSES))})/32 -i (?P<bridge>br-[0-9a-f]{{12}}) .*-j DNAT "
)


@contextlib.contextmanager
def redirected(client: docker.DockerClient, network: Network, port: int, labels: Mapping[str, str]) -> Iterator[str]:
    """Leads ADDRESSES, port 80, to `port` of the network's gateway. Gives "" or, in one line, why that cannot be done here."""
    if not (_INTERFACES / network.interface).exists():
        yield f"the engine's network {network.name} is not on this machine"
        return
    rule = (
        *("-i", network.interface, "-d", ",".join(ADDRESSES), "-p", "tcp", "--dport", _PORT),
        *("-j", "DNAT", "--to-destination", f"{network.gateway}:{port}"),
    )
    try:
        yield _iptables(client, labels, "-I", "PREROUTING", *rule)[1]
    finally:
        _iptables(client, labels, "-D", "PREROUTING", *rule)


def forget(client: docker.DockerClient, interfaces: Collection[str], labels: Mapping[str, str]) -> None:
    """Removes every rule of these bridges and, where looking costs a millisecond, of bridges that are there no more."""
    if not interfaces and os.geteuid() != 0:
        return
    said, _ = _iptables(client, labels, "-S", "PREROUTING")
    for line in said.splitlines():
        found = _OF_A_BRIDGE.match(line)
        if found and (found["bridge"] in interfaces or not (_INTERFACES / found["bridge"]).exists()):
            _iptables(client, labels, "-D", *line.split()[1:])


def _iptables(client: docker.DockerClient, labels: Mapping[str, str], *arguments: str) -> tuple[str, str]:
    """What the command says of the table `nat`, and why it failed; by a container where this user is not root."""
    program = shutil.which("iptables", path=os.pathsep.join((os.environ.get("PATH", ""), _SYSTEM_FOLDERS)))
    if program is None:
        return "", "there is no iptables on this machine"
    command = [program, "-w", "-t", "nat", *arguments]
    if os.geteuid() == 0:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout, _last_line(done.stderr) if done.returncode else ""
    return _in_container(client, labels, command)


def _in_container(client: docker.DockerClient, labels: Mapping[str, str], command: list[str]) -> tuple[str, str]:
    """The same in the host's network with the right to change it: who may use the engine may do that."""
    import docker.errors  # noqa: PLC0415 - see containers.connect()

    from lyftlearn_image.emulation.docker.pause_image import ensure_pause_image  # noqa: PLC0415 - only where nobody is root

    folders = {one: {"bind": one, "mode": "rw" if one == "/run" else "ro"} for one in _HOST_FOLDERS if Path(one).exists()}
    try:
        said = client.containers.run(
            ensure_pause_image(client),
            entrypoint=command,
            user="0",
            network_mode="host",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "NET_RAW"],
            volumes=folders,
            labels=dict(labels),
            remove=True,
        )
    except docker.errors.ContainerError as error:
        return "", _last_line(_text(error.stderr or b"")) or "iptables failed"
    except docker.errors.DockerException as error:
        return "", _last_line(str(error))
    return _text(said), ""


def _text(said: Any) -> str:
    return said if isinstance(said, str) else bytes(said).decode("utf-8", "replace")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "iptables failed"
