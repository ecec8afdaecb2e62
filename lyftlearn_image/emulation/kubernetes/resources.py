"""What a kubelet makes of requests and limits: the QoS class, shares of the CPU, scores of the OOM killer, sizes in memory.

Sources: kubernetes/kubernetes pkg/apis/core/v1/helper/qos, pkg/kubelet/qos/policy.go, pkg/kubelet/cm/helpers_linux.go and
pkg/volume/emptydir; recorded in pods, cases p01, p02, p13 and p21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from lyftlearn_image.emulation.kubernetes.node import Node

QosClass = Literal["Guaranteed", "Burstable", "BestEffort"]

_QOS_RESOURCES = ("cpu", "memory")
_MIN_SHARES, _MAX_SHARES, _SHARES_PER_CPU = 2, 262144, 1024
# A kubelet asks for -997. The recorded node may not go below 0, nor may an engine without CAP_SYS_RESOURCE.
_GUARANTEED_SCORE, _LOWEST_BURSTABLE_SCORE, _BEST_EFFORT_SCORE = 0, 3, 1000


def qos_class(spec: Mapping[str, Any]) -> QosClass:
    """The QoS class of a pod, by the CPU and memory of all its containers and init containers."""
    containers = _all_containers(spec)
    amounts = [(_limit(one, name), _request(one, name)) for one in containers for name in _QOS_RESOURCES]
    if not any(limit or request for limit, request in amounts):
        return "BestEffort"
    if all(limit and limit == request for limit, request in amounts):
        return "Guaranteed"
    return "Burstable"


def cpu_shares(container: Mapping[str, Any]) -> int:
    """The cpu.shares of a container: 1024 for each CPU that it requests, and 2 where it requests none."""
    shares = int(_request(container, "cpu") * _SHARES_PER_CPU)
    return min(max(shares, _MIN_SHARES), _MAX_SHARES)


def oom_score_adj(container: Mapping[str, Any], spec: Mapping[str, Any], node: Node) -> int:
    """The oom_score_adj of a container: less for what requests more of the node's memory.

    That of a sidecar is no higher than that of any other container of the pod.
    """
    qos = qos_class(spec)
    if qos != "Burstable":
        return _GUARANTEED_SCORE if qos == "Guaranteed" else _BEST_EFFORT_SCORE
    request = _request(container, "memory")
    if container.get("restartPolicy") == "Always" and container in (spec.get("initContainers") or ()):
        request = max(request, min(_request(one, "memory") for one in spec["containers"]))
    score = _BEST_EFFORT_SCORE - int(_BEST_EFFORT_SCORE * int(request) // int(_capacity(node)))
    return min(max(score, _LOWEST_BURSTABLE_SCORE), _BEST_EFFORT_SCORE - 1)


def memory_volume_bytes(spec: Mapping[str, Any], node: Node, size_limit: str | float | None = None) -> int:
    """The size of a volume in memory: the least of its sizeLimit, the pod's memory limit and the node's memory.

    A Secret's and a token's too. A pod has a memory limit where all its containers have one.
    """
    sizes = [_capacity(node)]
    if all(_limit(one, "memory") for one in _all_containers(spec)):
        sizes.append(_pod_memory_limit(spec))
    if size_limit is not None:
        sizes.append(parse_quantity(size_limit))
    return int(min(size for size in sizes if size > 0))


def _pod_memory_limit(spec: Mapping[str, Any]) -> Fraction:
    """What the containers and sidecars may use together, or an init container with the sidecars before it if that is more."""
    sidecars, most = parse_quantity(0), parse_quantity(0)
    for container in spec.get("initContainers") or ():
        limit = _limit(container, "memory")
        if container.get("restartPolicy") == "Always":
            sidecars += limit
            most = max(most, sidecars)
        else:
            most = max(most, sidecars + limit)
    return max(most, sidecars + sum(_limit(one, "memory") for one in spec["containers"]))


def _all_containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*spec["containers"], *(spec.get("initContainers") or ())]


def _limit(container: Mapping[str, Any], resource: str) -> Fraction:
    return _amount(container, ("limits",), resource)


def _request(container: Mapping[str, Any], resource: str) -> Fraction:
    """A request; without one the API sets it to the limit."""
    return _amount(container, ("requests", "limits"), resource)


def _amount(container: Mapping[str, Any], kinds: Iterable[str], resource: str) -> Fraction:
    resources = container.get("resources") or {}
    amounts = [(resources.get(kind) or {}).get(resource) for kind in kinds]
    return parse_quantity(next((amount for amount in amounts if amount is not None), 0))


def _capacity(node: Node) -> Fraction:
    """The node's memory. What it sets aside for itself is little, and unknown here."""
    return parse_quantity(node.allocatable["memory"])
