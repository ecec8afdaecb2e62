"""The Job controller: makes pods, one after the other or side by side, until the Job is complete or has failed.

Sources: kubernetes.io/docs "Jobs", kubernetes/kubernetes pkg/controller/job (indexed_job_utils.go); recorded in pods, case 10.
"""

from __future__ import annotations

import copy
import hashlib
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.cluster import Pod
from lyftlearn_image.emulation.kubernetes.job_policy import (
    Condition,
    Failure,
    Tally,
    backoff_s,
    completions,
    conditions,
    count_failures,
    failed_indexes,
    failure_of,
    verdict,
)
from lyftlearn_image.emulation.kubernetes.pod_run import Node, PodRun
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.kubernetes.environment import Objects
    from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class PodRecord:
    """A pod that a Job has had. `prepared` is the monotonic time at which its first container could be started."""

    name: str
    index: int | None
    status: PodStatus
    workspace: Path
    prepared: float | None


@dataclass(frozen=True)
class JobStatus:
    """How a Job ended: `conditions` is empty for one that was deleted before."""

    conditions: tuple[Condition, ...]
    succeeded: int
    failed: int
    completed_indexes: tuple[int, ...]
    failed_indexes: tuple[int, ...]
    pods: tuple[PodRecord, ...]

    @property
    def is_complete(self) -> bool:
        """Whether the Job has what it was made for."""
        return any(one.type == "Complete" for one in self.conditions)


@dataclass
class _Active:
    """A pod that the controller has made, and its thread."""

    run: PodRun
    index: int | None
    number: int
    workspace: Path
    thread: threading.Thread | None = None
    status: PodStatus | None = None
    error: BaseException | None = None
    is_done: bool = False


@dataclass
class _State:
    """What the controller knows, changed by its own thread alone."""

    active: list[_Active] = field(default_factory=list)
    records: list[PodRecord] = field(default_factory=list)
    succeeded: list[int | None] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    made: int = 0
    not_before: dict[int | None, float] = field(default_factory=dict)


