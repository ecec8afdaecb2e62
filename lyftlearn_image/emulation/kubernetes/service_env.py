"""The environment variables of Services.

Sources: kubernetes/kubernetes pkg/kubelet/envvars/envvars.go; recorded in pods, case 05. There is no kube-proxy: nobody listens
at a cluster IP.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def service_variables(name: str, cluster_ip: str, ports: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The variables of one Service with a cluster IP."""
    prefix = _variable_name(name)
    ports = list(ports)
    if not ports:
        return {}
    variables = {f"{prefix}_SERVICE_HOST": cluster_ip, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    variables |= {
        f"{prefix}_SERVICE_PORT_{_variable_name(port['name'])}": str(port["port"]) for port in ports if port.get("name")
    }
    for position, port in enumerate(ports):
        protocol = str(port.get("protocol") or "TCP")
        address = f"{protocol.lower()}://{cluster_ip}:{port['port']}"
        port_prefix = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        if position == 0:
            variables[f"{prefix}_PORT"] = address
        variables |= {
            port_prefix: address,
            f"{port_prefix}_PROTO": protocol.lower(),
            f"{port_prefix}_PORT": str(port["port"]),
            f"{port_prefix}_ADDR": cluster_ip,
        }
    return variables


def namespace_service_variables(services: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The variables of every Service of a namespace. A headless Service and an ExternalName have none."""
    variables: dict[str, str] = {}
    for service in services:
        if ip := cluster_ip(service):
            variables |= service_variables(service["metadata"]["name"], ip, service["spec"].get("ports") or ())
    return variables


def cluster_ip(service: Mapping[str, Any]) -> str | None:
    """The cluster IP of a Service, by its name where it has none of its own; None for a headless Service and ExternalName."""
    spec = service["spec"]
    if spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
        return None
    digest = hashlib.sha256(str(service["metadata"]["name"]).encode()).digest()
    return str(spec.get("clusterIP") or f"10.96.{digest[0]}.{digest[1] or 1}")


def _variable_name(name: str) -> str:
    """A name in upper case, with `_` for `-` and `.`, and before a leading digit."""
    text = name.upper().replace("-", "_").replace(".", "_")
    return f"_{text}" if text[:1].isdigit() else text
