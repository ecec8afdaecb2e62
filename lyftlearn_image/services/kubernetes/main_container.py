"""Our container among a pod's: a mesh or an agent may stand beside it, before or after it, and end first or never.

A webhook may add containers to every pod, and the API has their statuses in an order of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN = "main"
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def main_name(pod: Any) -> str:
    """The container that is the job: `main`, as we name it; of a pod that is not ours the one that kubectl would take."""
    names = [container.name for container in pod.spec.containers] if pod.spec else []
    if MAIN in names or not names:
        return MAIN
    chosen = (pod.metadata.annotations or {}).get(_DEFAULT_CONTAINER)
    return str(chosen if chosen in names else names[0])


def main_status(pod: Any) -> Any:
    """What the kubelet says of our container; None where it has said nothing yet."""
    name = main_name(pod)
    statuses = (pod.status.containerStatuses if pod.status else None) or []
    return next((status for status in statuses if status.name == name), None)


def main_end(pod: Any) -> Any:
    """How our container ended; None where it has not."""
    status = main_status(pod)
    return status.state.terminated if status and status.state else None


def has_ended(pod: Any) -> bool:
    """Whether our container writes no more: it has ended and is not started again, or its pod has ended without it."""
    end = main_end(pod)
    policy = pod.spec.restartPolicy if pod.spec else None
    restarts = policy == "Always" or (policy == "OnFailure" and end is not None and end.exitCode != 0)
    return (end is not None and not restarts) or bool(pod.status and pod.status.phase in {"Succeeded", "Failed"})


def containers_beside(pod: Any) -> Iterator[tuple[str, Any]]:
    """The other containers by name, each with its state. Native sidecars are init containers and not among them."""
    name = main_name(pod)
    for status in (pod.status.containerStatuses if pod.status else None) or []:
        if status.name != name and status.state:
            yield status.name, status.state
