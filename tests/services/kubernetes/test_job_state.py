"""Where a Job is, by what the API says of it and of its pods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lightkube.models.core_v1 import PodCondition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Pod

from lyftlearn_image.run import Limit, State, Status
from lyftlearn_image.runs.told_limit import told_limit
from lyftlearn_image.services.kubernetes.job_state import deployment_state, job_state, job_times

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


ADVICE = "`kubernetes.do_not_disrupt` asks that a job's node be left alone, and with `spot` it goes on from its checkpoints"
TAKEN_AWAY = f"pod p was taken away (EvictionByEvictionAPI: Eviction API: evicting): {ADVICE}"


def a_job(
    condition: str = "",
    *,
    suspend: bool = False,
    parallelism: int = 1,
    stop: str = "",
    queue: str = "",
    **status: Any,
) -> Any:
    """A Job, with one condition, `type` or `type: reason`; and with what `stop` writes on it, or in a queue."""
    template = {"spec": {"containers": []}}
    if condition:
        changed = (BEGAN + timedelta(seconds=9)).isoformat()
        kind, _, reason = condition.partition(": ")
        reason = reason or "BackoffLimitExceeded"
        one = {"type": kind, "status": "True", "reason": reason, "message": "its own words", "lastTransitionTime": changed}
        status = {"conditions": [one], **status}
    created: dict[str, Any] = {"name": "j", "creationTimestamp": BEGAN.isoformat()}
    created |= {"annotations": {"lyftlearn.dev/stop": stop}} if stop else {}
    created |= {"labels": {"kueue.x-k8s.io/queue-name": queue}} if queue else {}
    return Job.from_dict(
        {"metadata": created, "spec": {"template": template, "suspend": suspend, "parallelism": parallelism}, "status": status}
    )


def a_pod(phase: str, metadata: dict[str, Any] | None = None, **state: Any) -> Any:
    """A pod with one container in a state."""
    main = {"name": "main", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return Pod.from_dict(
        {"metadata": {"name": "p", **(metadata or {})}, "status": {"phase": phase, "containerStatuses": [main]}}
    )


def ended(code: int, message: str = "", at: int = 1, index: int | None = None, **metadata: Any) -> Any:
    """A pod whose container has ended."""
    finished = (BEGAN + timedelta(seconds=at)).isoformat()
    if index is not None:
        metadata |= {"annotations": {"batch.kubernetes.io/job-completion-index": str(index)}}
    return a_pod("Failed", metadata, terminated={"exitCode": code, "message": message, "finishedAt": finished})


def evicted(pod: Any) -> Any:
    """The pod, on a node that is drained."""
    why = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
    pod.status.conditions = [PodCondition.from_dict(why)]
    return pod


def deleted(at: int, grace: int = 30) -> dict[str, Any]:
    """The metadata of a pod that somebody deleted; its timestamp is when the grace is over."""
    due = (BEGAN + timedelta(seconds=at + grace)).isoformat()
    return {"deletionTimestamp": due, "deletionGracePeriodSeconds": grace}


@pytest.mark.parametrize(
    ("job", "pods", "state"),
    [
        (a_job(), [], State(None, "Pending", is_waiting=True)),
        (a_job(), [a_pod("Running", running={})], State(None, "Running")),
        (
            a_job(),
            [a_pod("Pending", waiting={"reason": "ImagePullBackOff", "message": "no such image"})],
            State(None, "ImagePullBackOff", "pod p: container main: no such image", is_waiting=True),
        ),
        (
            a_job(parallelism=2),
            [a_pod("Running", running={}), a_pod("Pending", waiting={"reason": "ErrImagePull", "message": "m"})],
            State(None, "ErrImagePull", "pod p: container main: m"),
        ),
        (a_job("Complete"), [ended(0)], State(Status.COMPLETED, "Complete", exit_code=0)),
        (a_job("Complete"), [], State(Status.COMPLETED, "Complete", exit_code=0)),
        (a_job("Failed"), [ended(3, "no data")], State(Status.FAILED, "BackoffLimitExceeded", "no data", 3)),
        (a_job("Failed"), [ended(3)], State(Status.FAILED, "BackoffLimitExceeded", "its own words", 3)),
        (
            a_job("Failed"),
            [],
            State(
                Status.FAILED,
                "BackoffLimitExceeded",
                f"its own words; its pods are gone, as they are where a node is drained: {ADVICE}",
            ),
        ),
        (a_job("Failed: DeadlineExceeded"), [], State(Status.FAILED, "DeadlineExceeded", "its own words")),
        (
            a_job("Failed"),
            [evicted(ended(143, "told to end"))],
            State(Status.FAILED, "BackoffLimitExceeded", f"told to end; {TAKEN_AWAY}", 143),
        ),
        (
            a_job("Failed"),
            [evicted(a_pod("Running", running={}))],
            State(Status.FAILED, "BackoffLimitExceeded", f"its own words; {TAKEN_AWAY}"),
        ),
        (  # drained before; what decides is the attempt after that
            a_job("Failed"),
            [evicted(ended(143, at=1)), ended(7, "no data", at=2)],
            State(Status.FAILED, "BackoffLimitExceeded", "no data", 7),
        ),
        (
            a_job("Failed"),
            [ended(1, "the last", at=2), ended(2, "the first", at=1)],
            State(Status.FAILED, "BackoffLimitExceeded", "the last", 1),
        ),
        (
            a_job("Failed", parallelism=2),
            [ended(143, "told to end", at=9, index=0), ended(7, "ValueError: bad shard", at=2, index=1)],
            State(Status.FAILED, "BackoffLimitExceeded", "ValueError: bad shard", 7),
        ),
        (
            a_job("Failed", parallelism=2),
            [ended(143, at=9), ended(7, "ValueError: bad shard", at=2)],
            State(Status.FAILED, "BackoffLimitExceeded", "ValueError: bad shard", 7),
        ),
        (  # in one second, as the API counts
            a_job("Failed", parallelism=2),
            [ended(1, "a peer is gone", at=2, index=0, **deleted(2)), ended(7, "why", at=2, index=1)],
            State(Status.FAILED, "BackoffLimitExceeded", "why", 7),
        ),
        (
            a_job("Complete", parallelism=2),
            [ended(3, index=0), ended(0, at=2, index=0)],
            State(Status.COMPLETED, "Complete", exit_code=0),
        ),
        (a_job(suspend=True), [], State(None, "Suspended", "it goes on when its `suspend` is taken away", is_waiting=True)),
        (a_job(suspend=True, queue="q"), [], State(None, "Suspended", "it waits in the queue q", is_waiting=True)),
        (a_job(suspend=True), [a_pod("Running", running={})], State(None, "Running")),
        (a_job("Failed", stop="Stopped"), [ended(143)], State(Status.STOPPED, "Stopped", exit_code=143)),
        (a_job("Complete", stop="Stopped"), [ended(0)], State(Status.STOPPED, "Stopped", exit_code=0)),
        (a_job("Failed", stop="Stopped"), [], State(Status.STOPPED, "Stopped")),
        # Servers before 1.31 tell the end before the pods have come to it.
        (a_job("Failed", stop="Stopped"), [a_pod("Running", running={})], State(None, "Stopping")),
        (a_job(stop="Stopped"), [a_pod("Running", running={})], State(None, "Stopping")),
        (a_job(stop="Stopped", suspend=True, queue="q"), [], State(Status.STOPPED, "Stopped")),
        (
            a_job("Failed", stop="PendingTimeout: it has waited for 60 s: ImagePullBackOff: m"),
            [],
            State(Status.FAILED, "PendingTimeout", "it has waited for 60 s: ImagePullBackOff: m"),
        ),
        (a_job("Complete", suspend=True), [ended(0)], State(Status.COMPLETED, "Complete", exit_code=0)),
    ],
)
def test_a_jobs_state(job: Any, pods: list[Any], state: State) -> None:
    """The conditions decide. The host that failed first has the code and the message, in its last attempt.

    A Job is stopped where we stopped it; one that is suspended by others waits.
    """
    assert job_state(job, pods) == state


def test_a_failed_init_container_has_the_code_and_the_reason() -> None:
    """Of a pod whose own container never began."""
    end = {"exitCode": 4, "reason": "Error", "message": "no such model", "finishedAt": BEGAN.isoformat()}
    model = {"name": "model", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": end}}
    pod = a_pod("Failed", waiting={"reason": "PodInitializing"}).to_dict()
    pod["status"]["initContainerStatuses"] = [model]
    told = "init container model ended with exit code 4 (Error: no such model)"
    assert job_state(a_job("Failed"), [Pod.from_dict(pod)]) == State(Status.FAILED, "BackoffLimitExceeded", told, 4)


@pytest.mark.parametrize(
    ("status", "replicas", "state"),
    [
        ({}, 2, State(None, "0 of 2 ready", is_waiting=True)),
        ({"readyReplicas": 1}, 2, State(None, "1 of 2 ready")),
        (
            {"readyReplicas": 2, "updatedReplicas": 2, "conditions": [{"type": "Available", "status": "True"}]},
            2,
            State(Status.COMPLETED, "Available"),
        ),
        ({"readyReplicas": 2, "conditions": [{"type": "Available", "status": "False"}]}, 2, State(None, "2 of 2 ready")),
        ({}, 0, State(Status.STOPPED, "ScaledToZero")),
        (
            {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"}]},
            2,
            State(Status.FAILED, "ProgressDeadlineExceeded", "m"),
        ),
    ],
)
def test_a_deployments_state(status: dict[str, Any], replicas: int, state: State) -> None:
    """It has come to its end when it serves, when it cannot, or when nobody wants it to."""
    spec = {"selector": {}, "template": {}, "replicas": replicas}
    assert deployment_state(Deployment.from_dict({"metadata": {"name": "d"}, "spec": spec, "status": status})) == state


def test_a_deployment_is_told_by_what_its_controller_has_seen() -> None:
    """Started again after a stop, it is not judged by what it was before; and of old replicas none counts."""
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    up = {"type": "Available", "status": "True"}
    for generation, status, state in (
        (3, {"observedGeneration": 2, "conditions": [late]}, State(None, "Progressing", is_waiting=True)),
        (3, {"observedGeneration": 3, "readyReplicas": 2, "updatedReplicas": 1, "conditions": [up]},
         State(None, "2 of 2 ready")),
    ):  # fmt: skip
        spec = {"selector": {}, "template": {}, "replicas": 2}
        document = {"metadata": {"name": "d", "generation": generation}, "spec": spec, "status": status}
        assert deployment_state(Deployment.from_dict(document)) == state


@pytest.mark.parametrize("code", [None, "ProgressDeadlineExceeded"])
def test_a_deployment_that_does_not_come_up_says_what_its_pods_wait_for(code: str | None) -> None:
    """While it is waited for, and at its deadline; quota keeps it from having pods at all."""
    late = [{"type": "Progressing", "status": "False", "reason": code, "message": "m"}] if code else []
    crashed = {"exitCode": 1, "reason": "Error"}
    crashing = a_pod("Running", waiting={"reason": "CrashLoopBackOff", "message": "back-off 10s"}).to_dict()
    crashing["status"]["containerStatuses"][0] |= {"lastState": {"terminated": crashed}, "restartCount": 3}
    spec = {"selector": {}, "template": {}, "replicas": 1}
    state = deployment_state(
        Deployment.from_dict({"metadata": {"name": "d"}, "spec": spec, "status": {"conditions": late}}),
        [Pod.from_dict(crashing)],
    )
    why = "CrashLoopBackOff: pod p: container main: back-off 10s; it ended with exit code 1 (Error)"
    assert state.reason == (f"m; {why}" if code else why)
    assert state.status == (Status.FAILED if code else None)
    quota = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q"}
    refused = {"metadata": {"name": "d"}, "spec": spec, "status": {"conditions": [*late, quota]}}
    assert "FailedCreate: exceeded quota: q" in deployment_state(Deployment.from_dict(refused)).reason


def test_the_times_are_the_clusters() -> None:
    """A failed Job has no completionTime: its condition's change is its end. One that has not begun has its creation."""
    later = [BEGAN + timedelta(seconds=seconds) for seconds in (2, 5, 9)]
    begun = {"startTime": later[0].isoformat()}
    assert job_times(a_job("Complete", completionTime=later[1].isoformat(), **begun)) == (BEGAN, later[0], later[1])
    assert job_times(a_job("Failed", **begun)) == (BEGAN, later[0], later[2])
    assert job_times(a_job()) == (BEGAN, BEGAN, BEGAN)


