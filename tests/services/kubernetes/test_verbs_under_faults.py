"""Every fault at every request of the verbs that change a cluster: what comes of them is what comes of them without."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import lightkube
import pytest

from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.services.kubernetes.client import KubernetesService
from lyftlearn_image.workload import Workload
from tests.services.kubernetes.simulator import faults
from tests.services.kubernetes.simulator.cluster import simulated_cluster
from tests.services.kubernetes.simulator.lives import begins, serves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled
    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod

pytestmark = pytest.mark.slow
SAMPLE = 12
FAULTS: dict[str, Callable[[Cluster], None]] = {
    **{f"{code}": faults.refuse(code) for code in (429, 500, 502, 503, 504)},
    "502 of a balancer": faults.refuse(502, is_status=False),
    "no answer": faults.cut,
    "streams break": faults.break_streams(),
    "server down for 6 s": faults.go_away(6),
    "versions forgotten": faults.forget_versions,
    "token replaced": lambda cluster: faults.replace_tokens("new", cluster.plugin)(cluster),  # type: ignore[attr-defined]
}


def saves(pod: Pod) -> Iterator[None]:
    """A job that works until SIGTERM, saves, and ends."""
    yield from begins(pod)
    while not pod.is_asked_to_end:
        yield
    for _ in range(5):
        pod.write("saving\n")
        yield
    pod.exit(3)


def manifests(**fields: Any) -> Compiled:
    """The manifests of a workload with a file and a ServiceAccount of its own."""
    options = {"service_account": "iris", "role_arn": "arn:aws:iam::111122223333:role/iris"}
    files = {"/etc/team/c": {"content": "c"}}
    workload = Workload.model_validate({"name": "iris", "image": "i", "files": files, "kubernetes": options, **fields})
    return compile_for("kubernetes", workload, Launch("iris-1", "s3://runs/out"))


def stop_a_job(service: KubernetesService, cluster: Cluster, directory: Path) -> tuple[Any, ...]:
    """Submitted, stopped while it runs, waited for, collected, deleted."""
    cluster.life = saves
    job = service.submit(manifests(command=["run"]))
    while service.state(job).phase != "Running":
        cluster.tick()
    service.stop(job)
    state = service.wait(job, lambda _: None)
    run = service.collect(job, directory)
    service.delete(job)
    return state.status, run.exit_code, run.stdout.read_text(), left(cluster)


def run_a_server(service: KubernetesService, cluster: Cluster, directory: Path) -> tuple[Any, ...]:
    """Submitted, waited for, followed until it is stopped, started again, collected, deleted."""
    cluster.life = serves("up")
    compiled = manifests(kind="serving", model="s3://runs/model/")
    job = service.submit(compiled)
    first = service.wait(job, lambda _: None)
    lines = []
    for line in service.logs(job, follow=True):
        lines.append(line.partition("] ")[2])
        service.stop(job)
    service.submit(compiled)
    second = service.wait(job, lambda _: None)
    run = service.collect(job, directory)
    service.delete(job)
    return first.status, lines, second.status, run.stdout.read_text().partition("] ")[2], left(cluster)


def left(cluster: Cluster) -> set[str]:
    """The kinds of what there is, but for events."""
    return {kind for kind, _, _ in cluster.objects.by_key} - {"events"}


STORIES = {"a stopped job": stop_a_job, "a server": run_a_server}


def told(name: str, s3: S3Client, directory: Path, fault: Callable[[Cluster], None] | None = None, at: int = 0) -> Any:
    """What comes of a story, and how many requests it takes."""
    token = directory / "token.json"

    def write_token(text: str) -> None:
        credential = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": text}}
        token.write_text(json.dumps(credential))

    write_token("old")
    directory = directory / f"{fault and id(fault)}-{at}"
    directory.mkdir()
    with simulated_cluster() as cluster:
        cluster.tokens = {"old"}
        cluster.plugin = write_token  # type: ignore[attr-defined]
        if fault:
            cluster.at_request(at, fault)
        service = KubernetesService(
            lightkube.Client(config=cluster.kubeconfig(exec_command=["cat", str(token)])), s3, cluster.clock()
        )
        try:
            return STORIES[name](service, cluster, directory), len(cluster.requests)
        finally:
            service.close()


@pytest.mark.parametrize("name", STORIES)
def test_every_fault_at_every_request_of_a_verb_is_come_through(name: str, s3: S3Client, tmp_path: Path) -> None:
    """Nothing is left, lost or done twice: a sample, or all with LYFTLEARN_FAULTS=all."""
    expected, requests = told(name, s3, tmp_path)
    assert expected[-1] == set()
    cases = [(fault, at) for fault in FAULTS for at in range(requests)]
    if os.environ.get("LYFTLEARN_FAULTS") != "all":
        cases = random.Random(int(os.environ.get("LYFTLEARN_SEED", "1"))).sample(cases, SAMPLE)  # noqa: S311 - which are tried
    failed = []
    for fault, at in cases:
        try:
            outcome, _ = told(name, s3, tmp_path, FAULTS[fault], at)
        except Exception as error:  # noqa: BLE001 - all that do not come through are told together
            outcome = error
        if outcome != expected:
            failed.append(f"{fault} at request {at}: {outcome!r}")
    assert not failed, f"{len(failed)} of {len(cases)}\n" + "\n".join(failed[:30])
