"""The DNS names of pods and Services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.service_env import cluster_ip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod


def pod_dns_names(pod: Pod, cluster: Cluster, services: Iterable[Mapping[str, Any]], *, is_ready: bool) -> tuple[str, ...]:
    """The names that resolve to a pod: of every headless Service that selects it, and its own name below its subdomain.

    It has a name of its own where its subdomain is such a Service and its hostname is set. A pod that is not ready has only
    the names of Services with publishNotReadyAddresses.
    """
    names: list[str] = []
    for service in services:
        spec = service["spec"]
        selects = _selects(spec.get("selector") or {}, pod.metadata.get("labels") or {})
        if spec.get("clusterIP") == "None" and selects and (is_ready or spec.get("publishNotReadyAddresses")):
            names.append(_service_name(service, pod.namespace(cluster), cluster))
            if service["metadata"]["name"] == pod.spec.get("subdomain") and pod.spec.get("hostname"):
                names.append(str(pod.fqdn(cluster)))
    return tuple(names)


def service_dns_records(namespace: str, cluster: Cluster, services: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Name and IP of every Service that has a cluster IP, and of the API's own."""
    yield f"kubernetes.default.svc.{cluster.domain}", cluster.api_ip
    for service in services:
        if ip := cluster_ip(service):
            yield _service_name(service, namespace, cluster), ip


def _service_name(service: Mapping[str, Any], namespace: str, cluster: Cluster) -> str:
    return f"{service['metadata']['name']}.{namespace}.svc.{cluster.domain}"


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
