"""What a Service means to a container: its variables, and the names that a headless one gives to pods.

Sources: kubernetes/kubernetes pkg/kubelet/envvars/envvars.go, kubernetes.io/docs "DNS for Services and Pods"; recorded in
pods, cases 05 and 10. There is no proxy: nobody answers at a cluster IP.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def service_variables(name: str, cluster_ip: str, ports: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The variables of one Service with a cluster IP."""
    prefix = _variable(name)
    ports = list(ports)
    if not ports:
        return {}
    found = {f"{prefix}_SERVICE_HOST": cluster_ip, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    found |= {f"{prefix}_SERVICE_PORT_{_variable(port['name'])}": str(port["port"]) for port in ports if port.get("name")}
    for position, port in enumerate(ports):
        protocol = str(port.get("protocol") or "TCP")
        address = f"{protocol.lower()}://{cluster_ip}:{port['port']}"
        below = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        if position == 0:
            found[f"{prefix}_PORT"] = address
        found |= {
            below: address,
            f"{below}_PROTO": protocol.lower(),
            f"{below}_PORT": str(port["port"]),
            f"{below}_ADDR": cluster_ip,
        }
    return found


def namespace_variables(services: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The variables of every Service of a pod's namespace; a headless one and an external name have none."""
    found: dict[str, str] = {}
    for service in services:
        if address := cluster_ip(service):
            found |= service_variables(service["metadata"]["name"], address, service["spec"].get("ports") or ())
    return found


def cluster_ip(service: Mapping[str, Any]) -> str | None:
    """The Service's own cluster IP, or one of 10.96.0.0/16 that its name decides; None for a headless one."""
    spec = service["spec"]
    if spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
        return None
    digest = hashlib.sha256(str(service["metadata"]["name"]).encode()).digest()
    return str(spec.get("clusterIP") or f"10.96.{digest[0]}.{digest[1] or 1}")


def _variable(name: str) -> str:
    """Upper case, `-` and `.` as `_`; a digit at the beginning gets one in front."""
    text = name.upper().replace("-", "_").replace(".", "_")
    return f"_{text}" if text[:1].isdigit() else text
