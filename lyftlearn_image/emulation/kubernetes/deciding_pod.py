"""Which pod, and which of its containers, tells how a Job ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.pod_status import Terminated
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.runs.first_failure import Attempt, first_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.kubernetes.job_controller import JobStatus, PodRecord
    from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus


def deciding_pod(job: JobStatus, spec: Mapping[str, Any]) -> PodRecord:
    """The pod that failed first of those that nobody ended, or for a complete Job that of the lowest index.

    Of a Job that was deleted, or that had no time left, it is one of those that ran till then, whatever failed before.
    Raises InvalidInputError for a Job that made none.
    """
    if not job.pods:
        raise InvalidInputError("the Job made no pod", hint="Say how many completions it needs.")
    succeeded = [pod for pod in job.pods if pod.status.phase == "Succeeded"]
    if job.is_complete and succeeded:
        return min(succeeded, key=lambda pod: pod.index or 0)
    # A pod that lost its node is made again, or is the end of the Job where nobody makes it again: then there is no other.
    pods = [pod for pod in job.pods if not pod.status.is_disrupted] or list(job.pods)
    if not job.conditions or job.is_past_deadline:
        pods = [pod for pod in pods if pod.deleted_at is not None] or pods
    is_parallel = int(spec.get("parallelism") or 1) > 1
    return pods[first_failure([_attempt(pod, number if is_parallel else 0) for number, pod in enumerate(pods)])]


def decisive_end(status: PodStatus) -> Terminated:
    """The end of the main container that failed first, else of the first; of init containers where no main one has run."""
    mains = [container.terminated for container in status.containers if container.terminated]
    inits = [container.terminated for container in status.init_containers if container.terminated]
    ends = mains or inits or [Terminated(1, status.reason or "Pending")]
    return min((end for end in ends if end.exit_code), key=lambda end: end.finished_at, default=ends[0])


def _attempt(pod: PodRecord, number: int) -> Attempt:
    """A pod as an attempt of the host with its index, or where it has none with this number."""
    end = decisive_end(pod.status)
    return Attempt(
        host=number if pod.index is None else pod.index,
        exit_code=end.exit_code,
        ended_at=end.finished_at,
        is_failed=pod.status.phase != "Succeeded",
        is_ended_by_platform=pod.deleted_at is not None and not 0.0 < end.finished_at < pod.deleted_at,
    )
