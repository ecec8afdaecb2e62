"""Ends a Job so that what it has done is kept: SIGTERM and its grace, checkpoints and uploads, its log and its exit code.

The signal is sent inside the container, whose PID 1 is the shim: the pod then ends by itself, and stays to be read. All other
ways (`suspend`, `parallelism: 0`, deleting or evicting the pod) take the pod away, and its log and exit code with it; a Job's
deadline does too, and is what remains where the command may not be executed, or is not heard. Of a running Job
`backoffLimit` and `activeDeadlineSeconds` may be changed (kubernetes/kubernetes pkg/apis/batch/validation,
ValidateJobSpecUpdate), so that no pod is made in place of the one that ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightkube.resources.batch_v1 import Job

from lyftlearn_image.services.kubernetes.job_state import STOP, STOPPED, job_state
from lyftlearn_image.services.kubernetes.main_container import main_name
from lyftlearn_image.services.kubernetes.waiting import is_running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.retry import Clock
    from lyftlearn_image.services.kubernetes.api import ClusterApi

# A builtin of every shell; images without procps have no program of this name.
_TERMINATE = ("/bin/sh", "-c", "kill -TERM 1")
_DEFAULT_GRACE_S = 30
# The clocks of this machine and of the cluster are not the same one.
_SLACK_S = 10
_AT_ONCE = 0


def stop_job(api: ClusterApi, name: str, clock: Clock, why: str = STOPPED) -> None:
    """Ends a Job, if it has not ended: who does not end within its grace after SIGTERM is killed by the cluster.

    `why` is what the Job then says of its end: the word for a stop, or `<word>: <reason>` for a failure.
    """
    job, pods = api.get_job(name), api.list_pods(name)
    if job_state(job, pods).status is not None:
        return
    running = [pod for pod in pods if is_running(pod)]
    deadline_s = _deadline_s(job, clock.wall()) if running else _AT_ONCE
    # So many pods have failed already: the next one is the last.
    spec = {"activeDeadlineSeconds": deadline_s, "backoffLimit": (job.status.failed if job.status else None) or 0}
    api.patch(Job, name, {"metadata": {"annotations": {STOP: why}}, "spec": spec}, f"stopping Job {name}")
    deaf = [pod.metadata.name for pod in running if not api.execute(pod.metadata.name, main_name(pod), _TERMINATE)]
    if deaf and _still_running(api, name, deaf):
        api.patch(Job, name, {"spec": {"activeDeadlineSeconds": _AT_ONCE}}, f"stopping Job {name}")


def _still_running(api: ClusterApi, name: str, pods: Sequence[str]) -> bool:
    return any(pod.metadata.name in pods and is_running(pod) for pod in api.list_pods(name))


def _deadline_s(job: Any, now_s: float) -> int:
    """Seconds after its start until which a Job has its grace; no later than it had to end before."""
    started = job.status.startTime if job.status else None
    elapsed_s = now_s - started.timestamp() if started else 0.0
    grace_s = job.spec.template.spec.terminationGracePeriodSeconds
    wanted = max(_AT_ONCE, round(elapsed_s)) + (_DEFAULT_GRACE_S if grace_s is None else grace_s) + _SLACK_S
    before = job.spec.activeDeadlineSeconds
    return wanted if before is None else min(wanted, before)
