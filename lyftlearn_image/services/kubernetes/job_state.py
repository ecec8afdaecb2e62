"""Where a Job is, by what the API says of it and of its pods.

Source: Kubernetes, "Jobs" (terminal conditions, suspension) and "Pod Lifecycle" (container states).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.run import State, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_TRUE = "True"


def job_state(job: Any, pods: Sequence[Any]) -> State:
    """Stopped where it was suspended, unless it had ended before; a failure's code and message are its last pod's."""
    conditions = {item.type: item for item in (job.status.conditions if job.status else None) or [] if item.status == _TRUE}
    ended = _terminated(pods)
    code = ended.exitCode if ended else None
    if "Complete" in conditions:
        return State(Status.COMPLETED, "Complete", exit_code=0 if code is None else code)
    if "Failed" in conditions:
        failed = conditions["Failed"]
        message = (ended.message or "") if ended else ""
        # The reason of a Job that ran out of time or of retries is its own, where its container says nothing.
        return State(Status.FAILED, str(failed.reason or "Failed"), message or str(failed.message or ""), code)
    if job.spec.suspend and not any(pod.status and pod.status.phase == "Running" for pod in pods):
        return State(Status.STOPPED, "Suspended", exit_code=code)
    return State(None, _phase(pods))


def deployment_state(deployment: Any) -> State:
    """A Deployment has come to its end when it serves, or when it did not within its progress deadline."""
    conditions = {item.type: item for item in (deployment.status.conditions if deployment.status else None) or []}
    progress, available = conditions.get("Progressing"), conditions.get("Available")
    if progress and progress.reason == "ProgressDeadlineExceeded":
        return State(Status.FAILED, "ProgressDeadlineExceeded", str(progress.message or ""))
    ready, wanted = deployment.status.readyReplicas or 0 if deployment.status else 0, deployment.spec.replicas
    if wanted == 0:
        return State(Status.STOPPED, "ScaledToZero")
    if available and available.status == _TRUE and ready == wanted:
        return State(Status.COMPLETED, "Available")
    return State(None, f"{ready} of {wanted} ready")


def job_times(job: Any) -> tuple[datetime | None, datetime | None, datetime | None]:
    """When a Job was created, started and ended, by the cluster's clock. A failed one has no completionTime."""
    created = job.metadata.creationTimestamp
    started = (job.status.startTime if job.status else None) or created
    completed = job.status.completionTime if job.status else None
    changes = [item.lastTransitionTime for item in (job.status.conditions if job.status else None) or []]
    return created, started, completed or max(changes, default=started)


def _phase(pods: Sequence[Any]) -> str:
    """Why a pod does not run yet, in the kubelet's word (ImagePullBackOff, …); else its phase."""
    for pod in pods:
        for container in (pod.status.containerStatuses if pod.status else None) or []:
            waiting = container.state.waiting if container.state else None
            if waiting and waiting.reason:
                return str(waiting.reason)
    return str(pods[-1].status.phase or "Pending") if pods and pods[-1].status else "Pending"


def _terminated(pods: Sequence[Any]) -> Any:
    """How the container of the pod that ended last has ended, None where none has."""
    ends = [
        container.state.terminated
        for pod in pods
        for container in (pod.status.containerStatuses if pod.status else None) or []
        if container.state and container.state.terminated
    ]
    return max(ends, key=lambda end: str(end.finishedAt or "")) if ends else None
