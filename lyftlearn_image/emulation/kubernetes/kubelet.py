"""What the kubelet of the emulated node runs pods with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lyftlearn_image.emulation.kubernetes.cluster import Cluster
    from lyftlearn_image.emulation.kubernetes.dns import ClusterDns
    from lyftlearn_image.emulation.machine import Machine


@dataclass(frozen=True)
class Kubelet:
    """The machine with its engine, the cluster that the node belongs to, and the cluster's DNS server."""

    machine: Machine
    cluster: Cluster
    dns: ClusterDns
