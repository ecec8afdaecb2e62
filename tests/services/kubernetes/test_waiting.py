"""Why pods wait, by what the API says of them and by their events. Messages: Kubernetes v1.36."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lightkube.resources.core_v1 import Event, Pod

from lyftlearn_image.services.kubernetes.waiting import Wait, explain_events, explain_pods

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_pod(name: str = "p", phase: str = "Pending", **status: Any) -> Any:
    """A pod with this status."""
    return Pod.from_dict({"metadata": {"name": name}, "status": {"phase": phase, **status}})


def a_container(name: str = "main", last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    """The status of a container."""
    told = {"name": name, "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return {**told, "lastState": {"terminated": last}} if last else told


def waiting(reason: str, message: str = "", name: str = "main", last: dict[str, Any] | None = None) -> dict[str, Any]:
    """The status of a container that waits."""
    return a_container(name, last, waiting={"reason": reason, "message": message})


UNSCHEDULABLE = {
    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
}  # fmt: skip
NO_SECRET = 'secret "db" not found'
ENDED = {"exitCode": 3, "reason": "Error", "message": "no model at\ns3://x"}


@pytest.mark.parametrize(
    ("status", "wait"),
    [
        ({"conditions": [UNSCHEDULABLE]},
         Wait("Unschedulable", "pod p: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")),
        ({"containerStatuses": [waiting("CreateContainerConfigError", NO_SECRET)]},
         Wait("CreateContainerConfigError", f"pod p: container main: {NO_SECRET}")),
        ({"containerStatuses": [waiting("ImagePullBackOff", 'Back-off pulling image "x"')]},
         Wait("ImagePullBackOff", 'pod p: container main: Back-off pulling image "x"')),
        ({"containerStatuses": [waiting("CrashLoopBackOff", "back-off 10s", last=ENDED)], "phase": "Running"},
         Wait("CrashLoopBackOff",
              "pod p: container main: back-off 10s; it ended with exit code 3 (Error: no model at s3://x)")),
        ({"initContainerStatuses": [a_container("model", terminated=ENDED)],
          "containerStatuses": [waiting("PodInitializing")]},
         Wait("Init:Error", "pod p: container model ended with exit code 3 (Error: no model at s3://x)")),
        ({"initContainerStatuses": [a_container("model", terminated={"exitCode": 0}),
                                    waiting("CrashLoopBackOff", "back-off 20s", "server", ENDED)],
          "containerStatuses": [waiting("PodInitializing")]},
         Wait("Init:CrashLoopBackOff",
              "pod p: container server: back-off 20s; it ended with exit code 3 (Error: no model at s3://x)")),
        # An injected container that cannot start keeps the pod from nothing that can be seen of ours, but from its beginning.
        ({"containerStatuses": [waiting("ErrImagePull", "no such image", "agent"), waiting("ContainerCreating")]},
         Wait("ErrImagePull", "pod p: container agent: no such image")),
        ({"containerStatuses": [waiting("ContainerCreating")]}, Wait("ContainerCreating")),
        ({"initContainerStatuses": [waiting("PodInitializing", name="model")],
          "containerStatuses": [waiting("PodInitializing")]}, Wait("PodInitializing")),
        ({}, Wait("Pending")),
        ({"containerStatuses": [a_container("main", running={})], "phase": "Running"}, None),
        ({"containerStatuses": [waiting("CrashLoopBackOff", "m", "agent"), a_container("main", running={})],
          "phase": "Running"}, None),
        ({"phase": "Failed"}, None),
        ({"phase": "Succeeded", "containerStatuses": [a_container("main", terminated={"exitCode": 0})]}, None),
    ],
)  # fmt: skip
def test_what_a_pod_waits_for(status: dict[str, Any], wait: Wait | None) -> None:
    """The node before the init containers before the containers; a pod whose `main` has begun does not wait."""
    assert explain_pods([a_pod(**status)]) == wait


def test_of_several_pods_the_one_that_is_stuck_is_told() -> None:
    """And how many wait beside it."""
    pods = [a_pod("a"), a_pod("b", conditions=[UNSCHEDULABLE]), a_pod("c", "Failed")]
    wait = explain_pods(pods)
    assert wait is not None
    assert wait.reason.startswith("pod b: 0/3 nodes")
    assert wait.reason.endswith("(of 2 pods that wait)")
    assert explain_pods([]) is None


def test_a_long_message_is_one_line_of_bounded_length() -> None:
    """A registry answers with a page."""
    wait = explain_pods([a_pod(containerStatuses=[waiting("ErrImagePull", "<html>\n" * 1000)])])
    assert wait is not None
    assert "\n" not in wait.reason
    assert len(wait.reason) < 600


def an_event(reason: str, message: str, seconds: int, kind: str = "Warning", field: str = "lastTimestamp") -> Any:
    """An event with its time in one of the fields that have it."""
    at = (BEGAN + timedelta(seconds=seconds)).isoformat()
    times = {"series": {"count": 2, "lastObservedTime": at}} if field == "series" else {field: at}
    metadata = {"name": "e", **({"creationTimestamp": at} if field == "metadata" else {})}
    times = {} if field == "metadata" else times
    return Event.from_dict(
        {"metadata": metadata, "involvedObject": {}, "reason": reason, "message": message, "type": kind, **times}
    )


@pytest.mark.parametrize("field", ["lastTimestamp", "eventTime", "series", "metadata"])
def test_the_last_event_explains(field: str) -> None:
    """Wherever it has its time. What was told before a later one is over, and of one second the warning counts."""
    mount = an_event("FailedMount", 'MountVolume.SetUp failed for volume "db" : secret "db" not found', 5, field=field)
    placed = an_event("Scheduled", "assigned", 5, "Normal", field)
    pulling = an_event("Pulling", 'Pulling image "x"', 7, "Normal", field)
    assert explain_events([mount, placed]) == Wait("FailedMount", mount.message)
    assert explain_events([placed, mount, pulling]) == Wait("Pulling", 'Pulling image "x"')
    assert explain_events([placed]) is None
    assert explain_events([]) is None
