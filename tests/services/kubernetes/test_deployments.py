"""Servers and notebooks on a cluster that is simulated: brought up, reached, read, stopped, started again, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.run import State, Status
from lyftlearn_image.services.service import Address
from lyftlearn_image.workload import Workload
from tests.services.kubernetes.simulator import admission
from tests.services.kubernetes.simulator.lives import begins, serves

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.services.kubernetes.client import KubernetesService
    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod

JOB = "deployment/ml/iris-1"


@pytest.fixture(autouse=True)
def namespace(cluster: Cluster) -> None:
    """The workload's own, which is not the context's."""
    cluster.namespaces.add("ml")


def a_server(**fields: Any) -> Compiled:
    """The manifests of a server of two replicas."""
    described = {
        "name": "iris", "kind": "serving", "image": "i", "model": "s3://runs/iris/", "replicas": 2, "startup_s": 60,
        "kubernetes": {"namespace": "ml", "service_account": "iris", "role_arn": "arn:aws:iam::111122223333:role/iris"},
    }  # fmt: skip
    workload = Workload.model_validate({**described, **fields})
    compiled = compile_for("kubernetes", workload, Launch("iris-1", "s3://runs/out"))
    compiled.documents[-1]["spec"]["progressDeadlineSeconds"] = 60
    return compiled


def a_notebook() -> Compiled:
    """The manifests of a notebook with a disk."""
    described = {"name": "iris", "kind": "notebook", "image": "i", "storage_gb": 5, "kubernetes": {"namespace": "ml"}}
    return compile_for("kubernetes", Workload.model_validate(described), Launch("iris-1", "s3://runs/out"))


def left(cluster: Cluster) -> set[str]:
    """The kinds of what there is, but for events."""
    return {kind for kind, _, _ in cluster.objects.by_key} - {"events"}


@pytest.mark.parametrize(("compiled", "port"), [(a_server(), 8080), (a_notebook(), 8888)])
def test_a_server_is_waited_for_and_reached(
    service: KubernetesService, cluster: Cluster, compiled: Compiled, port: int
) -> None:
    """Until every replica is ready; by its Service's name beside it, by a port that is forwarded from here."""
    cluster.life = serves(starts=3)
    states: list[State] = []
    assert service.submit(compiled) == JOB
    assert service.wait(JOB, states.append) == State(Status.COMPLETED, "Available")
    assert states[0].status is None
    forward = f"kubectl --namespace ml port-forward service/iris-1 {port}:{port}"
    assert service.address(JOB) == Address(f"http://iris-1.ml.svc:{port}", forward, f"http://localhost:{port}")
    (made,) = cluster.objects.find("services")
    assert [one["port"] for one in made["spec"]["ports"]] == [port]


def test_every_replicas_lines_come_with_its_pod(service: KubernetesService, cluster: Cluster, tmp_path: Path) -> None:
    """Read at once, collected, and followed while replicas come and go, until it is stopped."""
    cluster.life = serves("up")
    service.submit(a_server())
    service.wait(JOB, lambda _: None)
    first = sorted(f"[{pod.name}] up" for pod in cluster.pods())
    assert len(first) == 2
    assert sorted(service.logs(JOB, follow=False)) == first
    run = service.collect(JOB, tmp_path)
    assert (run.status, run.job_name) == (Status.COMPLETED, "iris-1")
    assert sorted(run.stdout.read_text().splitlines()) == first
    followed = []
    for line in service.logs(JOB, follow=True):
        followed.append(line)
        if len(followed) == 2:
            cluster.pods()[0].delete()
        if len(followed) == 3:
            service.stop(JOB)
    assert sorted(followed[:2]) == first
    assert len(followed) == 3
    assert followed[2] not in first


