"""Which container of a run a request comes from: its address on the run's network says so, not what it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

    from lyftlearn_image.emulation.docker.network import Network


class Peers:
    """The containers on one network. A rule of NAT that leads them here leaves their addresses as they are."""

    def __init__(self, client: docker.DockerClient, network: Network) -> None:
        self._client = client
        self._network = network

    def environment(self, address: str) -> frozenset[str] | None:
        """The variables, as `NAME=value`, of the container with this address; None for an address that is no container's.

        Raises the docker SDK's own errors.
        """
        attached = self._client.api.inspect_network(self._network.name)["Containers"]
        for container_id, endpoint in attached.items():
            if endpoint["IPv4Address"].partition("/")[0] == address:
                return frozenset(self._client.api.inspect_container(container_id)["Config"]["Env"] or ())
        return None
