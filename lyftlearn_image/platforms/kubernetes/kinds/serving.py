"""From a server to a Deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.deployment import DeploymentPlan, compile_deployment, http_port
from lyftlearn_image.platforms.kubernetes.kind import WorkloadKind
from lyftlearn_image.platforms.kubernetes.model import MODEL_DIR, model_transfers, unpack_model
from lyftlearn_image.platforms.kubernetes.pod_template import PodDefaults, pod_parts, pod_spec
from lyftlearn_image.platforms.kubernetes.probes import ping
from lyftlearn_image.platforms.kubernetes.replicas import replica_policies

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.workload import Serving

SERVING_PORT = 8080
# Endpoints forget a pod while it stops already: so long it goes on answering before SIGTERM.
FORGET_S = 5
_READY_S = 15
POD = PodDefaults(writable=(MODEL_DIR,))
# The new ones are ready before the old ones go.
_ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def compile_serving(workload: Serving, launch: Launch) -> Compiled:
    """The Deployment after the ConfigMaps, the Service and the policies that it needs."""
    parts = pod_parts(workload, launch, POD, model_transfers(workload))
    pod = pod_spec(workload, parts, ("serve",), **http_port(SERVING_PORT), **_probes(workload))
    model, objects = unpack_model(workload, launch, parts, pod)
    pod["terminationGracePeriodSeconds"] += FORGET_S
    plan = DeploymentPlan(
        pod=pod,
        port=SERVING_PORT,
        replicas=None if workload.kubernetes.autoscaling else workload.replicas,
        startup_s=workload.startup_s,
        strategy=_ROLLING,
        documents=[*model, *replica_policies(workload, launch.job_name)],
        objects=objects,
    )
    return compile_deployment(workload, launch, parts, plan)


def _probes(workload: Serving) -> dict[str, Any]:
    """Probes as SageMaker's, and one more: a server whose port is closed is started again."""
    return {
        "startupProbe": ping(workload.startup_s),
        "readinessProbe": ping(_READY_S),
        # Not /ping: a server whose workers are all busy is slow, and killing it would not help.
        "livenessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 10, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": FORGET_S}}},
    }


KIND = WorkloadKind(compile=compile_serving, pod=POD, is_job=False, reads=("model",))
