"""What a pod may use, as whom it runs, and where."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.pod_template import GPU
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.importer.fields import Fields

_MIB = 1 << 20


def resources(fields: Fields) -> dict[str, Any]:
    """The workload's fields for CPUs, memory and GPUs: the limits, else the requests."""
    limits, requests = fields.take("limits", {}), fields.take("requests", {})
    amounts = {**requests, **limits}
    if any(requests[key] != limits.get(key, requests[key]) for key in requests):
        why = "requests below limits; a compiled pod asks for what it may use"
        fields.leave("requests", why, "Set `cpus` and `memory_mib` between the two.")
    values: dict[str, Any] = {}
    if cpu := amounts.pop("cpu", None):
        cpus = float(parse_quantity(cpu))
        values["cpus"] = int(cpus) if cpus == int(cpus) else cpus
    if memory := amounts.pop("memory", None):
        values["memory_mib"] = max(1, math.ceil(parse_quantity(memory) / _MIB))
    if gpus := amounts.pop(GPU, None):
        values["gpus"] = int(parse_quantity(gpus))
    for key in amounts:
        fields.leave(f"limits.{key}", "a workload has cpus, memory_mib and gpus", "For disk, set `volume_gb`.")
    fields.finish()
    return values


def security(fields: Fields) -> dict[str, Any]:
    """The workload's field for the pod's user. What a compiled pod says anyway is taken, the rest is told."""
    values: dict[str, Any] = {}
    user = fields.take("runAsUser")
    if user:
        values["run_as_user"] = int(user)
    elif user == 0:
        fields.leave("runAsUser", "a compiled pod is not root", "Write below /opt/ml, /tmp and HOME only.")
    fields.take_flag("runAsNonRoot", value=True)
    fields.take_if("runAsGroup", 0)
    fields.take_if("fsGroup", 0)
    fields.take_if("fsGroupChangePolicy", "OnRootMismatch")
    fields.take_if("seccompProfile", {"type": "RuntimeDefault"})
    fields.finish()
    return values


def container_security(fields: Fields) -> dict[str, Any]:
    """As `security`, of a container, whose user wins over the pod's."""
    fields.take_flag("allowPrivilegeEscalation", value=False)
    fields.take_if("capabilities", {"drop": ["ALL"]})
    fields.take_flag("privileged", value=False)
    return security(fields)


def tolerations(pod: Fields) -> list[dict[str, Any]]:
    """The taints that the pod may meet."""
    values = []
    for toleration in pod.items("tolerations"):
        fields = {key: toleration.take(key) for key in ("key", "operator", "value", "effect", "tolerationSeconds")}
        values.append({key: value for key, value in fields.items() if value is not None})
        toleration.finish()
    return values
