"""Names, namespaces, labels and annotations of a workload's objects, and the small objects around its main one.

What Kubernetes has no word for (tags, spot, metrics …) stands in an annotation, so that the manifest can be read back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.workload import Workload

SAGEMAKER_ANNOTATION = "lyftlearn/sagemaker"
# How many seconds a pod may wait, for whoever watches the Job or Deployment: the workload's file may be elsewhere then.
PENDING_TIMEOUT_ANNOTATION = "lyftlearn.dev/pending-timeout-s"
MANAGED_BY = {"app.kubernetes.io/managed-by": "lyftlearn"}
NAME_LABEL = "app.kubernetes.io/name"
# The run that an object was made for (k8s.io/docs/concepts/overview/working-with-objects/common-labels).
INSTANCE_LABEL = "app.kubernetes.io/instance"
# kueue.sigs.k8s.io/docs/tasks/run/jobs: Kueue's webhook suspends a Job with this label, and starts it when there is quota.
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
# karpenter.sh/docs/concepts/disruption, "Pod-Level Controls"; kubernetes/autoscaler, cluster-autoscaler/FAQ.md.
DO_NOT_DISRUPT = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
# What a workload says to SageMaker alone; `checkpoints` is here because its prefix is more than an upload there.
_ONLY_SAGEMAKER = (
    "checkpoints", "data_capture", "encryption", "instance_type", "metrics", "network", "output", "role_arn", "spot",
    "startup_s", "tags", "volume_gb", "warm_pool_s",
)  # fmt: skip


def run_labels(workload: Workload, run: str) -> dict[str, str]:
    """The labels by which everything that was made for a run, its pods too, is found."""
    return {**workload.kubernetes.labels, NAME_LABEL: workload.name, INSTANCE_LABEL: run, **MANAGED_BY}


def metadata(workload: Workload, run: str, name: str = "", annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Name (else the run's), namespace, labels and annotations of an object, with these besides the workload's own."""
    options = workload.kubernetes
    namespace = {"namespace": options.namespace} if options.namespace else {}
    every = {**options.annotations, **(annotations or {})}
    named = {"name": name or run, "labels": run_labels(workload, run), **namespace}
    return {**named, **({"annotations": every} if every else {})}


def main_metadata(workload: Workload, run: str) -> dict[str, Any]:
    """The metadata of the Job or Deployment: its queue, SageMaker's options, and how long pods may wait, besides."""
    timeout_s, queue = workload.kubernetes.pending_timeout_s, workload.kubernetes.queue
    pending = {PENDING_TIMEOUT_ANNOTATION: str(timeout_s)} if timeout_s else {}
    named = metadata(workload, run, annotations={**_sagemaker_annotation(workload), **pending})
    return {**named, "labels": {**named["labels"], **({QUEUE_LABEL: queue} if queue else {})}}


def template_metadata(workload: Workload, run: str) -> dict[str, Any]:
    """The metadata of the pods."""
    options = workload.kubernetes
    annotations = {**options.annotations, **(DO_NOT_DISRUPT if options.do_not_disrupt else {})}
    return {"labels": run_labels(workload, run), **({"annotations": annotations} if annotations else {})}


def service_account(workload: Workload, run: str) -> list[dict[str, Any]]:
    """The ServiceAccount with its role (EKS user guide, iam-roles-for-service-accounts); none where no role is named."""
    options = workload.kubernetes
    if not (options.service_account and options.role_arn):
        return []
    named = metadata(workload, run, options.service_account, {ROLE_ANNOTATION: options.role_arn})
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named, "automountServiceAccountToken": False}]


def _sagemaker_annotation(workload: Workload) -> dict[str, str]:
    """What Kubernetes has no word for, as JSON; nothing where the workload says nothing of it."""
    fields = workload.model_dump(mode="json", exclude_defaults=True)
    only = {name: fields[name] for name in _ONLY_SAGEMAKER if name in fields}
    # What a Kubernetes Secret replaces here is still a reference there.
    replaced = {name: text for name, text in workload.secrets.items() if name in workload.kubernetes.secrets}
    if replaced:
        only["secrets"] = replaced
    return {SAGEMAKER_ANNOTATION: json.dumps(only, sort_keys=True, separators=(",", ":"))} if only else {}


def config_map(workload: Workload, run: str, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    """A ConfigMap of this run."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(workload, run, name), "data": dict(data)}
