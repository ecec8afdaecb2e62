"""Where a Job is, by what the API says of it and of its pods.

Source: Kubernetes, "Jobs" (terminal conditions, suspension) and "Pod Lifecycle" (container states).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.run import State, Status
from lyftlearn_image.runs.first_failure import Attempt, first_failure
from lyftlearn_image.services.kubernetes.main_container import main_end, main_status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_TRUE = "True"
_INDEX = "batch.kubernetes.io/job-completion-index"


def job_state(job: Any, pods: Sequence[Any]) -> State:
    """Stopped where it was suspended, unless it had ended before; a failure's code and message are its last deciding pod's."""
    conditions = {item.type: item for item in (job.status.conditions if job.status else None) or [] if item.status == _TRUE}
    if "Complete" in conditions:
        return State(Status.COMPLETED, "Complete", exit_code=0)
    deciding = deciding_pods(job, pods)
    ended = main_end(deciding[-1]) if deciding else None
    code = ended.exitCode if ended else None
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
        status = main_status(pod)
        waiting = status.state.waiting if status and status.state else None
        if waiting and waiting.reason:
            return str(waiting.reason)
    return str(pods[-1].status.phase or "Pending") if pods and pods[-1].status else "Pending"


def deciding_pods(job: Any, pods: Sequence[Any]) -> list[Any]:
    """The pod of the host that failed first, of those that nobody ended; before it those of its host that lost their nodes.

    Empty where no pod has ended.
    """
    # Without `parallelism` nothing is known of the Job's pods, and each is a host.
    is_single = job.spec.parallelism == 1
    ended = [pod for pod in pods if main_end(pod)]
    attempts = {number: _attempt(pod, 0 if is_single else number) for number, pod in enumerate(ended)}
    lost = [number for number in attempts if _is_disrupted(ended[number])]
    if len(lost) == len(ended):
        lost = []
    left = [number for number in attempts if number not in lost]
    if not left:
        return []
    deciding = left[first_failure([attempts[number] for number in left])]
    before = [number for number in lost if attempts[number].host == attempts[deciding].host]
    return [ended[number] for number in (*sorted(before, key=lambda number: attempts[number].ended_at), deciding)]


def _attempt(pod: Any, number: int) -> Attempt:
    """A pod as an attempt of the host with its index, or where it has none with this number."""
    end, index = main_end(pod), (pod.metadata.annotations or {}).get(_INDEX)
    ended_at = end.finishedAt.timestamp() if end.finishedAt else 0.0
    deleted_at = None
    if pod.metadata.deletionTimestamp:  # when its grace is over (API reference, ObjectMeta)
        deleted_at = pod.metadata.deletionTimestamp.timestamp() - (pod.metadata.deletionGracePeriodSeconds or 0)
    return Attempt(
        host=number if index is None else int(index),
        exit_code=end.exitCode,
        ended_at=ended_at,
        is_failed=bool(end.exitCode),
        is_ended_by_platform=deleted_at is not None and ended_at >= deleted_at,
    )


def _is_disrupted(pod: Any) -> bool:
    """Whether it lost its node (Kubernetes, "Disruptions")."""
    conditions = (pod.status.conditions if pod.status else None) or []
    return any(item.type == "DisruptionTarget" and item.status == _TRUE for item in conditions)
