"""Removes what killed processes of this machine have left on the engine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.link_local import remove_rules
from lyftlearn_image.emulation.docker.network import bridge_interface
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, has_ended

if TYPE_CHECKING:
    import docker


def remove_orphans(client: docker.DockerClient) -> int:
    """Removes containers, volumes and networks whose owner has ended, and the networks' DNAT rules; gives their number."""
    labelled: Any = {"label": OWNER_LABEL}
    containers = [one for one in client.containers.list(all=True, filters=labelled) if _is_orphan(one.labels)]
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
    return len(containers) + len(volumes) + len(networks)


def _is_orphan(labels: Any) -> bool:
    return has_ended((labels or {})[OWNER_LABEL])


def _another_process_may_remove_it() -> contextlib.AbstractContextManager[None]:
    """At the same moment; and what cannot be removed now, the next run removes."""
    return contextlib.suppress(Exception)
