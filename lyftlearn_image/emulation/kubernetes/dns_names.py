"""The names at which pods and Services are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.service_env import cluster_ip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod


def published_names(pod: Pod, cluster: Cluster, services: Iterable[Mapping[str, Any]], *, is_ready: bool) -> tuple[str, ...]:
    """The full names at which a pod is found: of every headless Service that selects it, and its own below one of them.

    A pod has a name of its own where its subdomain is the Service's name and its hostname is set. Before it is ready a pod
    is found only where the Service says publishNotReadyAddresses.
    """
    names: list[str] = []
    for service in services:
        spec = service["spec"]
        selects = _selects(spec.get("selector") or {}, pod.metadata.get("labels") or {})
        if spec.get("clusterIP") == "None" and selects and (is_ready or spec.get("publishNotReadyAddresses")):
            names.append(_full_name(service, pod.namespace(cluster), cluster))
            if service["metadata"]["name"] == pod.spec.get("subdomain") and pod.spec.get("hostname"):
                names.append(str(pod.fqdn(cluster)))
    return tuple(names)


def cluster_names(namespace: str, cluster: Cluster, services: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Full name and address of every Service that has a cluster IP, and of the API's own."""
    yield f"kubernetes.default.svc.{cluster.domain}", cluster.api_ip
    for service in services:
        if address := cluster_ip(service):
            yield _full_name(service, namespace, cluster), address


def _full_name(service: Mapping[str, Any], namespace: str, cluster: Cluster) -> str:
    return f"{service['metadata']['name']}.{namespace}.svc.{cluster.domain}"


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
