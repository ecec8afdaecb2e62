"""Looks at a job again and again, for who waits: what its pods wait for, and for how long they may."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lightkube.resources.apps_v1 import Deployment

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.metadata import PENDING_TIMEOUT_ANNOTATION
from lyftlearn_image.run import State, Status
from lyftlearn_image.services.kubernetes.annotations import read_seconds
from lyftlearn_image.services.kubernetes.job_id import DEPLOYMENT
from lyftlearn_image.services.kubernetes.job_state import SUSPENDED, deployment_state, job_state
from lyftlearn_image.services.kubernetes.sidecars import GRACE_S, HELD_UP, end_held_job, held_end
from lyftlearn_image.services.kubernetes.stopping import stop_job
from lyftlearn_image.services.kubernetes.waiting import explain_events, waits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.retry import Clock
    from lyftlearn_image.services.kubernetes.api import ClusterApi
    from lyftlearn_image.services.kubernetes.job_id import JobId

_PENDING_TIMEOUT_REASON = "PendingTimeout"


class Lookout:
    """One who waits for a job. A job that waits longer than its `pending_timeout_s` is ended, by what it waited for.

    The time is that of this waiting, and in a queue it does not count. A Deployment is left as it is: it may have served
    before, and its cluster has a progress deadline of its own.
    """

    def __init__(self, api: ClusterApi, job: JobId, clock: Clock) -> None:
        self._api = api
        self._job = job
        self._clock = clock
        self._began: float | None = None
        self._held_since: float | None = None

    def look(self) -> State:
        """Where the job is now."""
        return self.look_at_pods()[0]

    def look_at_pods(self) -> tuple[State, list[Any]]:
        """Where the job is now, and its pods, which are not older; of a server that serves they are not asked for."""
        document, pods, state = read_state(self._api, self._job)
        if state.phase == HELD_UP:
            return self._without_sidecars(document, pods, state), pods
        self._held_since = None
        return self._in_time(document, state), pods

    def _in_time(self, document: Any, state: State) -> State:
        """The state, or the end of a job that has waited too long."""
        if not state.is_waiting or state.phase == SUSPENDED:
            self._began = None
            return state
        now = self._clock.now()
        self._began = now if self._began is None else self._began
        timeout_s = read_seconds(document, PENDING_TIMEOUT_ANNOTATION)
        if timeout_s is None or now - self._began < timeout_s:
            return state
        why = f"it has waited for {timeout_s:g} s: {state.phase}" + (f": {state.reason}" if state.reason else "")
        if self._job.kind == DEPLOYMENT:
            return State(Status.FAILED, _PENDING_TIMEOUT_REASON, why)
        stop_job(self._api, self._job.name, self._clock, f"{_PENDING_TIMEOUT_REASON}: {why}")
        return read_state(self._api, self._job)[2]

    def _without_sidecars(self, document: Any, pods: Sequence[Any], state: State) -> State:
        """The state, or the end of a Job whose sidecars have had their time since its work was done."""
        now = self._clock.now()
        self._held_since = now if self._held_since is None else self._held_since
        end = held_end(document, pods) if now - self._held_since >= GRACE_S else None
        if end is None:
            return state
        end_held_job(self._api, document, end)
        return end


def read_state(api: ClusterApi, job: JobId) -> tuple[Any, list[Any], State]:
    """The Job or Deployment, its pods, and where it is. What its pods do not say themselves is looked up in their events."""
    if job.kind == DEPLOYMENT:
        document = api.get(Deployment, job.name)
        state, pods = deployment_state(document), list[Any]()
        if state.status not in (Status.COMPLETED, Status.STOPPED):
            pods = api.select_pods(document.spec.selector.matchLabels or {})
            state = deployment_state(document, pods)
    else:
        document, pods = api.get_job(job.name), api.list_pods(job.name)
        state = job_state(document, pods)
    if state.status is None and state.is_waiting and not state.reason:
        state = _with_events(api, job, pods, state)
    return document, pods, state


def _with_events(api: ClusterApi, job: JobId, pods: Sequence[Any], state: State) -> State:
    """What the events of a pod that waits say of it; without a pod, those of the Job, which makes none."""
    pod = next((pod for pod in pods if waits(pod)), None)
    if pod is None and (pods or job.kind == DEPLOYMENT):
        return state
    try:
        events = api.list_events("Pod", pod.metadata.name) if pod else api.list_events("Job", job.name)
    except InvalidInputError:
        return state  # who may not list events learns the rest
    wait = explain_events(events)
    if wait is None:
        return state
    if job.kind == DEPLOYMENT:
        return dataclasses.replace(state, reason=wait.text)
    return dataclasses.replace(state, phase=wait.phase, reason=wait.reason)
