"""What the kubelet reports about a pod: the state of each container, the phase, the events.

Sources: kubernetes.io/docs "Pod Lifecycle" and pkg/kubelet; recorded in pods, cases 07, 08, 11 and 16.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.running_container import ContainerExit

START_ERROR = 128
_TERMINATION_BYTES = 4096
_POD_TERMINATION_BYTES = 12 * 1024
# FallbackToLogsOnError: the last 80 lines, of them the last 2048 bytes (kubernetes pkg/kubelet/container/runtime.go).
_FALLBACK_LINES, _FALLBACK_BYTES = 80, 2048


@dataclass(frozen=True)
class Terminated:
    """How one run of a container ended. Times are seconds of the host's clock."""

    exit_code: int
    reason: str
    message: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0


@dataclass(frozen=True)
class ContainerStatus:
    """The state of a container: waiting for a reason, running, or terminated; and how the run before it ended."""

    name: str
    waiting: str | None = "ContainerCreating"
    terminated: Terminated | None = None
    last: Terminated | None = None
    restart_count: int = 0
    started: bool = False
    ready: bool = False

    @property
    def is_running(self) -> bool:
        """Neither waiting nor terminated."""
        return self.waiting is None and self.terminated is None


@dataclass(frozen=True)
class Event:
    """One event about a pod, as `kubectl describe` shows them: `container` is empty for one about the pod."""

    reason: str
    message: str
    container: str = ""


@dataclass(frozen=True)
class PodStatus:
    """The status of a pod. `reason` is `DeadlineExceeded`, `Evicted` or empty.

    `is_disrupted`: it has the condition DisruptionTarget (kubernetes.io/docs "Disruptions").
    """

    phase: str
    init_containers: tuple[ContainerStatus, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()
    reason: str = ""
    message: str = ""
    events: tuple[Event, ...] = field(default=())
    is_disrupted: bool = False

    def container(self, name: str) -> ContainerStatus:
        """The status of one container, an init container's too."""
        return next(one for one in (*self.containers, *self.init_containers) if one.name == name)


def phase_of(init_containers: Iterable[ContainerStatus], containers: Iterable[ContainerStatus]) -> str:
    """The phase of a pod whose containers will not be restarted: sidecars do not count (recorded in pods, case 11)."""
    failed = [one for one in init_containers if one.terminated and one.terminated.exit_code]
    ends = [one.terminated for one in containers]
    if failed or any(end is not None and end.exit_code for end in ends):
        return "Failed"
    return "Succeeded" if ends and all(ends) else "Running"


def terminated(container: Mapping[str, Any], ended: ContainerExit, message_file: Path, log_text: bytes) -> Terminated:
    """The terminated state of a container's run, with its reason and message."""
    is_start_error = bool(ended.error) and ended.exit_code == START_ERROR
    message = ended.error if is_start_error else _message(container, ended.exit_code, message_file, log_text)
    if ended.oom_killed:
        reason = "OOMKilled"
    elif is_start_error:
        reason = "StartError"
    else:
        reason = "Error" if ended.exit_code else "Completed"
    return Terminated(ended.exit_code, reason, message, ended.started_at, ended.finished_at)


def cut_messages(statuses: tuple[ContainerStatus, ...], containers: int) -> tuple[ContainerStatus, ...]:
    """Statuses whose messages are at most 12 KiB together: an equal share for each (status_manager.go; case 08)."""
    share = _POD_TERMINATION_BYTES // max(containers, 1)
    return tuple(
        replace(one, terminated=replace(one.terminated, message=_cut(one.terminated.message, share))) if one.terminated else one
        for one in statuses
    )


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore")


def _message(container: Mapping[str, Any], exit_code: int, message_file: Path, log_text: bytes) -> str:
    """The file's last 4096 bytes, or the log's end where the policy says so (recorded in pods, case 08)."""
    text = message_file.read_bytes()[-_TERMINATION_BYTES:] if message_file.is_file() else b""
    if not text and exit_code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        lines = log_text.splitlines(keepends=True)
        text = b"".join(lines[-_FALLBACK_LINES:])[-_FALLBACK_BYTES:]
    return text.decode("utf-8", "replace")
