"""The pods that the Job controller creates from a Job's template.

Source: kubernetes/kubernetes pkg/controller/job (indexed_job_utils.go); recorded in pods, case 10.
"""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUFFIX_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_INDEX = "batch.kubernetes.io/job-completion-index"


def pod_from_template(job: Mapping[str, Any], job_uid: str, index: int | None, number: int) -> dict[str, Any]:
    """The manifest of a Job's pod of this completion index, with its labels, hostname and variable.

    The suffix of its name is not random: it follows from the name of the Job and `number`, which counts its pods.
    """
    name, template = str(job["metadata"]["name"]), copy.deepcopy(dict(job["spec"]["template"]))
    metadata, spec = dict(template.get("metadata") or {}), template["spec"]
    labels = {
        "batch.kubernetes.io/controller-uid": job_uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": job_uid,
        "job-name": name,
    }
    annotations = dict(metadata.get("annotations") or {})
    stem = name
    if job["spec"].get("completionMode") == "Indexed":
        stem = f"{name}-{index}"
        labels[_INDEX] = annotations[_INDEX] = str(index)
        spec.setdefault("hostname", stem)
        for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
            _add_index_variable(container)
    metadata |= {"name": f"{stem}-{_suffix(name, number)}", "labels": {**(metadata.get("labels") or {}), **labels}}
    if annotations:
        metadata["annotations"] = annotations
    if "namespace" in job["metadata"]:
        metadata["namespace"] = job["metadata"]["namespace"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _suffix(job_name: str, number: int) -> str:
    digest = hashlib.sha256(f"{job_name}/{number}".encode()).digest()
    return "".join(_SUFFIX_CHARACTERS[byte % len(_SUFFIX_CHARACTERS)] for byte in digest[:_SUFFIX_LENGTH])


def _add_index_variable(container: dict[str, Any]) -> None:
    """Appends JOB_COMPLETION_INDEX, from the label, unless the container sets it itself."""
    variables = list(container.get("env") or ())
    if all(variable["name"] != "JOB_COMPLETION_INDEX" for variable in variables):
        reference = {"fieldRef": {"fieldPath": f"metadata.labels['{_INDEX}']"}}
        container["env"] = [*variables, {"name": "JOB_COMPLETION_INDEX", "valueFrom": reference}]
