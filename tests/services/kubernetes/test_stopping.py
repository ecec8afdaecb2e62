"""A Job that is stopped keeps what it has done, and one that waits says what for. Of a cluster that is simulated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import State, Status, StopRequest
from tests.services.kubernetes.simulator import admission
from tests.services.kubernetes.simulator.lives import begins, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.services.kubernetes.client import KubernetesService
    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod


def a_job(name: str = "churn-1", *, annotations: dict[str, str] | None = None, **spec: Any) -> Compiled:
    """The manifests of a Job with a grace of a minute."""
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 60, "containers": [{"name": "main", "image": "i"}]}
    document = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "annotations": dict(annotations or {})},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 86400, "template": {"spec": pod}, **spec},
    }  # fmt: skip
    return Compiled("kubernetes", "Job", (document,))


def saves(code: int = 3, seconds: int = 1) -> Any:
    """A life that works until SIGTERM, saves for so many ticks, and ends."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        pod.write("ready\n")
        while not pod.is_asked_to_end:
            yield
        for _ in range(seconds):
            pod.write("saving\n")
            yield
        pod.exit(code)

    return life


def running(service: KubernetesService, cluster: Cluster, compiled: Compiled) -> str:
    """A Job that has begun to run."""
    job = service.submit(compiled)
    while service.state(job).phase != "Running":
        cluster.tick()
    return job


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("code", [0, 3])
def test_a_stopped_job_keeps_log_and_exit_code(
    service: KubernetesService, cluster: Cluster, tmp_path: Path, code: int, retries: int
) -> None:
    """Its pod gets SIGTERM and stays; however often a Job would try again, it makes no other pod."""
    cluster.life = saves(code)
    lines: list[str] = []
    run = service.run(
        a_job(backoffLimit=retries), workspace=tmp_path, on_line=lines.append, stop=StopRequest(re.compile("ready"))
    )
    assert (run.status, run.exit_code, lines) == (Status.STOPPED, code, ["ready", "saving"])
    assert run.stdout.read_text() == "ready\nsaving\n"
    assert len(cluster.pods()) == 1


def test_by_name_alone_it_is_the_same(service: KubernetesService, cluster: Cluster, tmp_path: Path) -> None:
    """Stopped, waited for and collected by three clients that know nothing but the id. Another stop changes nothing."""
    cluster.life = saves()
    job = running(service, cluster, a_job())
    service.stop(job)
    assert service.wait(job, lambda _: None) == State(Status.STOPPED, "Stopped", exit_code=3)
    assert service.collect(job, tmp_path).stdout.read_text() == "ready\nsaving\n"
    document = cluster.objects.get("jobs", "default", "churn-1")
    service.stop(job)
    assert cluster.objects.get("jobs", "default", "churn-1") == document


@pytest.mark.parametrize("obstacle", ["forbidden", "no shell"])
def test_where_no_command_can_be_executed_the_pod_has_its_grace(
    service: KubernetesService, cluster: Cluster, obstacle: str
) -> None:
    """The Job's own deadline takes it then: SIGTERM all the same, and what is followed meanwhile is seen to its end."""
    cluster.life = saves()
    job = running(service, cluster, a_job())
    if obstacle == "forbidden":
        cluster.forbidden.add(("get", "pods/exec"))
    cluster.pods()[0].has_shell = obstacle != "no shell"
    lines = []
    for line in service.logs(job, follow=True):
        lines.append(line)
        if line == "ready":
            service.stop(job)
    assert lines == ["ready", "saving"]
    assert service.wait(job, lambda _: None).status is Status.STOPPED


def test_who_does_not_end_within_its_grace_is_killed(service: KubernetesService, cluster: Cluster) -> None:
    """By the cluster itself, whether or not anybody still waits; not before its grace is over."""

    def deaf(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        while True:
            yield

    cluster.life = deaf
    job = running(service, cluster, a_job())
    cluster.sleep(1000)
    begun = cluster.now
    service.stop(job)
    cluster.sleep(55)
    assert cluster.pods()[0].running()
    assert service.wait(job, lambda _: None).status is Status.STOPPED
    assert 60 <= cluster.now - begun < 200


def test_a_job_that_waits_is_ended_at_once(service: KubernetesService, cluster: Cluster) -> None:
    """It has done nothing that could be kept; no command is tried."""

    def stuck(pod: Pod) -> Iterator[None]:
        pod.unschedulable()
        yield

    cluster.life = stuck
    job = service.submit(a_job())
    service.stop(job)
    assert service.wait(job, lambda _: None) == State(Status.STOPPED, "Stopped")
    assert cluster.count("GET", "pods/exec") == 0


def test_of_a_job_with_several_hosts_each_is_told(service: KubernetesService, cluster: Cluster, tmp_path: Path) -> None:
    """And what each has done is kept."""
    cluster.life = saves(code=0)
    job = running(service, cluster, a_job(parallelism=3, completions=3, completionMode="Indexed"))
    while len([pod for pod in cluster.pods() if pod.running()]) < 3:
        cluster.tick()
    service.stop(job)
    assert service.wait(job, lambda _: None).status is Status.STOPPED
    assert all(pod.is_signalled for pod in cluster.pods())
    assert service.collect(job, tmp_path).stdout.read_text() == "ready\nsaving\n" * 3


def test_a_sidecar_that_never_ends_does_not_take_the_log_away(
    service: KubernetesService, cluster: Cluster, tmp_path: Path
) -> None:
    """The end is that of our container; the pod goes with the Job's deadline, when all is read."""
    cluster.admission.append(admission.inject("mesh"))
    cluster.life = saves()
    job = running(service, cluster, a_job())
    service.stop(job)
    assert service.wait(job, lambda _: None) == State(Status.STOPPED, "Stopped", exit_code=3)
    run = service.collect(job, tmp_path)
    assert (run.exit_code, run.stdout.read_text()) == (3, "ready\nsaving\n")
    cluster.sleep(1000)
    assert cluster.pods() == []


def test_of_a_job_that_has_been_tried_again_no_pod_is_made_by_the_stop(service: KubernetesService, cluster: Cluster) -> None:
    """What has failed before it counts for nothing."""
    lives = iter((runs(code=1), runs(code=1), saves()))

    def life(pod: Pod) -> Iterator[None]:
        yield from next(lives)(pod)

    cluster.life = life
    job = service.submit(a_job(backoffLimit=6))
    while not any(pod.running() and pod.logs["main"].entries for pod in cluster.pods()):
        cluster.tick()
    assert len(cluster.pods()) == 3
    service.stop(job)
    assert service.wait(job, lambda _: None) == State(Status.STOPPED, "Stopped", exit_code=3)
    assert len(cluster.pods()) == 3