@pytest.mark.parametrize("is_scaled", [False, True])
def test_a_stopped_server_is_started_again_by_a_submit(
    service: KubernetesService, cluster: Cluster, *, is_scaled: bool
) -> None:
    """The same one, with as many replicas as the workload says, or one where an autoscaler counts them.

    Sent again while it runs, nothing happens.
    """
    cluster.life = serves()
    scaled = {"kubernetes": {"namespace": "ml", "autoscaling": {"max_replicas": 4, "cpu_percent": 70}}} if is_scaled else {}
    service.submit(a_server(**scaled))
    service.wait(JOB, lambda _: None)
    service.stop(JOB)
    assert service.wait(JOB, lambda _: None) == State(Status.STOPPED, "ScaledToZero")
    cluster.sleep(100)
    assert cluster.pods() == []
    uid = cluster.objects.get("deployments", "ml", "iris-1")["metadata"]["uid"]
    for _ in range(2):
        assert service.submit(a_server(**scaled)) == JOB
        assert service.wait(JOB, lambda _: None) == State(Status.COMPLETED, "Available")
    assert len(cluster.pods()) == (1 if is_scaled else 2)
    assert cluster.objects.get("deployments", "ml", "iris-1")["metadata"]["uid"] == uid


@pytest.mark.parametrize("compiled", [a_server(), a_notebook()])
@pytest.mark.parametrize("is_stopped", [False, True])
def test_nothing_of_a_deleted_server_stays(
    service: KubernetesService, cluster: Cluster, compiled: Compiled, *, is_stopped: bool
) -> None:
    """Pods, Service, ServiceAccount, ConfigMaps, a notebook's disk: when the verb is done, all are gone."""
    cluster.life = serves()
    service.submit(compiled)
    service.wait(JOB, lambda _: None)
    if is_stopped:
        service.stop(JOB)
    assert left(cluster) > {"deployments", "services"}
    service.delete(JOB)
    assert left(cluster) == set()


def crashes(pod: Pod) -> Iterator[None]:
    """A server that ends whenever it begins."""
    yield from begins(pod, is_ready=False)
    while not pod.is_asked_to_end:
        if pod.running():
            pod.exit(1, "no such model")
        yield


def test_a_server_that_does_not_come_up_says_why(service: KubernetesService, cluster: Cluster) -> None:
    """While it is waited for, and when its cluster gives up, with what its pods say."""
    cluster.life = crashes
    service.submit(a_server())
    states: list[State] = []
    state = service.wait(JOB, states.append)
    assert (state.status, state.phase) == (Status.FAILED, "ProgressDeadlineExceeded")
    assert "has timed out progressing" in state.reason
    for told in (state, states[-2]):
        assert "CrashLoopBackOff: pod iris-1-" in told.reason
        assert "it ended with exit code 1 (Error: no such model)" in told.reason


def test_a_server_that_waits_too_long_is_told_and_left(service: KubernetesService, cluster: Cluster) -> None:
    """It may have served before, so its cluster alone ends it."""

    def stuck(pod: Pod) -> Iterator[None]:
        pod.unschedulable()
        yield

    cluster.life = stuck
    compiled = a_server()
    compiled.documents[-1]["metadata"]["annotations"]["lyftlearn.dev/pending-timeout-s"] = "30"
    service.submit(compiled)
    state = service.wait(JOB, lambda _: None)
    assert (state.status, state.phase) == (Status.FAILED, "PendingTimeout")
    assert "Unschedulable: pod iris-1-" in state.reason
    assert cluster.objects.get("deployments", "ml", "iris-1")["spec"]["replicas"] == 2
    cluster.life = serves()


def test_a_server_without_pods_says_what_refuses_them(service: KubernetesService, cluster: Cluster) -> None:
    """The Deployment's own condition has it."""
    cluster.admission.append(admission.deny("pods", 'pods "x" is forbidden: exceeded quota: team'))
    service.submit(a_server())
    state = service.wait(JOB, lambda _: None)
    assert "exceeded quota: team" in state.reason
