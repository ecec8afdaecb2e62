"""The node that every emulated pod runs on, as its pods and the API see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The engine's own resolver, in every container of a user-defined network.
ENGINE_DNS_IP = "127.0.0.11"


@dataclass(frozen=True)
class Node:
    """Name, address and resources of the node, and its kubelet's DNS settings.

    `dns_ip` is the kubelet's clusterDNS: here the engine's resolver, unless a pod needs the emulator's. `dns_search` and
    `nameservers` are those of the node itself: pods get its search domains after those of the cluster, and nothing but the
    two with the dnsPolicy Default.
    """

    name: str = "node-1"
    ip: str = "192.168.0.10"
    dns_ip: str = ENGINE_DNS_IP
    dns_search: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = (ENGINE_DNS_IP,)
    allocatable: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "50Gi"})
