"""The life of one container of a pod: its runs, hooks, probes, restarts, and its termination.

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
from lyftlearn_image.emulation.kubernetes.container import TERMINATION_LOG
from lyftlearn_image.emulation.kubernetes.container_log import Log, text_of
from lyftlearn_image.emulation.kubernetes.handlers import carry_out
from lyftlearn_image.emulation.kubernetes.pod_status import START_ERROR, ContainerStatus, Event, Terminated, terminated
from lyftlearn_image.emulation.kubernetes.probes import Reports, probing
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import RunningContainer

# "always give containers a minimal shutdown window" (kuberuntime_container.go; case 09, prestop-over-grace).
_MINIMUM_GRACE_S = 2
_LONGEST_BACKOFF_S = 300
_NO_LIMIT_S = 365 * 24 * 3600.0


@dataclass(frozen=True)
class Plan:
    """One container, ready to be started: what the manifest says of it, what the engine is told, where its files go.

    `restart_policy` is its own: Always for a sidecar, and for an init container OnFailure where its pod says Always.
    """

    container: Mapping[str, Any]
    spec: ContainerSpec
    directory: Path
    stdout: Path
    stderr: Path
    restart_policy: str
    grace_s: float
    backoff_s: float
    ip: str
    on_line: Callable[[str], None] | None = None


class Life:
    """One container's runs, in a thread of their own."""

    def __init__(self, plan: Plan, containers: Containers, changed: Callable[[], None], events: list[Event]) -> None:
        self.plan = plan
        self.name = str(plan.container["name"])
        self.status = ContainerStatus(self.name)
        self.error: BaseException | None = None
        self.over = threading.Event()
        self.hooked = threading.Event()
        self._containers = containers
        self._changed = changed
        self._events = events
        self._running: RunningContainer | None = None
        self._stopping = threading.Event()
        self._last_grace_s = plan.grace_s
        self._my_turn: Callable[[float], None] | None = None
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._live, name=f"container {self.name}", daemon=True)

    def start(self) -> None:
        """Begins the first run."""
        self._thread.start()

    @property
    def is_started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    def written_bytes(self) -> int:
        """What the running container has written to its own layer, and its logs."""
        with self._lock:
            running = self._running
        layer = 0 if running is None else running.written_bytes()
        return layer + sum(path.stat().st_size for path in self.plan.directory.glob("*.log"))

    def terminate(self, grace_s: float, my_turn: Callable[[float], None] | None = None) -> None:
        """Ends the container for good: preStop, its turn among the others, SIGTERM, SIGKILL. Returns when it is down."""
        with self._lock:
            self._stopping.set()
            self._last_grace_s, self._my_turn = grace_s, my_turn
            running = self._running
        # What is just being started sees `_stopping`, and ends itself.
        if running is not None:
            self._kill(running, grace_s, my_turn)
        if self.is_started:
            self._thread.join()

    def _live(self) -> None:
        try:
            while True:
                end = self._run_once()
                self._update(waiting=None, terminated=end, ready=False, started=False)
                if self._stopping.is_set() or not _restarts(self.plan.restart_policy, end.exit_code):
                    return
                self._back_off()
                if self._stopping.is_set():
                    return
                self._update(waiting=None, terminated=None, last=end, restart_count=self.status.restart_count + 1)
        except BaseException as error:  # noqa: BLE001 - raised again by the pod's thread
            self.error = error
        finally:
            self.over.set()
            self.hooked.set()
            self._changed()

    def _back_off(self) -> None:
        """The first restart is at once, then 10 s, 20 s, 40 s … 5 min (kubernetes.io/docs "Pod Lifecycle")."""
        if self.status.restart_count:
            delay = min(self.plan.backoff_s * 2 ** (self.status.restart_count - 1), _LONGEST_BACKOFF_S)
            self._event("BackOff", "Back-off restarting failed container")
            self._stopping.wait(delay)

    def _run_once(self) -> Terminated:
        attempt = self.status.restart_count
        if attempt:
            for output in (self.plan.stdout, self.plan.stderr):
                output.rename(self.plan.directory / f"{attempt - 1}.{output.name}")
        message, log_path = self.plan.directory / f"termination-log-{attempt}", self.plan.directory / f"{attempt}.log"
        message.touch()
        message.chmod(0o666)
        path = self.plan.container.get("terminationMessagePath") or TERMINATION_LOG
        spec = replace(
            self.plan.spec,
            name=f"{self._containers.run_id}-{self.plan.spec.name}-{attempt}",
            mounts=(*self.plan.spec.mounts, Mount(path, message)),
        )
        log = Log(log_path)
        try:
            ended = self._run_container(spec, log)
        finally:
            log.close()
        return terminated(self.plan.container, ended, message, text_of(log_path))

    def _run_container(self, spec: ContainerSpec, log: Log) -> ContainerExit:
        started = time.time()
        try:
            with self._containers.start(
                spec, stdout=self.plan.stdout, stderr=self.plan.stderr, on_line=self.plan.on_line, on_chunk=log.write
            ) as running:
                return self._accompany(running)
        except RunError as error:
            # Not found, not executable, a file as workingDir: always 128, StartError (recorded in pods, case 16).
            if not any(text in error.where for text in ("OCI runtime", "Cannot mkdir")):
                raise
            for path in (self.plan.stdout, self.plan.stderr):
                path.touch()
            return ContainerExit(START_ERROR, oom_killed=False, error=error.where, started_at=started, finished_at=time.time())

    def _accompany(self, running: RunningContainer) -> ContainerExit:
        """Hook, then probes, until the run ends."""
        reports = Reports(
            started=lambda: self._update(started=True),
            ready=lambda says: self._update(ready=says),
            kill=lambda output, grace_s: self._probe_kill(running, output, grace_s),
            unhealthy=lambda text: self._event("Unhealthy", text),
        )
        with self._lock:
            self._running = running
            is_stopping = self._stopping.is_set()
        try:
            self._update(waiting=None, terminated=None)
            if is_stopping:
                self._kill(running, self._last_grace_s, self._my_turn)
                return _ended(running)
            if not self._post_start(running):
                self._kill(running, self.plan.grace_s)
                return _ended(running)
            self.hooked.set()
            with probing(self.plan.container, running, self.plan.ip, reports):
                return _ended(running)
        finally:
            with self._lock:
                self._running = None

    def _post_start(self, running: RunningContainer) -> bool:
        hook = (self.plan.container.get("lifecycle") or {}).get("postStart")
        if hook is None:
            return True
        outcome = carry_out(hook, self.plan.container, running, self.plan.ip, timeout_s=_NO_LIMIT_S, interrupt=self._stopping)
        if not outcome.succeeded and running.wait(0) is None:
            self._event("FailedPostStartHook", "PostStartHook failed")
            return False
        return True

    def _probe_kill(self, running: RunningContainer, output: str, grace_s: float | None) -> None:
        self._event("Killing", f"Container {self.name} failed a probe, will be restarted: {output}")
        self._kill(running, self.plan.grace_s if grace_s is None else grace_s)

    def _kill(self, running: RunningContainer, grace_s: float, my_turn: Callable[[float], None] | None = None) -> None:
        """The preStop hook uses up the grace; what is left, and two seconds at least, is between SIGTERM and SIGKILL."""
        self._event("Killing", f"Stopping container {self.name}")
        began = time.monotonic()
        hook = (self.plan.container.get("lifecycle") or {}).get("preStop")
        if hook is not None and grace_s > 0:
            outcome = carry_out(hook, self.plan.container, running, self.plan.ip, timeout_s=grace_s)
            if not outcome.succeeded and running.wait(0) is None:
                self._event("FailedPreStopHook", "PreStopHook failed")
        if my_turn:
            my_turn(grace_s - (time.monotonic() - began))
        left = grace_s - (time.monotonic() - began)
        with contextlib.suppress(RunError):  # it may have ended in this very moment
            running.stop(max(_MINIMUM_GRACE_S, round(left)))

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self.status = replace(self.status, **changes)
        self._changed()

    def _event(self, reason: str, message: str) -> None:
        self._events.append(Event(reason, message, self.name))
        self._changed()


def _restarts(policy: str, exit_code: int) -> bool:
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _ended(running: RunningContainer) -> ContainerExit:
    ended = running.wait()
    if ended is None:  # pragma: no cover - wait() without a limit gives an end
        raise RunError("a container that ended has no end")
    return ended
