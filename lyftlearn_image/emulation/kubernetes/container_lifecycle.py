"""The lifecycle of one container of a pod: its runs, hooks, probes, restarts, and its termination.

Sources: kubernetes.io/docs "Pod Lifecycle", kubernetes/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go; recorded
in pods, cases 08, 09, 11 and 20.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.docker.running_container import ContainerExit
from lyftlearn_image.emulation.kubernetes.backoff import backoff_s
from lyftlearn_image.emulation.kubernetes.container import TERMINATION_LOG
from lyftlearn_image.emulation.kubernetes.container_log import ContainerLog
from lyftlearn_image.emulation.kubernetes.handlers import HandlerTarget, run_handler
from lyftlearn_image.emulation.kubernetes.pod_status import (
    START_ERROR,
    ContainerStatus,
    Event,
    Terminated,
    terminated_state,
)
from lyftlearn_image.emulation.kubernetes.probes import ProbeCallbacks, run_probes
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import RunningContainer
    from lyftlearn_image.emulation.kubernetes.sub_paths import StartGate, SubPath

# "always give containers a minimal shutdown window" (kuberuntime_container.go; case 09, prestop-over-grace).
_MINIMUM_GRACE_S = 2
_MAX_RESTART_BACKOFF_S = 300
# A postStart hook has no timeout of its own.
_NO_TIMEOUT_S = 365 * 24 * 3600.0


@dataclass(frozen=True)
class ContainerPlan:
    """One container, ready to start: its manifest, its spec for the engine, and where its files go.

    `sub_paths` are mounted besides what the spec names, through the pod's `gate`.
    `restart_policy` is Always for a sidecar, and for an init container OnFailure where that of its pod is Always.
    """

    container: Mapping[str, Any]
    spec: ContainerSpec
    sub_paths: tuple[SubPath, ...]
    gate: StartGate
    directory: Path
    stdout: Path
    stderr: Path
    restart_policy: str
    grace_s: float
    backoff_s: float
    ip: str
    on_line: Callable[[str], None] | None = None

    @property
    def is_sidecar(self) -> bool:
        """Whether it is an init container that runs as long as the pod."""
        return bool(self.container.get("restartPolicy") == "Always")

    def hook(self, name: str) -> Mapping[str, Any] | None:
        """The handler of the lifecycle hook `postStart` or `preStop`."""
        return (self.container.get("lifecycle") or {}).get(name)


class ContainerLifecycle:
    """The runs of one container, in a thread of their own.

    `ended` is set when it will not run again, `post_start_done` when its first postStart hook is over. `error` is what broke
    the emulator itself.
    """

    def __init__(self, plan: ContainerPlan, containers: Containers, on_change: Callable[[], None], events: list[Event]) -> None:
        self.plan = plan
        self.name = str(plan.container["name"])
        self.status = ContainerStatus(self.name)
        self.error: BaseException | None = None
        self.ended = threading.Event()
        self.post_start_done = threading.Event()
        self._containers = containers
        self._on_change = on_change
        self._events = events
        self._running: RunningContainer | None = None
        self._is_terminating = threading.Event()
        self._termination_grace_s = plan.grace_s
        self._wait_for_turn: Callable[[float], None] | None = None
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=f"container {self.name}", daemon=True)

    def start(self) -> None:
        """Starts the first run."""
        self._thread.start()

    @property
    def is_started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    def storage_bytes(self) -> int:
        """The bytes of the running container's writable layer, and of all its logs."""
        with self._lock:
            running = self._running
        layer = 0 if running is None else running.writable_layer_bytes()
        return layer + sum(path.stat().st_size for path in self.plan.directory.glob("*.log"))

    def terminate(self, grace_s: float, wait_for_turn: Callable[[float], None] | None = None) -> None:
        """Ends the container for good and waits for its end: preStop hook, SIGTERM, SIGKILL.

        Before SIGTERM, `wait_for_turn` is called with the seconds of grace that are left.
        """
        with self._lock:
            self._is_terminating.set()
            self._termination_grace_s, self._wait_for_turn = grace_s, wait_for_turn
            running = self._running
        # A container that is just being created sees `_is_terminating`, and kills itself.
        if running is not None:
            self._kill(running, grace_s, wait_for_turn)
        if self.is_started:
            self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                end = self._run_once()
                self._update(waiting=None, terminated=end, ready=False, started=False)
                if self._is_terminating.is_set() or not _restarts(self.plan.restart_policy, end.exit_code):
                    return
                self._back_off()
                if self._is_terminating.is_set():
                    return
                self._update(waiting=None, terminated=None, last_terminated=end, restart_count=self.status.restart_count + 1)
        except BaseException as error:  # noqa: BLE001 - raised again by the pod's thread
            self.error = error
        finally:
            self.ended.set()
            self.post_start_done.set()
            self._on_change()

    def _back_off(self) -> None:
        """The first restart is at once, the next after 10 s, 20 s, 40 s … 5 min (kubernetes.io/docs "Pod Lifecycle")."""
        if self.status.restart_count:
            self._add_event("BackOff", "Back-off restarting failed container")
            failures = self.status.restart_count
            self._is_terminating.wait(backoff_s(self.plan.backoff_s, failures, maximum_s=_MAX_RESTART_BACKOFF_S))

    def _run_once(self) -> Terminated:
        attempt = self.status.restart_count
        if attempt:
            for output in (self.plan.stdout, self.plan.stderr):
                output.rename(self.plan.directory / f"{attempt - 1}.{output.name}")
        message_file, log_path = self.plan.directory / f"termination-log-{attempt}", self.plan.directory / f"{attempt}.log"
        message_file.touch()
        message_file.chmod(0o666)
        message_mount = Mount(self.plan.container.get("terminationMessagePath") or TERMINATION_LOG, message_file)
        spec = replace(
            self.plan.spec,
            name=f"{self._containers.run_id}-{self.plan.spec.name}-{attempt}",
            mounts=(*self.plan.spec.mounts, message_mount),
        )
        log = ContainerLog(log_path, self._containers.limits.log_bytes)
        try:
            container_exit = self._run_container(spec, log)
        finally:
            log.close()
        return terminated_state(self.plan.container, container_exit, message_file, log.tail)

    def _run_container(self, spec: ContainerSpec, log: ContainerLog) -> ContainerExit:
        plan, started_at = self.plan, time.time()

        def start(mounts: tuple[Mount, ...]) -> AbstractContextManager[RunningContainer]:
            whole = replace(spec, mounts=(*spec.mounts, *mounts))
            return self._containers.start(
                whole, stdout=plan.stdout, stderr=plan.stderr, on_line=plan.on_line, on_chunk=log.write
            )

        try:
            with self.plan.gate.start(self.plan.sub_paths, start) as running:
                return self._supervise(running)
        except RunError as error:
            # Not found, not executable, a file as workingDir: always 128, StartError (recorded in pods, case 16).
            if not any(text in error.where for text in ("OCI runtime", "Cannot mkdir")):
                raise
            for path in (self.plan.stdout, self.plan.stderr):
                path.touch()
            return ContainerExit(
                START_ERROR, oom_killed=False, error=error.where, started_at=started_at, finished_at=time.time()
            )

    def _supervise(self, running: RunningContainer) -> ContainerExit:
        """Runs the postStart hook, then the probes until the container exits."""
        with self._lock:
            self._running = running
            is_terminating = self._is_terminating.is_set()
        try:
            self._update(waiting=None, terminated=None)
            if is_terminating:
                self._kill(running, self._termination_grace_s, self._wait_for_turn)
                return _wait(running)
            if not self._run_post_start(running):
                self._kill(running, self.plan.grace_s)
                return _wait(running)
            self.post_start_done.set()
            with run_probes(self._target(running), self._probe_callbacks(running)):
                return _wait(running)
        finally:
            with self._lock:
                self._running = None

    def _target(self, running: RunningContainer) -> HandlerTarget:
        return HandlerTarget(self.plan.container, running, self.plan.ip)

    def _probe_callbacks(self, running: RunningContainer) -> ProbeCallbacks:
        def kill(output: str, grace_s: float | None) -> None:
            self._add_event("Killing", f"Container {self.name} failed a probe, will be restarted: {output}")
            self._kill(running, self.plan.grace_s if grace_s is None else grace_s)

        return ProbeCallbacks(
            on_started=lambda: self._update(started=True),
            on_ready=lambda is_ready: self._update(ready=is_ready),
            on_kill=kill,
            on_failure=lambda message: self._add_event("Unhealthy", message),
        )

    def _run_post_start(self, running: RunningContainer) -> bool:
        hook = self.plan.hook("postStart")
        if hook is None:
            return True
        result = run_handler(hook, self._target(running), timeout_s=_NO_TIMEOUT_S, interrupt=self._is_terminating)
        if not result.succeeded and running.wait(0) is None:
            self._add_event("FailedPostStartHook", "PostStartHook failed")
            return False
        return True

    def _kill(self, running: RunningContainer, grace_s: float, wait_for_turn: Callable[[float], None] | None = None) -> None:
        """The preStop hook is part of the grace; SIGKILL follows SIGTERM after the rest of it, and two seconds at least."""
        self._add_event("Killing", f"Stopping container {self.name}")
        deadline = time.monotonic() + grace_s
        hook = self.plan.hook("preStop")
        if hook is not None and grace_s > 0:
            result = run_handler(hook, self._target(running), timeout_s=grace_s)
            if not result.succeeded and running.wait(0) is None:
                self._add_event("FailedPreStopHook", "PreStopHook failed")
        if wait_for_turn:
            wait_for_turn(deadline - time.monotonic())
        with self.plan.gate.stop(), contextlib.suppress(RunError):  # it may have exited at this moment
            running.stop(max(_MINIMUM_GRACE_S, round(deadline - time.monotonic())))

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self.status = replace(self.status, **changes)
        self._on_change()

    def _add_event(self, reason: str, message: str) -> None:
        self._events.append(Event(reason, message, self.name))
        self._on_change()


def _restarts(policy: str, exit_code: int) -> bool:
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _wait(running: RunningContainer) -> ContainerExit:
    container_exit = running.wait()
    if container_exit is None:  # pragma: no cover - only a wait with a timeout gives None
        raise RunError("a container that ended has no end")
    return container_exit
