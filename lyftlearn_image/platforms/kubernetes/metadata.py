"""Names, namespaces, labels and annotations of a workload's objects, and the small objects around its main one.

What Kubernetes has no word for (tags, spot, metrics …) stands in an annotation, so that the manifest can be read back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.workload import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.workload import Workload

SAGEMAKER_ANNOTATION = "lyftlearn/sagemaker"
# How many seconds a pod may wait, for whoever watches the Job or Deployment: the workload's file may be elsewhere then.
PENDING_TIMEOUT_ANNOTATION = "lyftlearn.dev/pending-timeout-s"
MANAGED_BY = {"app.kubernetes.io/managed-by": "lyftlearn"}
NAME_LABEL = "app.kubernetes.io/name"
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
# What a workload says to SageMaker alone; `checkpoints` is here because its prefix is more than an upload there.
_ONLY_SAGEMAKER = (
    "checkpoints", "data_capture", "encryption", "instance_type", "metrics", "network", "output", "role_arn", "spot",
    "startup_s", "tags", "volume_gb", "warm_pool_s",
)  # fmt: skip


def metadata(workload: Workload, name: str, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Name, namespace, labels and annotations of an object of this workload, with these besides the workload's own."""
    options = workload.kubernetes
    labels = {**options.labels, NAME_LABEL: workload.name, **MANAGED_BY}
    namespace = {"namespace": options.namespace} if options.namespace else {}
    every = {**options.annotations, **(annotations or {})}
    return {"name": name, "labels": labels, **namespace, **({"annotations": every} if every else {})}


def template_metadata(workload: Workload) -> dict[str, Any]:
    """The `metadata` of a template: the labels and annotations that a workload says; nothing where it says none."""
    options = workload.kubernetes
    fields = {"labels": dict(options.labels), "annotations": dict(options.annotations)}
    named = {name: value for name, value in fields.items() if value}
    return {"metadata": named} if named else {}


def service_account(workload: Workload) -> list[dict[str, Any]]:
    """The ServiceAccount with its role (EKS user guide, iam-roles-for-service-accounts); none where no role is named."""
    options = workload.kubernetes
    if not (options.service_account and options.role_arn):
        return []
    named = metadata(workload, options.service_account, {ROLE_ANNOTATION: options.role_arn})
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named, "automountServiceAccountToken": False}]


def main_annotations(workload: Workload) -> dict[str, str]:
    """What the Job or Deployment is told beside the workload's own annotations: SageMaker's options, how long pods may wait."""
    timeout_s = workload.kubernetes.pending_timeout_s
    pending = {PENDING_TIMEOUT_ANNOTATION: str(timeout_s)} if timeout_s else {}
    return {**_sagemaker_annotation(workload), **pending}


def _sagemaker_annotation(workload: Workload) -> dict[str, str]:
    """What Kubernetes has no word for, as JSON; nothing where the workload says nothing of it."""
    fields = workload.model_dump(mode="json", exclude_defaults=True)
    if isinstance(workload, Job):
        # A job's bundle tells the shim the instance type.
        fields.pop("instance_type", None)
    only = {name: fields[name] for name in _ONLY_SAGEMAKER if name in fields}
    # What a Kubernetes Secret replaces here is still a reference there.
    replaced = {name: text for name, text in workload.secrets.items() if name in workload.kubernetes.secrets}
    if replaced:
        only["secrets"] = replaced
    return {SAGEMAKER_ANNOTATION: json.dumps(only, sort_keys=True, separators=(",", ":"))} if only else {}


def config_map(workload: Workload, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    """A ConfigMap in the workload's namespace."""
    namespace = workload.kubernetes.namespace
    named = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": dict(data)}
