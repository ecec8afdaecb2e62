"""What a pod may use, as whom it runs, and where."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lyftlearn_image.platforms.kubernetes.pod_template import GPU
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity
from lyftlearn_image.workload.parts import Model
from lyftlearn_image.workload.scheduling import Affinity, TopologySpread

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.importer.fields import Fields

_MIB = 1 << 20


class _Placement(Model):
    """What is taken over in the API's own words."""

    affinity: Affinity | None = None
    topology_spread: tuple[TopologySpread, ...] = ()


def resources(fields: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """The workload's fields for CPUs, memory and GPUs; and what it requests, where that is less than its limits."""
    limits, requests = fields.take("limits", {}), fields.take("requests", {})
    values: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    for key, name, number in (("cpu", "cpus", _cpus), ("memory", "memory_mib", _mebibytes)):
        limit, request = limits.get(key), requests.get(key)
        if limit is None and request is not None:
            why = f"the container has no limit of {key}; a compiled one may use what it requests"
            fields.leave(f"limits.{key}", why, f"Set `{name}` to what it may use, and `kubernetes.requests.{name}`.")
        if (amount := request if limit is None else limit) is not None:
            values[name] = number(amount)
        if request is not None and number(request) < values[name]:
            asked[name] = number(request)
    amounts = {key: value for key, value in {**requests, **limits}.items() if key not in ("cpu", "memory")}
    if gpus := amounts.pop(GPU, None):
        values["gpus"] = int(parse_quantity(gpus))
    for key in amounts:
        fields.leave(f"limits.{key}", "a workload has cpus, memory_mib and gpus", "For disk, set `volume_gb`.")
    fields.finish()
    return values, asked


def _cpus(quantity: str | float) -> float:
    cpus = float(parse_quantity(quantity))
    return int(cpus) if cpus == int(cpus) else cpus


def _mebibytes(quantity: str | float) -> int:
    return max(1, math.ceil(parse_quantity(quantity) / _MIB))


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
    fields.take_if("fsGroupChangePolicy", "OnRootMismatch", "Always")
    fields.take_if("seccompProfile", {"type": "RuntimeDefault"})
    fields.finish()
    return values


def container_security(fields: Fields) -> dict[str, Any]:
    """As `security`, of a container, whose user wins over the pod's."""
    fields.take_flag("allowPrivilegeEscalation", value=False)
    fields.take_if("capabilities", {"drop": ["ALL"]})
    fields.take_flag("privileged", value=False)
    return security(fields)


def placement(pod: Fields) -> dict[str, Any]:
    """The workload's options for where a pod runs, in the API's own words."""
    options: dict[str, Any] = {
        "node_selector": pod.take("nodeSelector"),
        "tolerations": _tolerations(pod),
        "priority_class": pod.take("priorityClassName"),
    }
    for option, key in (("affinity", "affinity"), ("topology_spread", "topologySpreadConstraints")):
        if (value := pod.take(key)) is None:
            continue
        try:
            said = _Placement.model_validate({option: value})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            pod.leave(key, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", "Mend it, and import again.")
        else:
            options |= said.model_dump(mode="json", exclude_defaults=True)
    return {option: value for option, value in options.items() if value}


def _tolerations(pod: Fields) -> list[dict[str, Any]]:
    values = []
    for toleration in pod.items("tolerations"):
        fields = {key: toleration.take(key) for key in ("key", "operator", "value", "effect", "tolerationSeconds")}
        values.append({key: value for key, value in fields.items() if value is not None})
        toleration.finish()
    return values
