"""From a workload to its manifests: pure, and the same for the same workload.

What Kubernetes has no word for (tags, spot, metrics …) stands in an annotation, so that the manifest can be read back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes import deployment, pod_template
from lyftlearn_image.platforms.kubernetes.batch_transform import compile_transform
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.trials import first_trial, search_space
from lyftlearn_image.workload import Job, Notebook, Processing, Serving, Trainable, Training, Transform, Tuning
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Workload

OTHER_TARGET = "lyftlearn/sagemaker"
SURVIVES_DISRUPTION = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
# What a workload says to SageMaker alone; `checkpoints` is here because its prefix is more than an upload there.
_ONLY_SAGEMAKER = (
    "checkpoints", "data_capture", "encryption", "instance_type", "metrics", "network", "output", "role_arn", "spot",
    "startup_s", "tags", "volume_gb", "warm_pool_s",
)  # fmt: skip
_IN_BUNDLE = ("instance_type",)


def compile_job(workload: Workload, launch: Launch) -> Compiled:
    """The main manifest of a workload and, before it, everything that it needs to be there.

    The launch bundle is in S3 where no ConfigMap can hold it. Raises UnsupportedError for what Kubernetes has no equal of.
    """
    match workload:
        case Tuning():
            return _tuning(workload, launch)
        case Training() | Processing():
            return _job(workload, launch)
        case Serving() | Notebook():
            return deployment.compile_deployment(workload, launch, _annotations(workload))
        case Transform():
            return compile_transform(workload, launch, _annotations(workload))
    raise InvalidInputError(f"Kubernetes has nothing for the kind {workload.kind}")  # pragma: no cover - these are all kinds


def _job(workload: Job, launch: Launch) -> Compiled:
    outputs = _outputs(workload, launch)
    is_several = workload.nodes > 1
    parts = pod_template.parts_of(workload, launch, _transfers(workload, launch, outputs))
    command = getattr(workload, "command", None) or ("train",)
    pod: dict[str, Any] = {"restartPolicy": "Never", **pod_template.pod_spec(workload, parts, command)}
    spec: dict[str, Any] = {
        "backoffLimit": workload.kubernetes.retries,
        "activeDeadlineSeconds": workload.max_runtime_s,
        "ttlSecondsAfterFinished": workload.kubernetes.ttl_s,
    }
    if isinstance(workload, Trainable) and workload.spot:
        # A pod that is lost with its node is made again, and is no failure (kubernetes.io/docs "Pod failure policy").
        spec["podFailurePolicy"] = SURVIVES_DISRUPTION
    if is_several:
        # Indexed: every pod has a number, and a host name made of it (k8s.io/docs/concepts/workloads/controllers/job).
        spec |= {"completions": workload.nodes, "parallelism": workload.nodes, "completionMode": "Indexed"}
        pod["subdomain"] = launch.job_name
    spec["template"] = {**pod_template.template_metadata(workload), "spec": pod}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": pod_template.metadata(workload, launch.job_name, **_annotations(workload)),
        "spec": spec,
    }
    before = [*pod_template.service_account(workload), *parts.config_maps]
    if is_several:
        before.append(_headless_service(workload, launch.job_name))
    return Compiled("kubernetes", "Job", (*before, job), parts.objects, outputs)


def _tuning(workload: Tuning, launch: Launch) -> Compiled:
    """The Job of the first trial, which is the template of all, and the search space as a ConfigMap."""
    compiled = _job(first_trial(workload), launch)
    space = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": pod_template.metadata(workload, f"{launch.job_name}-search-space"),
        "data": {"search-space.json": json.dumps(search_space(workload), indent=2, sort_keys=True)},
    }
    return Compiled("kubernetes", "Job", (space, *compiled.documents), compiled.objects, compiled.outputs)


def _transfers(workload: Job, launch: Launch, outputs: dict[str, str]) -> pod_template.Transfers:
    is_processing = isinstance(workload, Processing)
    below = f"{contract.PROCESSING_DIR}/input" if is_processing else "/opt/ml/input/data"
    paths = (
        _processing_paths(workload, launch) if is_processing else {"model": "/opt/ml/model", "output": "/opt/ml/output/data"}
    )
    uploads = [(paths[name], uri) for name, uri in sorted(outputs.items())]
    kept = workload.checkpoints if isinstance(workload, Trainable) else None
    several = workload.nodes if workload.nodes > 1 else 0
    return pod_template.Transfers(
        downloads=tuple((f"{below}/{name}", uri) for name, uri in sorted(workload.channels.items())),
        uploads=tuple(uploads),
        checkpoints=("/opt/ml/checkpoints", f"{kept.rstrip('/')}/") if kept else None,
        # Of an Indexed Job with a headless Service (k8s.io/docs/concepts/services-networking/dns-pod-service).
        hosts=tuple(f"{launch.job_name}-{index}.{launch.job_name}" for index in range(several)),
    )


def _outputs(workload: Job, launch: Launch) -> dict[str, str]:
    place = f"{launch.s3_prefix}/{launch.job_name}"
    if isinstance(workload, Processing):
        return {name: f"{place}/{name}/" for name in _processing_paths(workload, launch)}
    return {"model": f"{place}/output/model.tar.gz", "output": f"{place}/output/output.tar.gz"}


def _processing_paths(workload: Job, launch: Launch) -> dict[str, str]:
    paths = dict(getattr(workload, "outputs", {})) or {"output": f"{contract.PROCESSING_DIR}/output"}
    if launch.observe_key:
        paths["lyftlearn"] = contract.PROCESSING_OBSERVATION.rpartition("/")[0]
    return paths


def _headless_service(workload: Workload, name: str) -> dict[str, Any]:
    """Names for the job's pods, known before they are ready: the hosts of a job wait for each other."""
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"batch.kubernetes.io/job-name": name},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": pod_template.metadata(workload, name), "spec": spec}


def _annotations(workload: Workload) -> dict[str, str]:
    """What Kubernetes has no word for, as JSON; nothing where nothing of it was said."""
    said = workload.model_dump(mode="json", exclude_defaults=True)
    # A job's bundle tells the shim the instance type.
    only = {
        name: said[name] for name in _ONLY_SAGEMAKER if name in said and not (name in _IN_BUNDLE and isinstance(workload, Job))
    }
    # What a Kubernetes Secret replaces here is still a reference there.
    hidden = {name: text for name, text in workload.secrets.items() if name in workload.kubernetes.secrets}
    if hidden:
        only["secrets"] = hidden
    return {OTHER_TARGET: json.dumps(only, sort_keys=True, separators=(",", ":"))} if only else {}
