"""The container that holds a pod together: its network, hostname and shared memory, and PID 1 where that is shared.

Source: kubernetes.io/docs "Pods" (shared namespaces), kubernetes/kubernetes build/pause; recorded in pods, case 12.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.docker.pause_image import (
    ensure_pause_image,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import RunningContainer

# What the runtime sets in every pod (recorded in pods, case 01).
_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


@contextlib.contextmanager
def sandbox(  # noqa: PLR0913 - what a sandbox is made from
    containers: Containers,
    name: str,
    *,
    network: str,
    ip: str,
    hostname: str,
    sysctls: Mapping[str, str],
    volumes: tuple[str, ...],
) -> Iterator[RunningContainer]:
    """The running sandbox. It has the pod's volumes in memory mounted, so that they outlive every other container."""
    spec = ContainerSpec(
        image=ensure_pause_image(containers.client),
        name=name,
        network=network,
        ip=ip,
        hostname=hostname,
        ipc_mode="shareable",
        mounts=tuple(Mount(f"/volumes/{position}", volume=volume) for position, volume in enumerate(volumes)),
        sysctls={**_SYSCTLS, **sysctls},
    )
    with containers.start(spec, stdout=Path(os.devnull), stderr=Path(os.devnull)) as running:
        yield running
