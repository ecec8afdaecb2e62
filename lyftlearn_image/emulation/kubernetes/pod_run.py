"""The life of one pod: sandbox, volumes, init containers and sidecars, containers, termination; and nothing left.

Sources: kubernetes.io/docs "Pod Lifecycle", "Init Containers", "Sidecar Containers"; recorded in pods, cases 09, 11 and 12.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.admission import admitted
from lyftlearn_image.emulation.kubernetes.container import (
    Surroundings,
    container_spec,
    shown_hostname,
    wants_token,
    write_system_files,
)
from lyftlearn_image.emulation.kubernetes.container_lifecycle import Life, Plan
from lyftlearn_image.emulation.kubernetes.discovery import Discovery
from lyftlearn_image.emulation.kubernetes.eviction import EVICTION_GRACE_S, Usage, watching
from lyftlearn_image.emulation.kubernetes.pod_status import ContainerStatus, Event, PodStatus, cut_messages, phase_of
from lyftlearn_image.emulation.kubernetes.sandbox import sandbox
from lyftlearn_image.emulation.kubernetes.volumes import Volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.aws.credentials import ContainerCredentials
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.dns import ClusterDns
    from lyftlearn_image.emulation.kubernetes.environment import Objects

DEFAULT_GRACE_S = 30


@dataclass(frozen=True)
class Node:
    """Where pods run: the engine, its network, the cluster that they believe in, what each container is given besides.

    `identity` serves the pods' AWS identity; without it the cluster has no webhook for that.
    """

    containers: Containers
    network: Network
    cluster: Cluster
    platform: Mapping[str, str]
    dns: ClusterDns
    identity: ContainerCredentials | None = None


@dataclass(frozen=True)
class Deletion:
    """Why a pod is ended before its own end (`DeadlineExceeded`, `Evicted`, or no reason), and with which grace."""

    reason: str = ""
    message: str = ""
    grace_s: float | None = None
    is_disruption: bool = False


class PodRun:
    """One pod on the node. `run` gives its last status; the other methods may be called from other threads meanwhile."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a pod is run with
        self,
        pod: Pod,
        objects: Objects,
        node: Node,
        workspace: Path,
        on_line: Callable[[str], None] | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.pod = pod = admitted(pod, objects.service_accounts, node.identity)
        # Monotonic time at which the first container could be started, None before.
        self.prepared: float | None = None
        self._objects = objects
        self._node = node
        self._workspace = workspace
        self._on_line = on_line
        self._on_change = on_change
        self._discovery = Discovery(pod, node.cluster, objects, node.dns)
        self._volumes = Volumes(workspace, pod, node.cluster, objects)
        self._lives: list[Life] = []
        self._init: list[Life] = []
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._deleted: Deletion | None = None
        deadline = pod.spec.get("activeDeadlineSeconds")
        self._deadline = None if deadline is None else time.monotonic() + float(deadline)

    def run(self) -> PodStatus:
        """Runs the pod to its end; whatever happens, nothing of it is left on the engine.

        ConfigError for what leaves a real pod waiting for ever: CreateContainerConfigError, or a volume's missing object.
        """
        with contextlib.ExitStack() as stack:
            self._workspace.mkdir(parents=True, exist_ok=True)
            write_system_files(self.pod, self._discovery.serve(stack), self._workspace)
            in_memory = stack.enter_context(self._volumes.laid_out(self._node.containers, with_token=wants_token(self.pod)))
            holder = stack.enter_context(
                sandbox(
                    self._node.containers,
                    f"{self._node.containers.run_id}-{self.pod.name}",
                    network=self._node.network.name,
                    ip=self.pod.ip,
                    hostname=shown_hostname(self.pod, self._node.cluster),
                    sysctls=_sysctls(self.pod),
                    volumes=in_memory,
                )
            )
            stack.callback(self._discovery.withdraw)
            stack.callback(self._terminate)
            self._discovery.publish(is_ready=False)
            self._plan(holder.id)
            self.prepared = time.monotonic()
            try:
                with watching(self.pod.spec, self._measure, self._evict):
                    if self._initialize():
                        self._run_containers()
                    self._terminate()
            except BaseException:
                # Nobody waits for the end of what is given up.
                self.delete(grace_s=0.0)
                raise
            self._raise_errors()
            return self.status()

    def status(self) -> PodStatus:
        """The status as it is now."""
        init, mains = (tuple(life.status for life in lives) for lives in (self._init, self._lives))
        if init:
            mains = tuple(replace(one, waiting="PodInitializing") if one.waiting else one for one in mains)
        everyone = len(self.pod.spec["containers"]) + len(self.pod.spec.get("initContainers") or ())
        deleted = self._deleted or Deletion()
        return PodStatus(
            phase="Failed" if deleted.reason else self._phase(init, mains),
            init_containers=cut_messages(init, everyone),
            containers=cut_messages(mains, everyone),
            reason=deleted.reason,
            message=deleted.message,
            events=tuple(self._events),
            is_disrupted=deleted.is_disruption,
        )

    def delete(self, reason: str = "", message: str = "", grace_s: float | None = None) -> None:
        """Asks for the pod's termination, with its own grace unless another is given. Returns at once."""
        self._end(Deletion(reason, message, grace_s))

    def disrupt(self) -> None:
        """Drains the pod's node: as `delete`, by the Eviction API (kubernetes.io/docs "API-initiated Eviction")."""
        self._end(Deletion(is_disruption=True))

    def _end(self, deletion: Deletion) -> None:
        with self._changed:
            if self._deleted is None:
                self._deleted = deletion
            self._changed.notify_all()

    def update(self, objects: Objects) -> None:
        """Shows changed ConfigMaps and Secrets in the pod's volumes, at once; a kubelet takes up to two minutes."""
        self._volumes.update(objects)

    @property
    def is_ready(self) -> bool:
        """Whether every container is ready."""
        return bool(self._lives) and all(life.status.ready for life in self._lives)

    def _measure(self) -> Usage:
        lives = (*self._lives, *self._init)
        return Usage(self._volumes.used_bytes(), {life.name: life.written_bytes() for life in lives})

    def _evict(self, message: str) -> None:
        self._events.append(Event("Evicted", message))
        self._end(Deletion("Evicted", message, EVICTION_GRACE_S, is_disruption=True))

    def _phase(self, init: tuple[ContainerStatus, ...], mains: tuple[ContainerStatus, ...]) -> str:
        if not any(life.status.waiting is None for life in (*self._init, *self._lives)):
            return "Pending"
        if all(life.over.is_set() for life in self._lives):
            return phase_of((), mains)
        ordinary = [one for one, life in zip(init, self._init, strict=True) if not _is_sidecar(life) and life.over.is_set()]
        return "Failed" if phase_of(ordinary, ()) == "Failed" and self.pod.spec.get("restartPolicy") == "Never" else "Running"

    def _plan(self, holder: str) -> None:
        """Everything that can be wrong in the manifest is found before the first container starts."""
        around = Surroundings(
            self.pod,
            self._node.cluster,
            self._objects,
            self._volumes,
            self._node.platform,
            self._workspace,
            holder,
        )
        spec = self.pod.spec
        for container in spec.get("initContainers") or ():
            self._init.append(self._life(container, around, _init_policy(container, spec), is_first=False))
        for position, container in enumerate(spec["containers"]):
            policy = str(spec.get("restartPolicy") or "Always")
            self._lives.append(self._life(container, around, policy, is_first=position == 0))

    def _life(self, container: Mapping[str, Any], around: Surroundings, policy: str, *, is_first: bool) -> Life:
        """A container's life. The first container's output is the pod's: `stdout` and `stderr` in the workspace."""
        directory = self._workspace / "containers" / str(container["name"])
        directory.mkdir(parents=True)
        output = self._workspace if is_first else directory
        plan = Plan(
            container=container,
            spec=replace(container_spec(container, around, self._node.containers), name=f"{self.pod.name}-{container['name']}"),
            directory=directory,
            stdout=output / "stdout",
            stderr=output / "stderr",
            restart_policy=policy,
            grace_s=self._grace_s(),
            backoff_s=self._node.cluster.restart_backoff_s,
            ip=self.pod.ip,
            on_line=self._on_line if is_first else None,
        )
        return Life(plan, self._node.containers, self._notify, self._events)

    def _initialize(self) -> bool:
        """Init containers one after the other; a sidecar need only have started. False where one fails or time is up."""
        for life in self._init:
            life.start()
            if _is_sidecar(life):
                if not self._wait(lambda life=life: life.status.started or life.over.is_set()):  # type: ignore[misc]
                    return False
                continue
            if not self._wait(life.over.is_set) or life.status.terminated is None or life.status.terminated.exit_code:
                return False
        return True

    def _run_containers(self) -> None:
        """Each is started when the hook of the one before it is done, as the kubelet does."""
        for life in self._lives:
            life.start()
            if not self._wait(life.hooked.is_set):
                return
        self._wait(lambda: all(life.over.is_set() for life in self._lives))

    def _terminate(self) -> None:
        """Containers at once, then sidecars from the last to the first, all within the same grace."""
        asked = self._deleted.grace_s if self._deleted else None
        grace = self._grace_s() if asked is None else asked
        order = [*self._lives, *reversed([life for life in self._init if not life.over.is_set()])]
        threads = []
        for position, life in enumerate(order):
            before = [] if life in self._lives else order[:position]
            threads.append(threading.Thread(target=life.terminate, args=(grace, _turn_after(before))))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _grace_s(self) -> float:
        seconds = self.pod.spec.get("terminationGracePeriodSeconds")
        return float(DEFAULT_GRACE_S if seconds is None else seconds)

    def _wait(self, is_reached: Callable[[], bool]) -> bool:
        """Waits for a condition: False where the pod is deleted or its time is up before."""
        with self._changed:
            while not is_reached():
                self._raise_errors()
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    self.delete("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
                if self._deleted is not None:
                    return False
                self._changed.wait(left)
            self._raise_errors()
            return self._deleted is None

    def _raise_errors(self) -> None:
        for life in (*self._init, *self._lives):
            if life.error is not None:
                raise life.error

    def _notify(self) -> None:
        self._discovery.publish(is_ready=self.is_ready)
        with self._changed:
            self._changed.notify_all()
        if self._on_change:
            self._on_change()


def _sysctls(pod: Pod) -> dict[str, str]:
    asked = (pod.spec.get("securityContext") or {}).get("sysctls") or ()
    return {str(one["name"]): str(one["value"]) for one in asked}


def _is_sidecar(life: Life) -> bool:
    return bool(life.plan.container.get("restartPolicy") == "Always")


def _init_policy(container: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """A sidecar's is Always; an init container is run again after a failure unless the pod's policy is Never."""
    if container.get("restartPolicy") == "Always":
        return "Always"
    return "Never" if spec.get("restartPolicy") == "Never" else "OnFailure"


def _turn_after(others: list[Life]) -> Callable[[float], None]:
    """Waits until all the others are down, or the time is up."""

    def wait(left_s: float) -> None:
        until = time.monotonic() + max(left_s, 0.0)
        for other in others:
            if other.is_started:
                other.over.wait(max(until - time.monotonic(), 0.0))

    return wait
