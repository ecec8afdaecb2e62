"""The environment variables of a container: service variables, envFrom, env, `$(VAR)`.

Sources: kubernetes/kubernetes pkg/kubelet/kubelet_pods.go, third_party/forked/golang/expansion; recorded in pods, cases 01,
03, 04, 05 and 17.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.errors import ContainerConfigError
from lyftlearn_image.emulation.kubernetes.service_env import namespace_service_variables
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.kubernetes.quantity import divide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects
    from lyftlearn_image.emulation.kubernetes.node import Node


def container_environment(
    container: Mapping[str, Any], pod: Pod, objects: NamespaceObjects, cluster: Cluster
) -> dict[str, str]:
    """The variables that the kubelet sets, in its order. They override those of the image.

    ContainerConfigError for a ConfigMap, Secret or key that does not exist.
    """
    inherited = dict(cluster.api_service_variables())
    if pod.spec.get("enableServiceLinks") is not False:
        inherited.update(namespace_service_variables(objects.services))
    for source in container.get("envFrom") or ():
        inherited.update(_env_from(source, objects))
    references = _References(container, pod, objects, cluster)
    own: dict[str, str] = {}
    for entry in container.get("env") or ():
        name = entry["name"]
        if "=" in name or not name:
            raise InvalidInputError(f"env name {name!r}: a name may not be empty or have `=`")
        value = references.value_of(entry, {**inherited, **own})
        if value is not None:
            own.pop(name, None)
            own[name] = value
    return {**inherited, **own}


def resource_field_value(reference: Mapping[str, Any], container: Mapping[str, Any], node: Node) -> str:
    """The value of a resourceFieldRef: an unset limit is the node's allocatable, an unset request 0 (recorded, case 04)."""
    kind, _, resource = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    quantity = (resources.get(kind) or {}).get(resource)
    if quantity is None and kind == "requests":
        quantity = (resources.get("limits") or {}).get(resource, "0")
    if quantity is None:
        quantity = node.allocatable[resource]
    return divide(quantity, reference.get("divisor") or "1")


@dataclass(frozen=True)
class _References:
    """Everything that an entry of `env` may refer to."""

    container: Mapping[str, Any]
    pod: Pod
    objects: NamespaceObjects
    cluster: Cluster

    def value_of(self, entry: Mapping[str, Any], defined: Mapping[str, str]) -> str | None:
        """The value of an entry; None for an optional reference to what does not exist. `defined` are for `$(VAR)`."""
        source = entry.get("valueFrom")
        if source is None:
            return expand(str(entry.get("value") or ""), defined)
        if "fieldRef" in source:
            return self.pod.field_value(source["fieldRef"]["fieldPath"], self.cluster)
        if "resourceFieldRef" in source:
            return resource_field_value(source["resourceFieldRef"], self.container, self.cluster.node)
        if "configMapKeyRef" in source:
            return _key_value("configmap", source["configMapKeyRef"], self.objects.config_map_texts)
        return _key_value("secret", source["secretKeyRef"], self.objects.secrets)


def _key_value(kind: str, reference: Mapping[str, Any], objects: Mapping[str, Mapping[str, bytes]]) -> str | None:
    """The value of a configMapKeyRef or secretKeyRef."""
    values = objects.get(reference["name"])
    if values is not None and reference["key"] in values:
        return values[reference["key"]].decode("utf-8", "replace")
    if reference.get("optional"):
        return None
    if values is None:
        raise ContainerConfigError(f"{kind} {reference['name']!r} not found")
    raise ContainerConfigError(f"couldn't find key {reference['key']}")


def _env_from(source: Mapping[str, Any], objects: NamespaceObjects) -> Iterator[tuple[str, str]]:
    """The variables of one entry of `envFrom`."""
    for kind, field, known in (
        ("configmap", "configMapRef", objects.config_map_texts),
        ("secret", "secretRef", objects.secrets),
    ):
        reference = source.get(field)
        if reference is None:
            continue
        values = known.get(reference["name"])
        if values is None and not reference.get("optional"):
            raise ContainerConfigError(f"{kind} {reference['name']!r} not found")
        for key, value in sorted((values or {}).items()):
            yield source.get("prefix", "") + key, value.decode("utf-8", "replace")
