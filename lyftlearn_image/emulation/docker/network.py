"""Bridge networks of a run, with IP addresses that are known before their containers."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import itertools
import re
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.uninterrupted import created
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker

# The engine names the interface after the network's id (moby/libnetwork drivers/bridge, `br-` and 12 characters).
_ID_CHARACTERS = 12
# An `internal` network still has the host on its bridge, and whatever listens there (moby/libnetwork drivers/bridge, labels).
_NO_HOST = {"com.docker.network.bridge.inhibit_ipv4": "true"}

# Somebody else's network may take the subnet between the two creations (moby/libnetwork ipam, ErrPoolOverlap).
_TAKEN = "Pool overlaps"
_TRIES = 20
# There are about thirty subnets for all networks of an engine, unless it is set up with more (docs.docker.com/reference/cli/
# dockerd, default-address-pools; moby/libnetwork ipam, ErrNoAvailablePool and earlier wordings).
_NONE_LEFT = re.compile(r"all predefined address pools|available,? non-overlapping", re.IGNORECASE)


@dataclass(frozen=True)
class Network:
    """A bridge network of one run. `interface` is the bridge on the engine's host, `gateway` the host's address on it."""

    name: str
    gateway: str
    interface: str
    _addresses: Iterator[str]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allocate_ip(self) -> str:
        """A free address, which the engine itself gives to no container."""
        with self._lock:
            return next(self._addresses)


@contextlib.contextmanager
def bridge_network(
    client: docker.DockerClient, name: str, labels: Mapping[str, str], *, isolated: bool = False
) -> Iterator[Network]:
    """A new bridge network with a subnet of its own, removed at the end.

    Raises RunError when the engine has no subnet left, else the docker SDK's own errors.

    Containers of an `isolated` one reach each other only: nobody, not even this machine, has its gateway's address.
    """
    create = functools.partial(_create, client, name, labels, isolated=isolated)
    with created(create, lambda network: network.remove()) as network:
        yield _network(name, network)


def bridge_interface(network_id: str) -> str:
    """The interface of a bridge network on the engine's host."""
    return f"br-{network_id[:_ID_CHARACTERS]}"


def has_interface(name: str) -> bool:
    """Whether an interface is in this process's own network namespace: /sys may be that of another one."""
    return any(name == one for _, one in socket.if_nameindex())


def _create(client: docker.DockerClient, name: str, labels: Mapping[str, str], *, isolated: bool) -> Any:
    """A bridge network whose engine picks addresses in the upper half of its subnet; the lower half is for `allocate_ip`.

    The engine takes fixed addresses only in a subnet that was asked for: a first network is created to learn a free subnet.
    """
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()
    from docker.types import IPAMConfig, IPAMPool  # noqa: PLC0415 - see EngineAddress.client()

    create = functools.partial(client.networks.create, name, driver="bridge", labels=dict(labels))
    for tried in itertools.count(1):
        try:
            probe = create()
        except docker.errors.APIError as error:
            if _NONE_LEFT.search(str(error.explanation)):
                raise RunError(
                    "the engine has no subnet left for another network",
                    where=name,
                    hint="Remove networks that nobody uses (docker network prune), or give it more default-address-pools.",
                ) from None
            raise
        probe.reload()
        subnet = ipaddress.IPv4Network(probe.attrs["IPAM"]["Config"][0]["Subnet"])
        probe.remove()
        upper = list(subnet.subnets(prefixlen_diff=1))[1]
        pool = IPAMPool(subnet=str(subnet), gateway=str(subnet[1]), iprange=str(upper))
        ipam = IPAMConfig(pool_configs=[pool])
        try:
            network = create(ipam=ipam, internal=isolated, options=_NO_HOST if isolated else {})
        except docker.errors.APIError as error:
            if tried == _TRIES or _TAKEN not in str(error.explanation):
                raise
        else:
            break
    network.reload()
    return network


def _network(name: str, network: Any) -> Network:
    config = network.attrs["IPAM"]["Config"][0]
    lower = next(ipaddress.IPv4Network(config["Subnet"]).subnets(prefixlen_diff=1))
    # The first two addresses are the network's own and the gateway's.
    addresses = (str(ip) for ip in itertools.islice(lower.hosts(), 1, None))
    return Network(name=name, gateway=config["Gateway"], interface=bridge_interface(str(network.id)), _addresses=addresses)
