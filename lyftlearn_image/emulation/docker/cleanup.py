"""Removes what killed processes of this machine have left on the engine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.link_local import remove_rules
from lyftlearn_image.emulation.docker.network import bridge_interface
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, has_ended

if TYPE_CHECKING:
    import docker


def remove_orphans(client: docker.DockerClient) -> None:
    """Removes the containers, volumes and networks whose owner has ended, and the DNAT rules of these networks."""
    labelled: Any = {"label": OWNER_LABEL}
    # As the engine lists them: to inspect another run's container waits as long as the engine is busy with it.
    listed = client.containers.list(all=True, filters=labelled, sparse=True)
    containers = [one for one in listed if _is_orphan(one.attrs["Labels"])]
    volumes = [one for one in client.volumes.list(filters=labelled) if _is_orphan(one.attrs.get("Labels"))]
    networks = [one for one in client.networks.list(filters=labelled) if _is_orphan(one.attrs.get("Labels"))]
    remove_rules(client, {bridge_interface(str(network.id)) for network in networks})
    for container in containers:
        with _another_process_may_remove_it():
            container.remove(force=True, v=True)
    resources: list[Any] = [*volumes, *networks]
    for resource in resources:
        with _another_process_may_remove_it():
            resource.remove()


def _is_orphan(labels: Any) -> bool:
    return has_ended((labels or {})[OWNER_LABEL])


def _another_process_may_remove_it() -> contextlib.AbstractContextManager[None]:
    """At the same moment; and what cannot be removed now, the next run removes."""
    return contextlib.suppress(Exception)
