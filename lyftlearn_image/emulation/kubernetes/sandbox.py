"""The sandbox of a pod: the container that holds its network, hostname and shared memory, and PID 1 where that is shared.

Source: kubernetes.io/docs "Pods" (shared namespaces), kubernetes/kubernetes build/pause; recorded in pods, case 12.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.docker.pause_image import ensure_pause_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import RunningContainer

# What the runtime sets in every pod (recorded in pods, case 01).
_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0"}
# In a user namespace not all of these groups exist, and the runtime leaves it out (containerd internal/cri/server, podsandbox).
_SYSCTLS_OF_ROOT = {"net.ipv4.ping_group_range": "0 2147483647"}


@dataclass(frozen=True)
class SandboxConfig:
    """What a sandbox is created from, as the CRI's PodSandboxConfig. `volumes` are the names of the pod's tmpfs volumes."""

    name: str
    network: str
    ip: str
    hostname: str
    sysctls: Mapping[str, str]
    volumes: tuple[str, ...] = ()


@contextlib.contextmanager
def run_sandbox(containers: Containers, config: SandboxConfig) -> Iterator[RunningContainer]:
    """The running sandbox. It mounts the tmpfs volumes, so that their content outlives every other container."""
    spec = ContainerSpec(
        image=ensure_pause_image(containers.client),
        name=config.name,
        network=config.network,
        ip=config.ip,
        hostname=config.hostname,
        ipc_mode="shareable",
        mounts=tuple(Mount(f"/volumes/{position}", volume=volume) for position, volume in enumerate(config.volumes)),
        sysctls={**_SYSCTLS, **({} if containers.has_user_namespace else _SYSCTLS_OF_ROOT), **config.sysctls},
    )
    with containers.start(spec, stdout=Path(os.devnull), stderr=Path(os.devnull)) as running:
        yield running