class JobRun:
    """One Job on the node. `run` gives its last status; `delete` may be called from another thread meanwhile."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        objects: Objects,
        node: Node,
        workspace: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._manifest = manifest
        self._spec: Mapping[str, Any] = manifest["spec"]
        self._objects = objects
        self._node = node
        self._workspace = workspace
        self._on_line = on_line
        self._uid = str(uuid.uuid4())
        self._changed = threading.Condition()
        self._is_deleted = False
        self._state = _State()
        check_job(manifest)

    def run(self) -> JobStatus:
        """Runs pods until the Job is decided; none of them is left, whatever happens."""
        limit = self._spec.get("activeDeadlineSeconds")
        deadline = None if limit is None else time.monotonic() + float(limit)
        grace_s: float | None = 0.0  # nobody waits for the end of what is given up
        try:
            decided = self._control(deadline)
            grace_s = None
        finally:
            for one in self._state.active:
                one.run.delete(grace_s=grace_s)
            for one in self._state.active:
                if one.thread:
                    one.thread.join()
        # What was stopped is not counted any more, but was there.
        for one in self._state.active:
            self._record(one)
        state = self._state
        tally = self._tally()
        is_indexed = self._spec.get("completionMode") == "Indexed"
        return JobStatus(
            conditions=decided,
            succeeded=len(state.succeeded),
            # A pod that was deleted counts as failed, however it ended (recorded in pods, case 10, deadline).
            failed=len(state.records) - len(state.succeeded),
            completed_indexes=tuple(sorted(one for one in state.succeeded if one is not None)) if is_indexed else (),
            failed_indexes=failed_indexes(self._spec, tally),
            pods=tuple(state.records),
        )

    def delete(self) -> None:
        """Asks for the Job and its pods to be removed. Returns at once."""
        with self._changed:
            self._is_deleted = True
            self._changed.notify_all()

    def disrupt(self) -> None:
        """Takes the nodes of the pods that run away. What becomes of the Job is decided as after any lost pod."""
        with self._changed:
            for one in self._state.active:
                one.run.disrupt()

    def _control(self, deadline: float | None) -> tuple[Condition, ...]:
        with self._changed:
            while True:
                self._take_finished()
                if decided := verdict(self._spec, self._tally()):
                    return decided
                if self._is_deleted:
                    return ()
                if deadline is not None and time.monotonic() >= deadline:
                    return conditions("DeadlineExceeded")
                self._make_pods()
                pauses = [*self._state.not_before.values(), *([] if deadline is None else [deadline])]
                pauses = [at for at in pauses if at > time.monotonic()]
                self._changed.wait(min(pauses) - time.monotonic() if pauses else None)

    def _take_finished(self) -> None:
        state = self._state
        for one in [one for one in state.active if one.is_done]:
            state.active.remove(one)
            self._record(one)
            if one.status is None:
                continue
            if one.status.phase == "Succeeded":
                state.succeeded.append(one.index)
                state.not_before.pop(self._lane(one.index), None)
                continue
            state.failures.append(failure_of(self._spec, one.index, one.run.pod.name, one.status))
            lane = self._lane(one.index)
            pause = backoff_s(self._node.cluster.job_backoff_s, count_failures(self._tally(), lane))
            state.not_before[lane] = time.monotonic() + pause

    def _record(self, one: _Active) -> None:
        if one.error is not None:
            raise one.error
        if one.status is not None:
            self._state.records.append(PodRecord(one.run.pod.name, one.index, one.status, one.workspace, one.run.prepared))

    def _lane(self, index: int | None) -> int | None:
        """Back-off is each index's own where backoffLimitPerIndex is set, else the Job's."""
        return index if self._spec.get("backoffLimitPerIndex") is not None else None

    def _tally(self) -> Tally:
        restarts = 0
        if self._spec["template"]["spec"].get("restartPolicy") == "OnFailure":
            for one in self._state.active:
                status = one.run.status()
                restarts += sum(each.restart_count for each in (*status.init_containers, *status.containers))
        return Tally(tuple(self._state.succeeded), tuple(self._state.failures), restarts)

    def _make_pods(self) -> None:
        state = self._state
        wanted = self._wanted()
        for index in wanted[: max(int(self._parallelism()) - len(state.active), 0)]:
            if time.monotonic() >= state.not_before.get(self._lane(index), 0.0):
                self._make_pod(index)

    def _parallelism(self) -> int:
        return 1 if self._spec.get("parallelism") is None else int(self._spec["parallelism"])

    def _wanted(self) -> list[int | None]:
        """The indexes (None of a NonIndexed Job) for which a pod could be made now."""
        state, total = self._state, completions(self._spec)
        if self._spec.get("completionMode") == "Indexed":
            taken = {*state.succeeded, *(one.index for one in state.active), *failed_indexes(self._spec, self._tally())}
            return [index for index in range(total) if index not in taken]
        if self._spec.get("completions") is None:
            return [] if state.succeeded else [None] * self._parallelism()
        return [None] * (total - len(state.succeeded) - len(state.active))

    def _make_pod(self, index: int | None) -> None:
        state = self._state
        number, state.made = state.made, state.made + 1
        manifest = pod_of(self._manifest, self._uid, index, number)
        pod = Pod(manifest["metadata"], manifest["spec"], self._node.network.allocate_ip())
        # The first pod's files are the Job's own: most Jobs have no other.
        workspace = self._workspace if number == 0 else self._workspace / "pods" / pod.name
        run = PodRun(pod, self._objects, self._node, workspace, self._on_line, self._notify)
        active = _Active(run, index, number, workspace)
        active.thread = threading.Thread(target=self._run_pod, args=(active,), name=f"pod {pod.name}", daemon=True)
        state.active.append(active)
        active.thread.start()

    def _run_pod(self, one: _Active) -> None:
        try:
            one.status = one.run.run()
        except BaseException as error:  # noqa: BLE001 - raised again by the controller
            one.error = error
        finally:
            with self._changed:
                one.is_done = True
                self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def check_job(manifest: Mapping[str, Any]) -> None:
    """Raises InvalidInputError for a Job that the API refuses (kubernetes.io/docs "Jobs")."""
    spec = manifest["spec"]
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy not in ("Never", "OnFailure"):
        raise InvalidInputError(
            f"spec.template.spec.restartPolicy: {policy or 'Always, the default,'} is not of a Job",
            hint="Say Never or OnFailure.",
        )
    if spec.get("podFailurePolicy") and policy != "Never":
        raise InvalidInputError("spec.podFailurePolicy: only with restartPolicy Never")
    rules = (spec.get("successPolicy") or {}).get("rules") or ()
    if any("succeededIndexes" not in rule and "succeededCount" not in rule for rule in rules):
        raise InvalidInputError("spec.successPolicy.rules: each needs succeededIndexes or succeededCount")
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        raise InvalidInputError("spec.completions: an Indexed Job must say how many")
    for field_name in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
        if spec.get(field_name) is not None and spec.get("completionMode") != "Indexed":
            raise InvalidInputError(f"spec.{field_name}: only of an Indexed Job")


def pod_of(job: Mapping[str, Any], uid: str, index: int | None, number: int) -> dict[str, Any]:
    """The pod that a Job makes, with the labels, hostname and variable that it gets (recorded in pods, case 10).

    The last part of its name is not random here, but the Job's name and the pod's number decide it.
    """
    name, template = str(job["metadata"]["name"]), copy.deepcopy(dict(job["spec"]["template"]))
    metadata, spec = dict(template.get("metadata") or {}), template["spec"]
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    annotations = dict(metadata.get("annotations") or {})
    stem = name
    if job["spec"].get("completionMode") == "Indexed":
        stem = f"{name}-{index}"
        labels[_INDEX] = annotations[_INDEX] = str(index)
        spec.setdefault("hostname", stem)
        for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
            _add_index(container)
    digest = hashlib.sha256(f"{name}/{number}".encode()).digest()
    suffix = "".join(_SUFFIX[byte % len(_SUFFIX)] for byte in digest[:5])
    metadata |= {"name": f"{stem}-{suffix}", "labels": {**(metadata.get("labels") or {}), **labels}}
    if annotations:
        metadata["annotations"] = annotations
    if "namespace" in job["metadata"]:
        metadata["namespace"] = job["metadata"]["namespace"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _add_index(container: dict[str, Any]) -> None:
    """JOB_COMPLETION_INDEX comes last, from the label, and only where the container has none of its own."""
    variables = list(container.get("env") or ())
    if all(one["name"] != "JOB_COMPLETION_INDEX" for one in variables):
        reference = {"fieldRef": {"fieldPath": f"metadata.labels['{_INDEX}']"}}
        container["env"] = [*variables, {"name": "JOB_COMPLETION_INDEX", "valueFrom": reference}]
