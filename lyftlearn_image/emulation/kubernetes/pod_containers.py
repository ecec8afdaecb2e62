"""The containers of one pod together: init containers and sidecars, then the main containers.

Sources: kubernetes.io/docs "Init Containers" and "Sidecar Containers"; recorded in pods, cases 09, 11 and 12.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.container import PodContext, container_spec
from lyftlearn_image.emulation.kubernetes.container_lifecycle import ContainerLifecycle, ContainerPlan
from lyftlearn_image.emulation.kubernetes.pod_status import ContainerStatus, Event, pod_phase
from lyftlearn_image.emulation.kubernetes.sub_paths import StartGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.kubernetes.cluster import Pod

_DEFAULT_GRACE_S = 30


@dataclass(frozen=True)
class PodListeners:
    """Who is called with each line of the first container's stdout, and at every change of the pod's status."""

    on_line: Callable[[str], None] | None = None
    on_change: Callable[[], None] | None = None


@dataclass(frozen=True)
class PodContainers:
    """The lifecycles of a pod's init containers (with its sidecars) and main containers, in the order of the manifest."""

    init: tuple[ContainerLifecycle, ...] = ()
    main: tuple[ContainerLifecycle, ...] = ()

    def __iter__(self) -> Iterator[ContainerLifecycle]:
        """All of them, init containers first."""
        return iter((*self.init, *self.main))

    @property
    def is_ready(self) -> bool:
        """Whether every main container is ready."""
        return bool(self.main) and all(container.status.ready for container in self.main)

    @property
    def have_ended(self) -> bool:
        """Whether no main container runs or will run again."""
        return all(container.ended.is_set() for container in self.main)

    def statuses(self) -> tuple[tuple[ContainerStatus, ...], tuple[ContainerStatus, ...]]:
        """The statuses of init and main containers."""
        init = tuple(container.status for container in self.init)
        main = tuple(container.status for container in self.main)
        if init:
            main = tuple(replace(status, waiting="PodInitializing") if status.waiting else status for status in main)
        return init, main

    def phase(self, restart_policy: str) -> str:
        """The phase of the pod."""
        if all(container.status.waiting is not None for container in self):
            return "Pending"
        if self.have_ended:
            return pod_phase((), (container.status for container in self.main))
        ended = [one.status for one in self.init if one.ended.is_set() and not one.plan.is_sidecar]
        return "Failed" if pod_phase(ended, ()) == "Failed" and restart_policy == "Never" else "Running"

    def terminate(self, grace_s: float) -> None:
        """Ends all main containers at once, then the sidecars from the last to the first, all within one grace period."""
        order = [*self.main, *reversed([container for container in self.init if not container.ended.is_set()])]
        threads = []
        for position, container in enumerate(order):
            earlier = [] if container in self.main else order[:position]
            threads.append(threading.Thread(target=container.terminate, args=(grace_s, _wait_for(earlier))))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def raise_errors(self) -> None:
        """Raises the first error of the emulator itself, if there is one."""
        for container in self:
            if container.error is not None:
                raise container.error


def plan_containers(
    context: PodContext, engine: Containers, listeners: PodListeners, events: list[Event], backoff_s: float
) -> PodContainers:
    """The pod's containers, none of them started: whatever is wrong with any of their manifests is raised here."""
    on_change = listeners.on_change or (lambda: None)
    spec = context.pod.spec
    gate = StartGate(context.volumes.resolve)

    def plan(container: Mapping[str, Any], restart_policy: str, *, is_first: bool = False) -> ContainerLifecycle:
        name = str(container["name"])
        directory = context.workspace / "containers" / name
        directory.mkdir(parents=True)
        # The output of the first container is the pod's.
        output = context.workspace if is_first else directory
        engine_spec, sub_paths = container_spec(container, context, engine)
        gate.expect(sub_paths)
        return ContainerLifecycle(
            ContainerPlan(
                container=container,
                spec=replace(engine_spec, name=f"{context.pod.name}-{name}"),
                sub_paths=sub_paths,
                gate=gate,
                directory=directory,
                stdout=output / "stdout",
                stderr=output / "stderr",
                restart_policy=restart_policy,
                grace_s=grace_period_s(context.pod),
                backoff_s=backoff_s,
                ip=context.pod.ip,
                on_line=listeners.on_line if is_first else None,
            ),
            engine,
            on_change,
            events,
        )

    # A pod whose first container never starts has empty ones.
    for stream in ("stdout", "stderr"):
        (context.workspace / stream).touch()
    init = tuple(plan(container, _init_restart_policy(container, spec)) for container in spec.get("initContainers") or ())
    policy = str(spec.get("restartPolicy") or "Always")
    main = tuple(plan(container, policy, is_first=position == 0) for position, container in enumerate(spec["containers"]))
    return PodContainers(init, main)


def grace_period_s(pod: Pod) -> float:
    """The pod's terminationGracePeriodSeconds."""
    seconds = pod.spec.get("terminationGracePeriodSeconds")
    return float(_DEFAULT_GRACE_S if seconds is None else seconds)


def _init_restart_policy(container: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Always for a sidecar; another init container is retried after a failure unless the pod's policy is Never."""
    if container.get("restartPolicy") == "Always":
        return "Always"
    return "Never" if spec.get("restartPolicy") == "Never" else "OnFailure"


def _wait_for(containers: list[ContainerLifecycle]) -> Callable[[float], None]:
    """Waits until all of these have ended, at most for the seconds that it is called with."""

    def wait(timeout_s: float) -> None:
        deadline = time.monotonic() + max(timeout_s, 0.0)
        for container in containers:
            if container.is_started:
                container.ended.wait(max(deadline - time.monotonic(), 0.0))

    return wait
