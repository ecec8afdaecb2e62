"""The Job of a training or a processing, with the ConfigMaps and the Service that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.metadata import main_metadata, metadata, service_account, template_metadata
from lyftlearn_image.platforms.kubernetes.pod_template import Transfers, pod_parts, pod_spec
from lyftlearn_image.platforms.launch import Compiled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_image.platforms.kubernetes.pod_template import PodDefaults
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Job, Workload

# The condition of a pod that a drain, its node or a pod of higher priority ends (kubernetes.io/docs "Disruptions").
DISRUPTION = "DisruptionTarget"
# Such a pod is made again, and is no failure (kubernetes.io/docs "Pod failure policy").
SURVIVES_DISRUPTION = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": DISRUPTION}]}]}


@dataclass(frozen=True)
class JobPlan:
    """What the Jobs of one kind have of their own.

    `inputs` maps a channel to its directory. `outputs` maps an artifact's name to its directory and its S3 URI.
    """

    pod: PodDefaults
    arguments: Sequence[str]
    inputs: Mapping[str, str]
    outputs: Mapping[str, tuple[str, str]]
    checkpoints: tuple[str, str] | None = None
    survives_disruption: bool = False


def compile_job(workload: Job, launch: Launch, plan: JobPlan) -> Compiled:
    """The Job, and before it what it needs: a ServiceAccount, ConfigMaps, and for several hosts a Service."""
    transfers = Transfers(
        downloads=tuple((plan.inputs[name], uri) for name, uri in sorted(workload.channels.items())),
        uploads=tuple(plan.outputs[name] for name in sorted(plan.outputs)),
        checkpoints=plan.checkpoints,
        # Of an Indexed Job with a headless Service (k8s.io/docs/concepts/services-networking/dns-pod-service).
        hosts=tuple(f"{launch.job_name}-{index}.{launch.job_name}" for index in range(workload.nodes))
        if workload.nodes > 1
        else (),
    )
    parts = pod_parts(workload, launch, plan.pod, transfers)
    pod = {"restartPolicy": "Never", **pod_spec(workload, parts, plan.arguments)}
    documents = [*service_account(workload, launch.job_name), *parts.config_maps]
    if workload.nodes > 1:
        pod["subdomain"] = launch.job_name
        documents.append(_headless_service(workload, launch.job_name))
    spec = {
        "backoffLimit": workload.kubernetes.retries,
        "activeDeadlineSeconds": workload.max_runtime_s,
        "ttlSecondsAfterFinished": workload.kubernetes.ttl_s,
        **({"podFailurePolicy": SURVIVES_DISRUPTION} if plan.survives_disruption else {}),
    }
    documents.append(job_manifest(workload, launch, {**spec, **indexed(workload.nodes)}, pod))
    outputs = {name: uri for name, (_, uri) in plan.outputs.items()}
    return Compiled("kubernetes", "Job", tuple(documents), parts.objects, outputs)


def job_manifest(workload: Workload, launch: Launch, spec: Mapping[str, Any], pod: Mapping[str, Any]) -> dict[str, Any]:
    """A Job of this pod, with what only SageMaker has a word for in an annotation."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": main_metadata(workload, launch.job_name),
        "spec": {**spec, "template": {"metadata": template_metadata(workload, launch.job_name), "spec": pod}},
    }


def indexed(nodes: int) -> dict[str, Any]:
    """Fields by which every pod has a number, and a host name of it (k8s.io/docs/concepts/workloads/controllers/job)."""
    return {"completions": nodes, "parallelism": nodes, "completionMode": "Indexed"} if nodes > 1 else {}


def _headless_service(workload: Workload, name: str) -> dict[str, Any]:
    """Names for the job's pods, known before they are ready: the hosts of a job wait for each other."""
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"batch.kubernetes.io/job-name": name},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(workload, name), "spec": spec}
