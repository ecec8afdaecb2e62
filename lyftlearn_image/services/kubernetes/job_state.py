"""Where a Job is, by what the API says of it and of its pods.

Source: Kubernetes, "Jobs" (terminal conditions, suspension) and "Pod Lifecycle" (container states).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lyftlearn_image.run import State, Status
from lyftlearn_image.runs.first_failure import Attempt, first_failure
from lyftlearn_image.services.kubernetes.annotations import read_end
from lyftlearn_image.services.kubernetes.disruption import describe_loss, disruption
from lyftlearn_image.services.kubernetes.main_container import containers_beside, main_end
from lyftlearn_image.services.kubernetes.sidecars import HELD_UP, describe_held, held_end
from lyftlearn_image.services.kubernetes.waiting import (
    PENDING,
    Wait,
    describe_end,
    explain_pods,
    failed_init_container,
    has_restarted,
    is_running,
    one_line,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# On a Job whose stop somebody has asked for: the word `STOPPED`, or why we ended it, `<word>: <reason>`.
STOP = "lyftlearn.dev/stop"
STOPPED, STOPPING, SUSPENDED = "Stopped", "Stopping", "Suspended"
_TRUE = "True"
_QUEUE = "kueue.x-k8s.io/queue-name"
_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
_INDEX = "batch.kubernetes.io/job-completion-index"


def job_state(job: Any, pods: Sequence[Any]) -> State:
    """Stopped where we asked for it; a failure's code and message are its last deciding pod's.

    A Job that is suspended waits: for a queue that admits it, or for who suspended it.
    """
    conditions = {item.type: item for item in (job.status.conditions if job.status else None) or [] if item.status == _TRUE}
    deciding = deciding_pods(job, pods)
    ended = _decisive_end(deciding[-1]) if deciding else None
    code = ended.exitCode if ended else None
    if written := read_end(job):
        return written
    if asked := (job.metadata.annotations or {}).get(STOP):
        never_ran = job.spec.suspend and not pods
        # A sidecar that ends for nobody keeps the Job from its end until its deadline: then its pods are gone.
        has_ended = "Complete" in conditions or "Failed" in conditions or never_ran or (pods and all(map(main_end, pods)))
        return _stopped_state(asked, code) if has_ended and not any(map(is_running, pods)) else State(None, STOPPING)
    if "Complete" in conditions:
        return State(Status.COMPLETED, "Complete", exit_code=0)
    if "Failed" in conditions:
        failed = conditions["Failed"]
        message = _message(deciding[-1], ended) if ended else ""
        loss = describe_loss(str(failed.reason), pods, deciding[-1] if deciding else None)
        # The reason of a Job that ran out of time or of retries is its own, where its container says nothing.
        told = "; ".join(part for part in (message or str(failed.message or ""), loss) if part)
        return State(Status.FAILED, str(failed.reason or "Failed"), told, code)
    return dataclasses.replace(_open_state(job, pods), attempt=_attempt_of(job))


def _attempt_of(job: Any) -> str:
    """`attempt 2 of 3` for a Job of one pod that has failed before. backoffLimit is 6 where it is not said (API reference)."""
    failed, spec = (job.status.failed if job.status else None) or 0, job.spec
    if not failed or (spec.completions or 1) != 1 or (spec.parallelism or 1) != 1:
        return ""
    most = 1 + (6 if spec.backoffLimit is None else spec.backoffLimit)
    # Pods that lost their nodes count as failed, and take nothing of the limit.
    return f"attempt {failed + 1} of {most}" if failed < most else f"attempt {failed + 1}"


def _open_state(job: Any, pods: Sequence[Any]) -> State:
    """That of a Job that has not ended."""
    if job.spec.suspend and not any(map(is_running, pods)):
        return State(None, SUSPENDED, _suspended_by(job), is_waiting=True)
    if end := held_end(job, pods):
        return State(None, HELD_UP, describe_held(end, pods), is_waiting=True)
    return _running_state(pods)


def _stopped_state(asked: str, code: int | None) -> State:
    """The end of a Job that we ended, by what was written on it then."""
    word, _, reason = asked.partition(": ")
    return State(Status.FAILED, word, reason) if reason else State(Status.STOPPED, STOPPED, exit_code=code)


def _running_state(pods: Sequence[Any]) -> State:
    """The state by pods: the last one's phase, unless one of them has yet to begin."""
    wait = explain_pods(pods)
    if wait:
        is_waiting = not any(is_running(pod) for pod in pods)
        return State(None, wait.phase, wait.reason, is_waiting=is_waiting)
    if not pods:
        return State(None, PENDING, is_waiting=True)
    return State(None, str(pods[-1].status.phase or PENDING) if pods[-1].status else PENDING)


