"""The status of a pod as the kubelet reports it: the state of each container, the phase, the events.

Sources: kubernetes.io/docs "Pod Lifecycle" and pkg/kubelet; recorded in pods, cases 07, 08, 11 and 16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.runs.log_lines import read_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.running_container import ContainerExit

START_ERROR = 128
_MESSAGE_BYTES = 4096
_POD_MESSAGE_BYTES = 12 * 1024
# FallbackToLogsOnError: of the last 80 lines the last 2048 bytes (kubernetes pkg/kubelet/container/runtime.go).
_FALLBACK_LINES, _FALLBACK_BYTES = 80, 2048
_CONTAINERD_ERROR = "failed to create containerd task: failed to create shim task: "
_RUNC_ERROR = "OCI runtime create failed: runc create failed: unable to start container process"
# The engine looks at a workingDir before the runtime does.
_NO_DIRECTORY = re.compile(r"Cannot mkdir: (\S+) is not a directory")


@dataclass(frozen=True)
class Terminated:
    """The terminated state of a container. Times are seconds of the host's clock."""

    exit_code: int
    reason: str
    message: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0


@dataclass(frozen=True)
class ContainerStatus:
    """The state of a container: waiting (with a reason), running or terminated; and the end of the run before it."""

    name: str
    waiting: str | None = "ContainerCreating"
    terminated: Terminated | None = None
    last_terminated: Terminated | None = None
    restart_count: int = 0
    started: bool = False
    ready: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it is neither waiting nor terminated."""
        return self.waiting is None and self.terminated is None


@dataclass(frozen=True)
class Event:
    """One event as `kubectl describe pod` shows it. `container` is empty for an event of the pod itself."""

    reason: str
    message: str
    container: str = ""


@dataclass(frozen=True)
class PodStatus:
    """The status of a pod. `reason` is `DeadlineExceeded`, `Evicted` or empty.

    `is_disrupted`: the pod has the condition DisruptionTarget (kubernetes.io/docs "Disruptions").
    """

    phase: str
    init_containers: tuple[ContainerStatus, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()
    reason: str = ""
    message: str = ""
    events: tuple[Event, ...] = ()
    is_disrupted: bool = False

    def container(self, name: str) -> ContainerStatus:
        """The status of one container or init container."""
        return next(status for status in (*self.containers, *self.init_containers) if status.name == name)

    @property
    def restart_count(self) -> int:
        """The restarts of all its containers."""
        return sum(status.restart_count for status in (*self.init_containers, *self.containers))


def pod_phase(init_containers: Iterable[ContainerStatus], containers: Iterable[ContainerStatus]) -> str:
    """The phase of a pod none of whose containers is restarted. Sidecars are left out (recorded in pods, case 11)."""
    init_failed = any(status.terminated and status.terminated.exit_code for status in init_containers)
    ends = [status.terminated for status in containers]
    if init_failed or any(end is not None and end.exit_code for end in ends):
        return "Failed"
    return "Succeeded" if ends and all(ends) else "Running"


def terminated_state(container: Mapping[str, Any], ended: ContainerExit, message_file: Path, log: bytes) -> Terminated:
    """The terminated state of a container's run, with its reason and its termination message. `log` is the end of its log."""
    is_start_error = bool(ended.error) and ended.exit_code == START_ERROR
    message = (
        _start_error(ended.error) if is_start_error else _termination_message(container, ended.exit_code, message_file, log)
    )
    if ended.oom_killed:
        reason = "OOMKilled"
    elif is_start_error:
        reason = "StartError"
    else:
        reason = "Error" if ended.exit_code else "Completed"
    return Terminated(ended.exit_code, reason, message, ended.started_at, ended.finished_at)


def truncate_messages(statuses: tuple[ContainerStatus, ...], containers: int) -> tuple[ContainerStatus, ...]:
    """Statuses whose messages share the 12 KiB of a pod equally among its containers (status_manager.go; case 08)."""
    share = _POD_MESSAGE_BYTES // max(containers, 1)
    return tuple(
        replace(status, terminated=_truncate(status.terminated, share)) if status.terminated else status for status in statuses
    )


def _truncate(terminated: Terminated, size: int) -> Terminated:
    return replace(terminated, message=terminated.message.encode()[:size].decode("utf-8", "ignore"))


def _start_error(text: str) -> str:
    """What containerd's CRI makes of the runtime's error, and of the engine's own (recorded in pods, cases 16 and p26)."""
    if file := _NO_DIRECTORY.search(text):
        text = f"{_RUNC_ERROR}: error during container init: mkdir {file[1]}: not a directory"
    _, found, reason = text.partition("OCI runtime create failed: ")
    return _CONTAINERD_ERROR + found + reason.removesuffix(": unknown") if found else text


def _termination_message(container: Mapping[str, Any], exit_code: int, message_file: Path, log: bytes) -> str:
    """The file's last 4096 bytes, or the end of the log where the policy says so (recorded in pods, case 08)."""
    text = read_end(message_file, _MESSAGE_BYTES)
    if not text and exit_code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        lines = log.splitlines(keepends=True)
        text = b"".join(lines[-_FALLBACK_LINES:])[-_FALLBACK_BYTES:]
    return text.decode("utf-8", "replace")