@pytest.mark.parametrize(
    ("failed", "spec", "told"),
    [
        (0, {"backoffLimit": 2}, ""),
        (1, {"backoffLimit": 2}, "attempt 2 of 3"),
        (1, {}, "attempt 2 of 7"),
        # Pods that lost their nodes count as failed, and not against the limit.
        (5, {"backoffLimit": 2}, "attempt 6"),
        (1, {"backoffLimit": 2, "completions": 3, "parallelism": 3}, ""),
    ],
)
def test_a_job_that_was_started_again_tells_its_attempt(failed: int, spec: dict[str, int], told: str) -> None:
    """While it runs; the end is told by itself."""
    pods = [a_pod("Running", running={})]
    job = a_job()
    document = job.to_dict()
    document["spec"] = {**document["spec"], **spec}
    document["status"] = {**document.get("status", {}), "failed": failed}
    assert job_state(Job.from_dict(document), pods).attempt == told
    assert job_state(a_job("Complete"), [ended(0)]).attempt == ""


def test_a_container_beyond_its_memory_says_which_key_to_raise() -> None:
    """Also where the script could write nothing any more."""
    pod = ended(137)
    pod.status.containerStatuses[0].state.terminated.reason = "OOMKilled"
    state = job_state(a_job("Failed"), [pod])
    assert (state.exit_code, state.reason) == (137, "OOMKilled: it took more than `memory_mib`")
    assert told_limit(state.reason) is Limit.MEMORY
    assert told_limit("OSError: [Errno 28] No space left on device: '/tmp/x'") is Limit.DISK
    assert told_limit("ValueError: no rows") is None
