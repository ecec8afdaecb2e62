"""Runs one pod from its sandbox to its end, and leaves nothing of it on the engine.

Sources: kubernetes.io/docs "Pod Lifecycle", "Init Containers", "Sidecar Containers"; recorded in pods, cases 09, 11 and 12.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.kubernetes.admission import admit
from lyftlearn_image.emulation.kubernetes.container import PodContext, automounts_token, kernel_hostname, write_etc_files
from lyftlearn_image.emulation.kubernetes.discovery import Discovery
from lyftlearn_image.emulation.kubernetes.eviction import EVICTION_GRACE_S, StorageUsage, monitor_storage
from lyftlearn_image.emulation.kubernetes.pod_containers import (
    PodContainers,
    PodListeners,
    grace_period_s,
    plan_containers,
)
from lyftlearn_image.emulation.kubernetes.pod_status import Event, PodStatus, truncate_messages
from lyftlearn_image.emulation.kubernetes.sandbox import SandboxConfig, run_sandbox
from lyftlearn_image.emulation.kubernetes.volumes import PodVolumes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.emulation.docker.running_container import RunningContainer
    from lyftlearn_image.emulation.kubernetes.cluster import Pod
    from lyftlearn_image.emulation.kubernetes.container_lifecycle import ContainerLifecycle
    from lyftlearn_image.emulation.kubernetes.kubelet import Kubelet
    from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects


@dataclass(frozen=True)
class _Deletion:
    """Why a pod ends before its containers do (`DeadlineExceeded`, `Evicted` or no reason), and with which grace."""

    reason: str = ""
    message: str = ""
    grace_s: float | None = None
    is_disruption: bool = False


class PodRun:
    """One pod on the node. `run` gives its last status; the other methods may be called from other threads meanwhile.

    `prepared_at` is the monotonic time at which the first container could start, None before.
    """

    def __init__(self, pod: Pod, objects: NamespaceObjects, kubelet: Kubelet, workspace: Path, listeners: PodListeners) -> None:
        self.pod = pod = admit(pod, objects.service_accounts, kubelet.machine.credentials)
        self.prepared_at: float | None = None
        self._objects = objects
        self._kubelet = kubelet
        self._workspace = workspace
        self._listeners = listeners
        self._discovery = Discovery(pod, objects, kubelet)
        self._volumes = PodVolumes(workspace, pod, kubelet.cluster, objects)
        self._containers = PodContainers()
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._deletion: _Deletion | None = None
        deadline_s = pod.spec.get("activeDeadlineSeconds")
        self._deadline = math.inf if deadline_s is None else time.monotonic() + float(deadline_s)

    def run(self) -> PodStatus:
        """Runs the pod to its end. Whatever happens, nothing of it is left on the engine.

        ContainerConfigError for what would keep a real pod waiting for ever: in CreateContainerConfigError, or for a volume.
        """
        with contextlib.ExitStack() as stack:
            sandbox = self._start_sandbox(stack)
            stack.callback(self._discovery.withdraw)
            stack.callback(self._terminate)
            self._discovery.publish(is_ready=False)
            self._containers = self._plan(sandbox)
            self.prepared_at = time.monotonic()
            try:
                with monitor_storage(self.pod.spec, self._storage_usage, self._evict):
                    if self._run_init_containers():
                        self._run_main_containers()
                    self._terminate()
            except BaseException:
                # Nobody waits for the containers of a run that is given up.
                self.delete(grace_s=0.0)
                raise
            self._containers.raise_errors()
            return self.status()

    def status(self) -> PodStatus:
        """The present status."""
        init, main = self._containers.statuses()
        deletion = self._deletion or _Deletion()
        count = len(self.pod.containers)
        return PodStatus(
            phase="Failed" if deletion.reason else self._containers.phase(str(self.pod.spec.get("restartPolicy"))),
            init_containers=truncate_messages(init, count),
            containers=truncate_messages(main, count),
            reason=deletion.reason,
            message=deletion.message,
            events=tuple(self._events),
            is_disrupted=deletion.is_disruption,
        )

    def delete(self, reason: str = "", message: str = "", grace_s: float | None = None) -> None:
        """Requests the pod's termination, with the pod's own grace period by default. Returns at once."""
        self._request_end(_Deletion(reason, message, grace_s))

    def disrupt(self) -> None:
        """Evicts the pod as a drain of its node does (kubernetes.io/docs "API-initiated Eviction"). Returns at once."""
        self._request_end(_Deletion(is_disruption=True))

    def update(self, objects: NamespaceObjects) -> None:
        """Writes changed ConfigMaps and Secrets into the pod's volumes at once; a kubelet takes up to two minutes."""
        self._volumes.update(objects)

    @property
    def is_ready(self) -> bool:
        """Whether every container is ready."""
        return self._containers.is_ready

    def _request_end(self, deletion: _Deletion) -> None:
        with self._changed:
            if self._deletion is None:
                self._deletion = deletion
            self._changed.notify_all()

    def _start_sandbox(self, stack: contextlib.ExitStack) -> RunningContainer:
        """Writes the pod's files, sets its volumes up, and starts its sandbox; all is gone when the stack is closed."""
        machine, cluster = self._kubelet.machine, self._kubelet.cluster
        self._workspace.mkdir(parents=True, exist_ok=True)
        write_etc_files(self.pod, self._discovery.serve(stack), self._workspace)
        volumes = stack.enter_context(self._volumes.set_up(machine.containers, with_token=automounts_token(self.pod)))
        sysctls = (self.pod.spec.get("securityContext") or {}).get("sysctls") or ()
        config = SandboxConfig(
            name=f"{machine.containers.run_id}-{self.pod.name}",
            network=machine.network.name,
            ip=self.pod.ip,
            hostname=kernel_hostname(self.pod, cluster),
            sysctls={str(sysctl["name"]): str(sysctl["value"]) for sysctl in sysctls},
            volumes=volumes,
        )
        sandbox = stack.enter_context(run_sandbox(machine.containers, config))
        self._volumes.write_files()
        return sandbox

    def _plan(self, sandbox: RunningContainer) -> PodContainers:
        machine, cluster = self._kubelet.machine, self._kubelet.cluster
        context = PodContext(
            self.pod, cluster, self._objects, self._volumes, machine.platform_environment, self._workspace, sandbox.id
        )
        listeners = replace(self._listeners, on_change=self._notify)
        return plan_containers(context, machine.containers, listeners, self._events, cluster.restart_backoff_s)

    def _run_init_containers(self) -> bool:
        """Runs init containers one after the other; a sidecar only has to start. False where one fails or the pod ends."""
        for container in self._containers.init:
            container.start()
            if container.plan.is_sidecar:
                if not self._wait_for_sidecar(container):
                    return False
            elif (
                not self._wait(container.ended.is_set)
                or container.status.terminated is None
                or container.status.terminated.exit_code
            ):
                return False
        return True

    def _wait_for_sidecar(self, sidecar: ContainerLifecycle) -> bool:
        """Waits until the kubelet sees that a sidecar has started. False where the pod ends before.

        Its startup probe tells the kubelet at once. Without one the kubelet sees it running at its next relist, a second later
        at most (pkg/kubelet/pleg): here always after that second, so that what comes next does not depend on luck. A sidecar
        that needs longer to be of use has a startup probe.
        """
        if not self._wait(lambda: sidecar.status.started or sidecar.ended.is_set()):
            return False
        if "startupProbe" in sidecar.plan.container:
            return True
        seen_at = time.monotonic() + self._kubelet.cluster.relist_s
        return self._wait(lambda: time.monotonic() >= seen_at, until=seen_at)

    def _run_main_containers(self) -> None:
        """Starts each container when the postStart hook of the one before it is done, as the kubelet does."""
        for container in self._containers.main:
            container.start()
            if not self._wait(container.post_start_done.is_set):
                return
        self._wait(lambda: self._containers.have_ended)

    def _terminate(self) -> None:
        grace_s = self._deletion.grace_s if self._deletion else None
        self._containers.terminate(grace_period_s(self.pod) if grace_s is None else grace_s)

    def _wait(self, is_reached: Callable[[], bool], until: float = math.inf) -> bool:
        """Waits for a condition, which is asked at every change of the pod and at the monotonic time `until`.

        False where the pod is deleted, or its deadline is exceeded, before that.
        """
        with self._changed:
            while not is_reached():
                self._containers.raise_errors()
                if time.monotonic() >= self._deadline:
                    self.delete("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
                if self._deletion is not None:
                    return False
                next_s = min(self._deadline, until) - time.monotonic()
                self._changed.wait(None if next_s == math.inf else max(next_s, 0.0))
            self._containers.raise_errors()
            return self._deletion is None

    def _storage_usage(self) -> StorageUsage:
        containers = {container.name: container.storage_bytes() for container in self._containers}
        return StorageUsage(self._volumes.used_bytes(), containers)

    def _evict(self, message: str) -> None:
        self._events.append(Event("Evicted", message))
        self._request_end(_Deletion("Evicted", message, EVICTION_GRACE_S, is_disruption=True))

    def _notify(self) -> None:
        self._discovery.publish(is_ready=self.is_ready)
        with self._changed:
            self._changed.notify_all()
        if self._listeners.on_change:
            self._listeners.on_change()
