"""Why a pod does not run yet, in the words of who makes it wait: scheduler, kubelet, quota, admission.

Source: Kubernetes, "Pod Lifecycle" and "Debug Pods"; kubernetes/kubernetes pkg/kubelet/{container,images,events}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.services.kubernetes.main_container import main_name, main_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PENDING = "Pending"
# These say that the kubelet is at work, and nothing of what it is at: events do.
_AT_WORK = ("ContainerCreating", "PodInitializing")
_SHOWN_CHARACTERS = 500


@dataclass(frozen=True)
class Wait:
    """What a pod waits for: a word of the platform's, and its explanation, empty where there is none."""

    phase: str
    reason: str = ""

    @property
    def text(self) -> str:
        """Both, empty where nothing is explained."""
        return f"{self.phase}: {self.reason}" if self.reason else ""


def is_running(pod: Any) -> bool:
    """Whether our container runs. A sidecar's does not count."""
    status = main_status(pod)
    return bool(status and status.state and status.state.running is not None)


def has_restarted(pod: Any) -> bool:
    """Whether our container has ended before."""
    status = main_status(pod)
    return bool(status and status.restartCount)


def waits(pod: Any) -> bool:
    """Whether our container has yet to begin, or to begin again."""
    if not pod.status or pod.status.phase in ("Succeeded", "Failed"):
        return False
    status = main_status(pod)
    return status is None or status.state is None or status.state.waiting is not None


def explain_pods(pods: Sequence[Any]) -> Wait | None:
    """What the pods that wait say themselves; None where none waits. What keeps one from starting goes before what is usual."""
    waiting = [(pod, _explain(pod)) for pod in pods if waits(pod)]
    if not waiting:
        return None
    pod, wait = next((found for found in waiting if found[1].reason), waiting[0])
    more = f" (of {len(waiting)} pods that wait)" if len(waiting) > 1 and wait.reason else ""
    return Wait(wait.phase, f"pod {pod.metadata.name}: {wait.reason}{more}" if wait.reason else "")


def explain_events(events: Sequence[Any]) -> Wait | None:
    """What was told last of an object, if it is about what keeps it waiting."""
    # A second is as exact as most events' times are: of one second the warning is the one to show.
    latest = max(events, key=lambda event: (_time(event), event.type == "Warning"), default=None)
    if latest is None or (latest.type != "Warning" and latest.reason != "Pulling"):
        return None
    return Wait(str(latest.reason or PENDING), one_line(latest.message))


def failed_init_container(pod: Any) -> tuple[str, Any] | None:
    """The init container that ended a pod, by its name, and how it ended; None where all came through."""
    for status in (pod.status.initContainerStatuses if pod.status else None) or []:
        ended = status.state.terminated if status.state else None
        if ended and ended.exitCode:
            return status.name, ended
    return None


def one_line(text: str | None) -> str:
    """A message as one line of bounded length."""
    line = " ".join((text or "").split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"


def _explain(pod: Any) -> Wait:
    """What stands in the way first comes first: the node, the init containers, our container, then any other's."""
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return Wait(str(condition.reason or PENDING), one_line(condition.message))
    for status in pod.status.initContainerStatuses or []:
        if wait := _stuck(status, "Init:"):
            return wait
    name = main_name(pod)
    own_first = sorted(_statuses(pod), key=lambda status: status.name != name)
    for status in own_first:
        if wait := _stuck(status, ""):
            return wait
    reasons = (status.state.waiting.reason for status in own_first if status.state and status.state.waiting)
    return Wait(str(next(reasons, None) or pod.status.reason or pod.status.phase or PENDING), one_line(pod.status.message))


def _stuck(status: Any, prefix: str) -> Wait | None:
    """Why a container does not come to run; None where it does, or where nothing is known but that it is not there yet."""
    state = status.state
    if state is None:
        return None
    if state.waiting and state.waiting.reason and state.waiting.reason not in _AT_WORK:
        message = one_line(state.waiting.message) or "no message"
        return Wait(f"{prefix}{state.waiting.reason}", f"container {status.name}: {message}{_last_end(status)}")
    if prefix and state.terminated and state.terminated.exitCode:
        return Wait(f"{prefix}Error", f"container {status.name} {describe_end(state.terminated)}")
    return None


def describe_end(ended: Any) -> str:
    """How a container ended: its code, the kubelet's word, and what it has left as its message."""
    words = [str(ended.reason or ""), one_line(ended.message)]
    told = ": ".join(word for word in words if word)
    return f"ended with exit code {ended.exitCode}" + (f" ({told})" if told else "")


def _last_end(status: Any) -> str:
    """Of a container that is started over and over: how it ended the last time."""
    ended = status.lastState.terminated if status.lastState else None
    return f"; it {describe_end(ended)}" if ended else ""


def _statuses(pod: Any) -> Iterator[Any]:
    yield from (pod.status.containerStatuses if pod.status else None) or []


def _time(event: Any) -> float:
    """When an event came last. An event has its time in one of four fields, by who wrote it and how often it came."""
    series = event.series.lastObservedTime if event.series else None
    times = (series, event.lastTimestamp, event.eventTime, event.metadata.creationTimestamp)
    return max((time.timestamp() for time in times if time), default=0.0)
