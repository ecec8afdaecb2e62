"""The variables of a container as a kubelet makes them: service variables, envFrom, env, `$(VAR)`.

Sources: kubernetes/kubernetes pkg/kubelet/kubelet_pods.go, third_party/forked/golang/expansion, and pods of a real
cluster (recorded cases 01, 03, 04, 05, 17).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.service_env import namespace_variables
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.kubernetes.quantity import divide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod


class ConfigError(InvalidInputError):
    """What a kubelet reports as CreateContainerConfigError."""


@dataclass(frozen=True)
class Objects:
    """The namespace's ConfigMaps and Secrets by name: key → bytes. Only text of a ConfigMap can be a variable.

    `services` are the manifests of its Services, `service_accounts` those of its ServiceAccounts by name.
    """

    config_maps: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    config_map_texts: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    services: tuple[Mapping[str, Any], ...] = ()
    service_accounts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def of_manifests(manifests: list[Mapping[str, Any]]) -> Objects:
    """The objects among some manifests."""
    config_maps, texts, secrets = {}, {}, {}
    for one in manifests:
        name = one["metadata"]["name"]
        if one["kind"] == "ConfigMap":
            texts[name] = {key: str(value).encode() for key, value in (one.get("data") or {}).items()}
            config_maps[name] = {**texts[name], **_decoded(one.get("binaryData"))}
        elif one["kind"] == "Secret":
            given = {key: str(value).encode() for key, value in (one.get("stringData") or {}).items()}
            secrets[name] = {**_decoded(one.get("data")), **given}
    services = tuple(one for one in manifests if one["kind"] == "Service")
    accounts = {str(one["metadata"]["name"]): one for one in manifests if one["kind"] == "ServiceAccount"}
    return Objects(config_maps, texts, secrets, services, accounts)


def variables(container: Mapping[str, Any], pod: Pod, objects: Objects, cluster: Cluster) -> dict[str, str]:
    """What the kubelet gives to the runtime, in its order; the image's own variables are below these."""
    found = dict(cluster.service_variables())
    if pod.spec.get("enableServiceLinks") is not False:
        found.update(namespace_variables(objects.services))
    for source in container.get("envFrom") or ():
        found.update(_from_source(source, objects))
    own: dict[str, str] = {}
    for entry in container.get("env") or ():
        name = entry["name"]
        if "=" in name or not name:
            raise InvalidInputError(f"env name {name!r}: a name may not be empty or have `=`")
        value = _value(entry, container, pod, objects, cluster, {**found, **own})
        if value is not None:
            own.pop(name, None)
            own[name] = value
    return {**found, **own}


def _from_source(source: Mapping[str, Any], objects: Objects) -> Iterator[tuple[str, str]]:
    prefix = source.get("prefix", "")
    for kind, known in (("configMapRef", objects.config_map_texts), ("secretRef", objects.secrets)):
        reference = source.get(kind)
        if reference is None:
            continue
        values = known.get(reference["name"])
        if values is None and not reference.get("optional"):
            raise ConfigError(f"{_word(kind)} {reference['name']!r} not found")
        yield from ((prefix + key, value.decode("utf-8", "replace")) for key, value in sorted((values or {}).items()))


def _value(  # noqa: PLR0913, PLR0917 - everything that a variable may refer to
    entry: Mapping[str, Any],
    container: Mapping[str, Any],
    pod: Pod,
    objects: Objects,
    cluster: Cluster,
    known: Mapping[str, str],
) -> str | None:
    """The value of one entry of `env`; None where an optional reference finds nothing."""
    source = entry.get("valueFrom")
    if source is None:
        return expand(str(entry.get("value") or ""), known)
    if "fieldRef" in source:
        return pod.field(source["fieldRef"]["fieldPath"], cluster)
    if "resourceFieldRef" in source:
        return resource_field(source["resourceFieldRef"], container, cluster)
    kind = "configMapKeyRef" if "configMapKeyRef" in source else "secretKeyRef"
    reference = source[kind]
    values = (objects.config_map_texts if kind == "configMapKeyRef" else objects.secrets).get(reference["name"])
    if values is None or reference["key"] not in values:
        if reference.get("optional"):
            return None
        missing = (
            f"{_word(kind)} {reference['name']!r} not found" if values is None else f"couldn't find key {reference['key']}"
        )
        raise ConfigError(missing)
    return values[reference["key"]].decode("utf-8", "replace")


def resource_field(reference: Mapping[str, Any], container: Mapping[str, Any], cluster: Cluster) -> str:
    """A limit or request; an unset limit is the node's allocatable, an unset request 0 (recorded in pods, case 04)."""
    kind, _, resource = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    given = (resources.get(kind) or {}).get(resource)
    if given is None and kind == "requests":
        given = (resources.get("limits") or {}).get(resource, "0")
    if given is None:
        given = cluster.allocatable[resource]
    return divide(given, reference.get("divisor") or "1")


def _word(kind: str) -> str:
    return "configmap" if kind.startswith("configMap") else "secret"


def _decoded(values: Mapping[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (values or {}).items()}
