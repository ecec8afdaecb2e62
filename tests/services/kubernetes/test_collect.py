"""What is collected of a Job that has ended: from its pods, from what was followed, or from what the shim has left in S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.run import Status
from tests.services.kubernetes.simulator import admission, faults
from tests.services.kubernetes.simulator.lives import begins, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.run import Run
    from lyftlearn_image.services.kubernetes.client import KubernetesService
    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod


@pytest.fixture
def leave(s3: S3Client, cluster: Cluster) -> Callable[..., None]:
    """Puts what a shim would have left of a Job's host, at this time of the world."""

    def put(job: str, host: int = 0, raw: str = "", **fields: Any) -> None:
        document = {"version": 1, "exit_code": 0, "ended_at": cluster.now, "log": "", **fields}
        document.setdefault("lines", document["log"].count("\n"))
        key = f"{job.rpartition('/')[2]}/record/{host}.json"
        s3.put_object(Bucket="runs", Key=key, Body=(raw or json.dumps(document)).encode())

    return put


def ended(service: KubernetesService, compiled: Compiled) -> str:
    """A Job that was waited for, and whose log nobody has read."""
    job = service.submit(compiled)
    service.wait(job, lambda _: None)
    return job


def told(run: Run) -> tuple[Status, int, str, tuple[str, ...]]:
    """What a user is told of a run."""
    return run.status, run.exit_code, run.stdout.read_text(), run.cut


def test_when_the_pod_is_gone_the_shims_record_is_collected(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], leave: Callable[..., None], tmp_path: Path
) -> None:
    """Log and exit code, also of a log of which only the end was kept, which is told."""
    cluster.life = runs("a", "b", code=3)
    job = ended(service, compiled())
    leave(job, exit_code=3, log="b\n", lines=2)
    faults.delete_pods(cluster)
    cluster.sleep(1)
    run = service.collect(job, tmp_path)
    assert told(run) == (Status.FAILED, 3, "b\n", ("log of host 0: of its 2 lines the last 1 were kept",))
    cut: list[str] = []
    assert list(service.logs(job, follow=False, on_cut=cut.append)) == ["b"]
    assert cut == list(run.cut)


def test_of_several_hosts_that_are_gone_the_one_that_failed_first_tells(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], leave: Callable[..., None], tmp_path: Path
) -> None:
    """Its code and its log; of a job that completed all hosts' logs are collected, by their indexes."""
    cluster.life = runs("x", code=1)
    job = ended(service, compiled(nodes=2))
    leave(job, 0, exit_code=143, log="told to end\n")
    leave(job, 1, exit_code=7, log="bad shard\n", ended_at=cluster.now - 9)
    faults.delete_pods(cluster)
    cluster.sleep(1)
    assert told(service.collect(job, tmp_path))[:3] == (Status.FAILED, 7, "bad shard\n")
    cluster.life = runs("x")
    (tmp_path / "second").mkdir()
    job = ended(service, compiled(nodes=2, environment={"A": "B"}))
    leave(job, 1, log="one\n")
    leave(job, 0, log="zero\n")
    faults.delete_pods(cluster)
    cluster.sleep(1)
    assert told(service.collect(job, tmp_path / "second")) == (Status.COMPLETED, 0, "zero\none\n", ())


GARBAGE = {
    "empty": "{}", "a list": "[]", "no code": '{"exit_code": "x"}', "no JSON": "\x00", "no JSON either": "x" * 99,
    "an odd code": json.dumps({"exit_code": 10**9, "ended_at": 0, "lines": 0, "log": ""}),
    "a negative count": json.dumps({"exit_code": 0, "ended_at": 0, "lines": -5, "log": ""}),
    "no time": '{"exit_code": 0, "ended_at": NaN, "lines": 0, "log": ""}',
    "too large": json.dumps({"exit_code": 0, "ended_at": 0, "lines": 1, "log": "x" * (8 << 20)}),
}  # fmt: skip


@pytest.mark.parametrize("host", [0, pytest.param(7, id="no host of it")])
@pytest.mark.parametrize("garbage", [*GARBAGE.values(), None], ids=[*GARBAGE, "a good one"])
def test_a_record_that_is_none_is_passed_over(  # noqa: PLR0913, PLR0917 - fixtures
    service: KubernetesService,
    cluster: Cluster,
    compiled: Callable[..., Compiled],
    leave: Callable[..., None],
    garbage: str | None,
    host: int,
) -> None:
    """The job itself may write there. Without pods and records it is told that the log is gone."""
    job = ended(service, compiled())
    leave(job, host, raw=garbage or "", log="a line\n")
    faults.delete_pods(cluster)
    cluster.sleep(1)
    cut: list[str] = []
    lines = list(service.logs(job, follow=False, on_cut=cut.append))
    if garbage is None and host == 0:
        assert (lines, cut) == (["a line"], [])
    else:
        assert (lines, cut) == ([], ["the job's pods are gone, and their log with them"])


