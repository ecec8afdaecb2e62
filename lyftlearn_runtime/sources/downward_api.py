"""downward://FIELD: what Kubernetes' downward API tells a container, where there is no Kubernetes to tell it.

Field paths and their meaning: Kubernetes, "Downward API". On SageMaker a host of a job stands for a pod. On Kubernetes a
workload's fields are compiled to `fieldRef` and `resourceFieldRef`, so the cluster itself answers.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import cgroup, cluster, contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_runtime.references import Item

OPTIONS = ()
_JOBS = ("TRAINING_JOB_NAME", "PROCESSING_JOB_NAME", "TRANSFORM_JOB_NAME")
# What a Job's own controller writes on its pods (Kubernetes, "Well-Known Labels, Annotations and Taints").
_JOB_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_INDEX = "batch.kubernetes.io/job-completion-index"


def fetch(items: Sequence[Item], environ: Mapping[str, str], deadline: float) -> dict[Item, str | ShimError]:  # noqa: ARG001 - one signature for all
    """The fields' values, as the downward API writes them."""
    return {item: _value(item.name, environ) for item in items}


def _value(field: str, environ: Mapping[str, str]) -> str | ShimError:
    resource = _resource(field)
    if resource is not None:
        return resource
    here = cluster.parse_resource_config(cluster.read_config("resourceconfig.json"))
    job = next((environ[name] for name in _JOBS if environ.get(name)), "")
    hostname = os.uname().nodename
    labels = dict.fromkeys(_JOB_LABELS, job)
    known = {
        "metadata.name": f"{job}-{here.host}" if job else hostname,
        "metadata.namespace": "default",
        "metadata.uid": _uid(job + here.host + hostname),
        "spec.nodeName": hostname,
        "spec.serviceAccountName": "default",
        **{f"metadata.labels['{name}']": value for name, value in labels.items()},
        f"metadata.labels['{_INDEX}']": str(here.rank),
        f"metadata.annotations['{_INDEX}']": str(here.rank),
    }
    if field in known:
        return known[field]
    if field in {"status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"}:
        return _address(hostname)
    if field.startswith(("metadata.labels['", "metadata.annotations['")) and field.endswith("']"):
        return ""  # as for a label that the pod does not have
    fields = ", ".join([*list(known)[:5], "status.podIP", "limits.cpu", "limits.memory"])
    return ShimError(f"expected a field of the downward API: {fields}, …", contract.EXIT_CONFIG)


def _resource(field: str) -> str | None:
    """A limit or request of this container: whole CPUs, rounded up, and bytes."""
    kind, _, name = field.partition(".")
    if kind not in {"limits", "requests"}:
        return None
    if name == "cpu":
        quota = cgroup.cpu_quota()
        return str(-int(-quota // 1) if quota else cgroup.cpu_count(None))
    if name == "memory":
        return str(cgroup.memory_limit() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return None


def _uid(text: str) -> str:
    """The same for the same host of the same job."""
    import uuid  # noqa: PLC0415 - only where it is asked for

    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def _address(hostname: str) -> str:
    import socket  # noqa: PLC0415 - as above

    try:
        return socket.gethostbyname(hostname)
    except OSError:
        return "127.0.0.1"