def _suspended_by(job: Any) -> str:
    """Whose queue a Job stands in (kueue.sigs.k8s.io/docs/tasks/run/jobs), as far as it says."""
    queue = (job.metadata.labels or {}).get(_QUEUE)
    return f"it waits in the queue {queue}" if queue else "it goes on when its `suspend` is taken away"


def _message(pod: Any, ended: Any) -> str:
    """What a pod's end is explained by: our container's message, or which init container ended it and how."""
    init = failed_init_container(pod)
    beside = next((found for found in containers_beside(pod) if found[1].terminated and found[1].terminated.exitCode), None)
    if beside and not ended.exitCode:
        return f"container {beside[0]} beside it {describe_end(beside[1].terminated)}"
    if init and init[1] is ended:
        return f"init container {init[0]} {describe_end(init[1])}"
    killed = "OOMKilled: it took more than `memory_mib`" if ended.reason == "OOMKilled" else ""
    return "; ".join(part for part in (str(ended.message or ""), killed) if part)


def deployment_state(deployment: Any, pods: Sequence[Any] = ()) -> State:
    """A Deployment has come to its end when it serves, or when it did not within its progress deadline."""
    status = deployment.status
    conditions = {item.type: item for item in (status.conditions if status else None) or []}
    wanted = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    # What its controller has not looked at yet is told of what was.
    if ((status.observedGeneration if status else None) or 0) < (deployment.metadata.generation or 0):
        return State(None, "Progressing", is_waiting=True)
    if wanted == 0:
        return State(Status.STOPPED, "ScaledToZero")
    wait = explain_pods(pods)
    reason, refused = wait.text if wait else "", conditions.get("ReplicaFailure")
    if not reason and refused and refused.status == _TRUE:
        reason = Wait(str(refused.reason or refused.type), one_line(refused.message)).text
    progress, available = conditions.get("Progressing"), conditions.get("Available")
    if progress and progress.reason == _DEADLINE_EXCEEDED:
        told = "; ".join(part for part in (one_line(progress.message), reason) if part)
        return State(Status.FAILED, _DEADLINE_EXCEEDED, told)
    ready = (status.readyReplicas if status else None) or 0
    updated = (status.updatedReplicas if status else None) or 0
    if available and available.status == _TRUE and ready >= wanted and updated >= wanted:
        return State(Status.COMPLETED, "Available")
    # One that crashes again and again runs in between.
    has_begun = ready > 0 or any(is_running(pod) and not has_restarted(pod) for pod in pods)
    return State(None, f"{ready} of {wanted} ready", reason, is_waiting=not has_begun)


def job_times(job: Any) -> tuple[datetime | None, datetime | None, datetime | None]:
    """When a Job was created, started and ended, by the cluster's clock. A failed one has no completionTime."""
    created = job.metadata.creationTimestamp
    started = (job.status.startTime if job.status else None) or created
    completed = job.status.completionTime if job.status else None
    changes = [item.lastTransitionTime for item in (job.status.conditions if job.status else None) or []]
    return created, started, completed or max(changes, default=started)


def deciding_pods(job: Any, pods: Sequence[Any]) -> list[Any]:
    """The pod of the host that failed first, of those that nobody ended; before it those of its host that lost their nodes.

    Empty where no pod has ended.
    """
    # Without `parallelism` nothing is known of the Job's pods, and each is a host.
    is_single = job.spec.parallelism == 1
    ended = [pod for pod in pods if _decisive_end(pod)]
    attempts = {number: _attempt(pod, 0 if is_single else number) for number, pod in enumerate(ended)}
    lost = [number for number in attempts if disruption(ended[number])]
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
    end = _decisive_end(pod)
    ended_at = end.finishedAt.timestamp() if end.finishedAt else 0.0
    deleted_at = None
    if pod.metadata.deletionTimestamp:  # when its grace is over (API reference, ObjectMeta)
        deleted_at = pod.metadata.deletionTimestamp.timestamp() - (pod.metadata.deletionGracePeriodSeconds or 0)
    return Attempt(
        host=number if _index(pod) is None else host_of(pod),
        exit_code=end.exitCode,
        ended_at=ended_at,
        is_failed=bool(end.exitCode),
        is_ended_by_platform=deleted_at is not None and ended_at >= deleted_at,
    )


def host_of(pod: Any) -> int:
    """The index of a pod among a Job's hosts; 0 where the Job has no indexes."""
    return int(_index(pod) or 0)


def _index(pod: Any) -> str | None:
    index: str | None = (pod.metadata.annotations or {}).get(_INDEX)
    return index


def _decisive_end(pod: Any) -> Any:
    """How our container ended, or the init container that kept it from beginning; None where neither has."""
    end = main_end(pod)
    if end is None and (init := failed_init_container(pod)):
        return init[1]
    return end
