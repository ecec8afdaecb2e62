"""From a notebook to a Deployment, and a disk where one is wanted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.deployment import DeploymentPlan, compile_deployment, http_port
from lyftlearn_image.platforms.kubernetes.disks import FOR_THE_GROUP
from lyftlearn_image.platforms.kubernetes.kind import WorkloadKind
from lyftlearn_image.platforms.kubernetes.metadata import metadata
from lyftlearn_image.platforms.kubernetes.pod_template import PodDefaults, Transfers, pod_parts, pod_spec
from lyftlearn_image.platforms.kubernetes.probes import TIMEOUT_S
from lyftlearn_image.platforms.kubernetes.writable_directories import scratch_name
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.workload import Notebook

NOTEBOOK_PORT = 8888
_POD = PodDefaults()
# JupyterLab answers /api to everybody (jupyter_server, APIVersionHandler).
_PERIOD_S, _STARTUP_S = 10, 300
_ALIVE = {"httpGet": {"path": "/api", "port": "http"}, "periodSeconds": _PERIOD_S, "timeoutSeconds": TIMEOUT_S}
_PROBES = {
    "startupProbe": {**_ALIVE, "failureThreshold": _STARTUP_S // _PERIOD_S},
    "readinessProbe": {**_ALIVE, "failureThreshold": 3},
}


def compile_notebook(workload: Notebook, launch: Launch) -> Compiled:
    """The Deployment after the ConfigMaps, the disk and the Service that it needs."""
    parts = pod_parts(workload, launch, _POD, Transfers())
    documents = []
    if workload.storage_gb:
        documents.append(_claim(workload, launch.job_name))
        home = scratch_name(contract.HOME)
        claim = {"name": home, "persistentVolumeClaim": {"claimName": launch.job_name}}
        volumes = [claim if volume["name"] == home else volume for volume in parts.volumes]
        parts = dataclasses.replace(parts, volumes=volumes)
    pod = pod_spec(workload, parts, ("notebook", *workload.arguments), **http_port(NOTEBOOK_PORT), **_PROBES)
    if workload.storage_gb:
        pod["securityContext"] |= FOR_THE_GROUP
    # Two notebooks cannot have one disk.
    plan = DeploymentPlan(pod, NOTEBOOK_PORT, 1, _STARTUP_S, strategy={"type": "Recreate"}, documents=documents)
    return compile_deployment(workload, launch, parts, plan)


def _claim(workload: Notebook, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{workload.storage_gb}Gi"}},
    }
    if workload.storage_class:
        spec["storageClassName"] = workload.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(workload, name),
        "spec": spec,
    }


KIND = WorkloadKind(compile=compile_notebook, pod=_POD, is_job=False)
