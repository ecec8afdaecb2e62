"""The Job controller: creates pods, one after the other or side by side, until the Job is complete or has failed.

Sources: kubernetes.io/docs "Jobs", kubernetes/kubernetes pkg/controller/job; recorded in pods, case 10.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.api_validation import validate_job
from lyftlearn_image.emulation.kubernetes.backoff import backoff_s
from lyftlearn_image.emulation.kubernetes.cluster import Pod
from lyftlearn_image.emulation.kubernetes.job_pods import pod_from_template
from lyftlearn_image.emulation.kubernetes.job_policy import (
    MAX_JOB_BACKOFF_S,
    Condition,
    JobProgress,
    PodFailure,
    classify_failure,
    completions,
    count_failures,
    describe_attempt,
    evaluate_job,
    failed_indexes,
    finished_conditions,
    is_successful,
)
from lyftlearn_image.emulation.kubernetes.pod_containers import PodListeners
from lyftlearn_image.emulation.kubernetes.pod_run import PodRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.kubernetes.kubelet import Kubelet
    from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects
    from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus


@dataclass(frozen=True)
class PodRecord:
    """A pod that a Job has had. `prepared_at` is the monotonic time at which its first container could start.

    `deleted_at` is when the controller deleted it, in seconds of the host's clock; None for one that ended by itself.
    """

    name: str
    index: int | None
    status: PodStatus
    workspace: Path
    prepared_at: float | None
    deleted_at: float | None = None


@dataclass(frozen=True)
class JobStatus:
    """The status of a Job that is over. `conditions` is empty for one that was deleted before it finished."""

    conditions: tuple[Condition, ...]
    succeeded: int
    failed: int
    completed_indexes: tuple[int, ...]
    failed_indexes: tuple[int, ...]
    pods: tuple[PodRecord, ...]

    @property
    def is_complete(self) -> bool:
        """Whether it has the condition Complete."""
        return is_successful(self.conditions)

    @property
    def is_past_deadline(self) -> bool:
        """Whether it failed by its activeDeadlineSeconds."""
        return any(condition.reason == "DeadlineExceeded" for condition in self.conditions)


@dataclass
class _ActivePod:
    """A pod that is not finished, with its thread."""

    run: PodRun
    index: int | None
    workspace: Path
    thread: threading.Thread | None = None
    status: PodStatus | None = None
    error: BaseException | None = None
    is_done: bool = False


@dataclass
class _State:
    """What the controller knows. Its own thread alone changes it.

    `not_before` are the monotonic times before which no pod is created, by index where each index backs off alone.
    """

    active: list[_ActivePod] = field(default_factory=list)
    records: list[PodRecord] = field(default_factory=list)
    succeeded: list[int | None] = field(default_factory=list)
    failures: list[PodFailure] = field(default_factory=list)
    created: int = 0
    not_before: dict[int | None, float] = field(default_factory=dict)


class JobRun:
    """One Job. `run` gives its last status; `delete` and `disrupt` may be called from other threads meanwhile.

    `on_attempt` is told `attempt 2 of 3` when a Job of one pod starts it again.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        objects: NamespaceObjects,
        kubelet: Kubelet,
        workspace: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        validate_job(manifest)
        self._manifest = manifest
        self._spec: Mapping[str, Any] = manifest["spec"]
        self._is_indexed = self._spec.get("completionMode") == "Indexed"
        self._objects = objects
        self._kubelet = kubelet
        self._workspace = workspace
        self._listeners = PodListeners(on_line, self._notify)
        self.on_attempt: Callable[[str], None] = lambda _: None
        self._uid = str(uuid.uuid4())
        self._changed = threading.Condition()
        self._is_deleted = False
        self._state = _State()

    def run(self) -> JobStatus:
        """Runs pods until the Job is finished. Whatever happens, none of them is left."""
        limit = self._spec.get("activeDeadlineSeconds")
        deadline = None if limit is None else time.monotonic() + float(limit)
        grace_s: float | None = 0.0  # after an error nobody waits for the pods
        try:
            conditions = self._reconcile(deadline)
            grace_s = None
        finally:
            deleted_at = time.time()
            for pod in self._state.active:
                pod.run.delete(grace_s=grace_s)
            for pod in self._state.active:
                if pod.thread:
                    pod.thread.join()
        for pod in self._state.active:
            self._record(pod, deleted_at)
        return self._status(conditions)

    def delete(self) -> None:
        """Requests the deletion of the Job and its pods. Returns at once."""
        with self._changed:
            self._is_deleted = True
            self._changed.notify_all()

    def disrupt(self) -> None:
        """Drains the nodes of the pods that run. The controller decides what becomes of the Job."""
        with self._changed:
            for pod in self._state.active:
                pod.run.disrupt()

    def _status(self, conditions: tuple[Condition, ...]) -> JobStatus:
        state = self._state
        return JobStatus(
            conditions=conditions,
            succeeded=len(state.succeeded),
            # A pod that was deleted counts as failed, however it ended (recorded in pods, case 10, deadline); but not where
            # the Job has what it needed without it (pods-2).
            failed=len(state.failures) if is_successful(conditions) else len(state.records) - len(state.succeeded),
            completed_indexes=tuple(sorted(i for i in state.succeeded if i is not None)) if self._is_indexed else (),
            failed_indexes=failed_indexes(self._spec, self._progress()),
            pods=tuple(state.records),
        )

    def _reconcile(self, deadline: float | None) -> tuple[Condition, ...]:
        """Creates pods until the Job is finished; gives its conditions, none where it was deleted."""
        with self._changed:
            while True:
                self._collect_finished()
                if conditions := evaluate_job(self._spec, self._progress()):
                    return conditions
                if self._is_deleted:
                    return ()
                if deadline is not None and time.monotonic() >= deadline:
                    return finished_conditions("DeadlineExceeded")
                self._create_pods()
                times = [*self._state.not_before.values(), *([] if deadline is None else [deadline])]
                times = [at for at in times if at > time.monotonic()]
                self._changed.wait(min(times) - time.monotonic() if times else None)

    def _collect_finished(self) -> None:
        state = self._state
        for pod in [pod for pod in state.active if pod.is_done]:
            state.active.remove(pod)
            self._record(pod)
            if pod.status is None:
                continue
            key = self._backoff_key(pod.index)
            if pod.status.phase == "Succeeded":
                state.succeeded.append(pod.index)
                state.not_before.pop(key, None)
                continue
            name = f"{pod.run.pod.namespace(self._kubelet.cluster)}/{pod.run.pod.name}"
            state.failures.append(classify_failure(self._spec, pod.index, name, pod.status))
            failures = count_failures(self._progress(), key)
            delay_s = backoff_s(self._kubelet.cluster.job_backoff_s, failures, maximum_s=MAX_JOB_BACKOFF_S)
            state.not_before[key] = time.monotonic() + delay_s

    def _record(self, pod: _ActivePod, deleted_at: float | None = None) -> None:
        if pod.error is not None:
            raise pod.error
        if pod.status is not None:
            record = PodRecord(pod.run.pod.name, pod.index, pod.status, pod.workspace, pod.run.prepared_at, deleted_at)
            self._state.records.append(record)

    def _backoff_key(self, index: int | None) -> int | None:
        """Each index backs off alone with a backoffLimitPerIndex, else the Job as a whole (None)."""
        return index if self._spec.get("backoffLimitPerIndex") is not None else None

    def _progress(self) -> JobProgress:
        restarts = 0
        if self._spec["template"]["spec"].get("restartPolicy") == "OnFailure":
            restarts = sum(pod.run.status().restart_count for pod in self._state.active)
        return JobProgress(tuple(self._state.succeeded), tuple(self._state.failures), restarts)

    def _create_pods(self) -> None:
        state = self._state
        for index in self._missing()[: max(self._parallelism() - len(state.active), 0)]:
            if time.monotonic() >= state.not_before.get(self._backoff_key(index), 0.0):
                self._create_pod(index)

    def _parallelism(self) -> int:
        return 1 if self._spec.get("parallelism") is None else int(self._spec["parallelism"])

    def _missing(self) -> list[int | None]:
        """The indexes (None each for a NonIndexed Job) that need a pod."""
        state, total = self._state, completions(self._spec)
        if self._is_indexed:
            active = {pod.index for pod in state.active}
            taken = {*state.succeeded, *active, *failed_indexes(self._spec, self._progress())}
            return [index for index in range(total) if index not in taken]
        if self._spec.get("completions") is None:
            return [] if state.succeeded else [None] * self._parallelism()
        return [None] * (total - len(state.succeeded) - len(state.active))

    def _create_pod(self, index: int | None) -> None:
        state = self._state
        if attempt := describe_attempt(self._spec, count_failures(self._progress())):
            self.on_attempt(attempt)
        number, state.created = state.created, state.created + 1
        manifest = pod_from_template(self._manifest, self._uid, index, number)
        pod = Pod(manifest["metadata"], manifest["spec"], self._kubelet.machine.network.allocate_ip())
        # The first pod's files are directly in the Job's workspace: most Jobs have no other pod.
        workspace = self._workspace if number == 0 else self._workspace / "pods" / pod.name
        run = PodRun(pod, self._objects, self._kubelet, workspace, self._listeners)
        active = _ActivePod(run, index, workspace)
        active.thread = threading.Thread(target=self._run_pod, args=(active,), name=f"pod {pod.name}", daemon=True)
        state.active.append(active)
        active.thread.start()

    def _run_pod(self, pod: _ActivePod) -> None:
        try:
            pod.status = pod.run.run()
        except BaseException as error:  # noqa: BLE001 - raised again by the controller's thread
            pod.error = error
        finally:
            with self._changed:
                pod.is_done = True
                self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