def test_a_log_that_was_rotated_away_is_never_empty_and_completed(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], leave: Callable[..., None], tmp_path: Path
) -> None:
    """Without a record it is told that it may have been; with one its lines are there, or their number is told."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        pod.write("a\nb\n")
        pod.rotate()
        yield
        pod.exit()

    cluster.life = life
    job = ended(service, compiled())
    run = service.collect(job, tmp_path)
    assert told(run)[:3] == (Status.COMPLETED, 0, "")
    assert "the kubelet has rotated it away" in run.cut[0]
    leave(job, log="a\nb\n")
    assert told(service.collect(job, tmp_path)) == (Status.COMPLETED, 0, "a\nb\n", ())
    leave(job, log="", lines=2)
    assert "2 of its 2 lines are missing" in service.collect(job, tmp_path).cut[0]


def test_a_silent_job_is_not_told_as_cut(
    service: KubernetesService, compiled: Callable[..., Compiled], leave: Callable[..., None], tmp_path: Path
) -> None:
    """Where its record says that it has written nothing."""
    job = ended(service, compiled())
    leave(job, log="")
    assert told(service.collect(job, tmp_path)) == (Status.COMPLETED, 0, "", ())


def test_the_record_of_another_attempt_says_nothing_of_this_one(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], leave: Callable[..., None], tmp_path: Path
) -> None:
    """A pod that was killed leaves none: what lies there is of the pod before it."""
    cluster.life = runs("now", code=137)
    job = ended(service, compiled())
    leave(job, exit_code=1, log="many\nlines\nbefore\n", ended_at=cluster.now - 3600)
    assert told(service.collect(job, tmp_path)) == (Status.FAILED, 137, "now\n", ())


def test_what_was_followed_is_what_is_collected(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Though the kubelet has rotated it away, or the pod is gone: in this process nothing of it is asked for again."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        for line in ("a", "b", "c"):
            pod.write(f"{line}\n")
            yield
        pod.exit()

    cluster.life = life
    job = service.submit(compiled())
    assert list(service.logs(job, follow=True, keep=True)) == ["a", "b", "c"]
    faults.delete_pods(cluster)
    cluster.sleep(1)
    before = cluster.count("GET", "pods/log")
    assert told(service.collect(job, tmp_path)) == (Status.COMPLETED, 0, "a\nb\nc\n", ())
    assert cluster.count("GET", "pods/log") == before


@pytest.mark.parametrize("code", [0, 3])
def test_our_container_is_main_wherever_others_stand(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], tmp_path: Path, code: int
) -> None:
    """Its log and its exit code, where another one failed before or has a log of its own; a failure says whose it was."""
    cluster.admission = [admission.inject("agent"), admission.inject("zebra", is_first=False)]

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        pod.write("the agent's\n", container="agent")
        pod.write("ours\n")
        pod.exit(1, "agent failed", container="agent")
        yield
        pod.exit(code, "our reason")
        yield
        pod.exit(0, container="zebra")

    cluster.life = life
    job = service.submit(compiled())
    assert list(service.logs(job, follow=True, keep=True)) == ["ours"]
    run = service.collect(job, tmp_path)
    assert (run.exit_code, run.stdout.read_text()) == (code, "ours\n")
    assert run.status is Status.FAILED  # the pod has: so says the cluster
    beside = "container agent beside it ended with exit code 1 (Error: agent failed)"
    assert run.reason == ("our reason" if code else beside)


@pytest.mark.parametrize(("code", "status"), [(0, Status.COMPLETED), (3, Status.FAILED)])
def test_a_sidecar_that_never_ends_does_not_hold_the_job_up(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], code: int, status: Status
) -> None:
    """The end of ours is told, and the Job is stopped; whoever asks later gets the same answer."""
    cluster.admission = [admission.inject("mesh")]
    cluster.life = runs("ours", code=code, message="why")
    job = service.submit(compiled())
    assert list(service.logs(job, follow=True)) == ["ours"]
    phases: list[str] = []
    state = service.wait(job, lambda one: phases.append(one.phase))
    cluster.sleep(60)
    assert not cluster.pods()
    assert (state.status, state.exit_code, state.reason) == (status, code, "why" if code else "")
    assert service.state(job) == state


def test_a_sidecar_that_ends_a_little_later_is_waited_for(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled]
) -> None:
    """Its Job completes by itself."""
    cluster.admission = [admission.inject("mesh")]

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        pod.exit()
        for _ in range(20):
            yield
        pod.exit(container="mesh")

    cluster.life = life
    job = service.submit(compiled())
    phases: list[str] = []
    assert service.wait(job, lambda one: phases.append(one.phase)).status is Status.COMPLETED
    assert "SidecarsRunning" in phases
    assert cluster.count("PATCH", "jobs") == 0


def test_a_container_that_was_started_again_is_followed_on(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled]
) -> None:
    """What the one before has written at its end is read from where the kubelet keeps it."""

    def restarted(resource: str, document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "spec": {**document["spec"], "restartPolicy": "OnFailure"}} if resource == "pods" else document

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        pod.write("first\n")
        yield
        pod.write("its end\n")
        pod.exit(1)
        yield
        pod.start()
        pod.write("second\n")
        yield
        pod.exit()

    cluster.admission, cluster.life = [restarted], life
    assert list(service.logs(service.submit(compiled()), follow=True)) == ["first", "its end", "second"]
