"""What leads to a server from outside of its cluster: an Ingress, or a route of the Gateway API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.workload import Workload
    from lyftlearn_image.workload.kubernetes import HTTPRoute, Ingress


def routes(workload: Workload, name: str, port: int) -> Iterator[dict[str, Any]]:
    """The Ingress and the HTTPRoute to the Service of this name, as far as the workload wants them."""
    if ingress := workload.kubernetes.ingress:
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": metadata(workload, name, annotations=ingress.annotations),
            "spec": _ingress(ingress, name),
        }
    if route := workload.kubernetes.http_route:
        yield {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": metadata(workload, name),
            "spec": _http_route(route, name, port),
        }


def _ingress(ingress: Ingress, name: str) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    rule: dict[str, Any] = {"http": {"paths": [{"path": ingress.path, "pathType": "Prefix", "backend": backend}]}}
    spec: dict[str, Any] = {"rules": [{"host": ingress.host, **rule} if ingress.host else rule]}
    if ingress.class_name:
        spec["ingressClassName"] = ingress.class_name
    if ingress.certificate:
        spec["tls"] = [{"hosts": [ingress.host], "secretName": ingress.certificate}]
    return spec


def _http_route(route: HTTPRoute, name: str, port: int) -> dict[str, Any]:
    namespace, _, gateway = route.gateway.rpartition("/")
    parent = {"name": gateway, "namespace": namespace, "sectionName": route.listener}
    spec: dict[str, Any] = {"parentRefs": [{key: value for key, value in parent.items() if value}]}
    if route.hostnames:
        spec["hostnames"] = list(route.hostnames)
    match = {"path": {"type": "PathPrefix", "value": route.path}}
    spec["rules"] = [{"matches": [match], "backendRefs": [{"name": name, "port": port}]}]
    return spec
