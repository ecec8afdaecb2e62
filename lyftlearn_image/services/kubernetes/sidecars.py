"""Jobs whose work is done while containers beside ours run on: a mesh or an agent that no webhook made a native sidecar.

Such a pod never ends, and its Job neither completes nor fails (Kubernetes, "Sidecar Containers": "... do not prevent the Job
from completing" holds for native ones alone). Who waits for the Job writes its end on it, and lets its deadline end the rest.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from lightkube.resources.batch_v1 import Job

from lyftlearn_image.run import State, Status
from lyftlearn_image.services.kubernetes.annotations import END
from lyftlearn_image.services.kubernetes.main_container import containers_beside, main_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.services.kubernetes.api import ClusterApi

# On a Job that was ended so: its state.
HELD_UP = "SidecarsRunning"
# Most sidecars see that our container has ended, and end soon after it.
GRACE_S = 30.0
_SOON_S = 1


def held_end(job: Any, pods: Sequence[Any]) -> State | None:
    """How a Job ends of which only containers beside ours still run; None where ours runs, or is yet to run, on any host."""
    hosts = job.spec.completions or 1
    alive = [pod for pod in pods if pod.status and pod.status.phase not in {"Failed", "Unknown"}]
    ends = [main_end(pod) for pod in alive]
    held = [pod for pod in alive if pod.status.phase == "Running" and not pod.metadata.deletionTimestamp]
    if not held or None in ends:
        return None
    failed = next((end for end in ends if end.exitCode), None)
    if failed is not None:
        return State(Status.FAILED, "Failed", str(failed.message or ""), failed.exitCode)
    return State(Status.COMPLETED, "Complete", exit_code=0) if len(ends) >= hosts else None


def describe_held(end: State, pods: Sequence[Any]) -> str:
    """What keeps a Job from its end."""
    names = sorted({name for pod in pods for name, state in containers_beside(pod) if state.running})
    return f"main has ended with exit code {end.exit_code}, and {', '.join(names)} beside it has not"


def end_held_job(api: ClusterApi, job: Any, end: State) -> None:
    """Writes the end on a Job, and has the cluster end what is left of it, without another attempt."""
    fields = dataclasses.asdict(end)
    told = json.dumps({name: fields[name] for name in ("status", "phase", "reason", "exit_code")})
    spec = {"activeDeadlineSeconds": _SOON_S, "backoffLimit": (job.status.failed if job.status else None) or 0}
    name = job.metadata.name
    api.patch(Job, name, {"metadata": {"annotations": {END: told}}, "spec": spec}, f"ending Job {name}")
