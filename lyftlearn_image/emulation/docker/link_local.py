"""An iptables DNAT rule that redirects the link-local addresses of the platforms' agents to a server of this machine.

A container sends packets for 169.254.170.2 to its default route, the bridge of its run. A rule for this one bridge gives them
to the server, which listens on the gateway at any port. Why not otherwise:

- The address on the bridge itself: the host could no longer reach its own agent (an ECS or CodeBuild host has one), port 80
  would have to be free on all addresses, and only root may listen there.
- The address in each container's network namespace: a helper container must start first, about 300 ms.
- A second network with the agents' subnet: the engine allows a subnet once, so there could be one run at a time.

A rule costs 1 ms a run and nothing a container. Every run has its own, and packets of the host itself are not touched. The
rule is removed with the run; `cleanup` finds the rule of a killed run by the name of its bridge.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.emulation.docker.network import has_interface
from lyftlearn_image.emulation.docker.ownership import owner_labels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import docker

    from lyftlearn_image.emulation.docker.network import Network

# The ECS agent, which SageMaker has too; the EKS Pod Identity agent (EKS user guide, pod-id-how-it-works); and the instance
# metadata service, so that a container never gets the identity of the EC2 instance that this machine may be.
AGENT_ADDRESSES = ("169.254.170.2", "169.254.170.23", "169.254.169.254")
_PORT = "80"
_SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/bin:/bin"
# What the host's iptables needs to run in a container of an empty image; its lock is in /run.
_HOST_FOLDERS = ("/usr", "/lib", "/lib64", "/etc/alternatives", "/run")
# One of our rules as `iptables -S` lists it; rules of the host's own agents name no bridge of the engine.
_LISTED_RULE = re.compile(
    rf"-A PREROUTING -d (?:{'|'.join(map(re.escape, AGENT_ADDRESSES))})/32 -i (?P<bridge>br-[0-9a-f]{{12}}) .*-j DNAT "
)


class _Result(NamedTuple):
    """What iptables printed, and why it failed: "" for a success."""

    output: str
    error: str = ""


@contextlib.contextmanager
def redirect_agents(client: docker.DockerClient, network: Network, port: int) -> Iterator[str]:
    """Redirects AGENT_ADDRESSES, port 80, to `port` of the network's gateway, for containers of this network alone.

    Yields "", or in one line why that is impossible here.
    """
    if not has_interface(network.interface):
        yield f"the engine's network {network.name} is not on this machine"
        return
    rule = (
        *("-i", network.interface, "-d", ",".join(AGENT_ADDRESSES), "-p", "tcp", "--dport", _PORT),
        *("-j", "DNAT", "--to-destination", f"{network.gateway}:{port}"),
    )
    try:
        yield _iptables(client, "-I", "PREROUTING", *rule).error
    finally:
        _iptables(client, "-D", "PREROUTING", *rule)


def remove_rules(client: docker.DockerClient, interfaces: Collection[str]) -> None:
    """Removes every rule of these bridges, and for root, who can list rules in a millisecond, those of missing bridges."""
    if not interfaces and os.geteuid() != 0:
        return
    for line in _iptables(client, "-S", "PREROUTING").output.splitlines():
        rule = _LISTED_RULE.match(line)
        if rule and (rule["bridge"] in interfaces or not has_interface(rule["bridge"])):
            _iptables(client, "-D", *line.split()[1:])


def _iptables(client: docker.DockerClient, *arguments: str) -> _Result:
    """Runs iptables on the table `nat`: as root, or else in a container."""
    program = shutil.which("iptables", path=os.pathsep.join((os.environ.get("PATH", ""), _SYSTEM_FOLDERS)))
    if program is None:
        return _Result("", "there is no iptables on this machine")
    command = [program, "-w", "-t", "nat", *arguments]
    if os.geteuid() != 0:
        return _run_in_container(client, command)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return _Result(done.stdout, _last_line(done.stderr) if done.returncode else "")


def _run_in_container(client: docker.DockerClient, command: list[str]) -> _Result:
    """Runs a command in the host's network namespace, with the capabilities to change it."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    from lyftlearn_image.emulation.docker.pause_image import ensure_pause_image  # noqa: PLC0415 - only where nobody is root

    folders = {one: {"bind": one, "mode": "rw" if one == "/run" else "ro"} for one in _HOST_FOLDERS if Path(one).exists()}
    try:
        output = client.containers.run(
            ensure_pause_image(client),
            entrypoint=command,
            user="0",
            network_mode="host",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "NET_RAW"],
            volumes=folders,
            labels=owner_labels(),
            remove=True,
        )
    except docker.errors.ContainerError as error:
        return _Result("", _last_line(_decode(error.stderr or b"")))
    except docker.errors.DockerException as error:
        return _Result("", _last_line(str(error)))
    return _Result(_decode(output))


def _decode(output: Any) -> str:
    return output if isinstance(output, str) else bytes(output).decode("utf-8", "replace")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "iptables failed"
