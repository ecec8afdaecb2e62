"""What a submitted workload makes in a cluster, whose it is, what is left of it, and which requests that takes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.core.generic_client import GenericSyncClient

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.platforms.permissions import kubernetes as permissions
from lyftlearn_image.platforms.permissions.account import account_of
from lyftlearn_image.run import Status
from lyftlearn_image.workload import Workload
from tests.services.kubernetes.simulator import admission
from tests.services.kubernetes.simulator.lives import begins, runs, serves

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.services.kubernetes.client import KubernetesService
    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod
    from tests.services.kubernetes.simulator.server import Request

OPTIONS = {"namespace": "ml", "service_account": "iris", "role_arn": "arn:aws:iam::111122223333:role/iris"}
BIG = {"/etc/big": {"content": "x" * (1 << 20)}}
TRAINING = {
    "name": "iris", "kind": "training", "image": "i", "program": "train.py", "nodes": 2, "output": "s3://runs/out",
    "files": {"/etc/team/c": {"content": "c"}},
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "training": TRAINING,
    "processing": {"name": "iris", "kind": "processing", "image": "i", "command": ["p"], "output": "s3://runs/out"},
    "transform": {
        "name": "iris", "kind": "transform", "image": "i", "model": "s3://runs/model.tar.gz", "input": "s3://runs/in/",
        "output": "s3://runs/out",
    },
    "serving": {"name": "iris", "kind": "serving", "image": "i", "model": "s3://runs/model.tar.gz"},
    "scaled": {
        "name": "iris", "kind": "serving", "image": "i", "model": "s3://runs/model.tar.gz",
        "kubernetes": {
            **OPTIONS, "disruption_budget": {"max_unavailable": 1}, "autoscaling": {"max_replicas": 3, "cpu_percent": 70},
            "ingress": {"host": "iris.example.com"}, "http_route": {"gateway": "infra/public"},
        },
    },
    "notebook": {"name": "iris", "kind": "notebook", "image": "i", "storage_gb": 5},
}  # fmt: skip


@pytest.fixture(autouse=True)
def namespace(cluster: Cluster) -> None:
    """The workload's own, which is not the context's."""
    cluster.namespaces.add("ml")


def a_workload(kind: str = "training", **fields: Any) -> Workload:
    """A workload that needs as much around it as its kind can."""
    return Workload.model_validate({"kubernetes": OPTIONS, **KINDS[kind], **fields})


def manifests(workload: Workload, name: str = "iris-1") -> Compiled:
    """Its manifests."""
    return compile_for("kubernetes", workload, Launch(name, "s3://runs/out"))


def objects_of(cluster: Cluster, *ignored: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What there is by resource and name, all of it in the workload's namespace."""
    found = {key: one for key, one in cluster.objects.by_key.items() if key[0] not in {"events", *ignored}}
    assert {namespace for _, namespace, _ in found} <= {"ml"}
    return {(resource, name): one for (resource, _, name), one in found.items()}


def owners(one: dict[str, Any]) -> list[str]:
    """The names of an object's owners."""
    return [owner["name"] for owner in one["metadata"].get("ownerReferences", ())]


@pytest.mark.parametrize("kind", list(KINDS))
def test_everything_that_is_made_has_its_owner(service: KubernetesService, cluster: Cluster, kind: str) -> None:
    """In the workload's own namespace; deleted, nothing of it stays, and what others have made does."""
    cluster.life = runs() if kind in {"training", "processing", "transform"} else serves()
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {}}
    cluster.create("configmaps", "ml", theirs)
    compiled = manifests(a_workload(kind))
    job = service.submit(compiled)
    assert job == f"{compiled.action.lower()}/ml/iris-1"
    made = objects_of(cluster, "pods", "replicasets")
    assert len(made) == len(compiled.documents) + 1
    for (_, name), one in made.items():
        is_main = one["kind"] == compiled.action
        assert owners(one) == ([] if is_main or name == "theirs" else ["iris-1"])
    service.wait(job, lambda _: None)
    service.delete(job)
    assert list(objects_of(cluster)) == [("configmaps", "theirs")]


def test_a_deleted_jobs_pods_have_their_grace_and_its_bundle_goes(
    service: KubernetesService, cluster: Cluster, s3: S3Client
) -> None:
    """Its outputs stay: they are what it was run for."""
    saved = []

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        while not pod.is_asked_to_end:
            yield
        saved.append(pod.name)
        pod.exit(0)

    cluster.life = life
    job = service.submit(manifests(a_workload(files=BIG)))
    while service.state(job).phase != "Running":
        cluster.tick()
    s3.put_object(Bucket="runs", Key="out/iris-1/output/model.tar.gz", Body=b"x")
    assert len(list_keys(s3)) == 2
    service.delete(job)
    assert len(saved) == 2
    assert objects_of(cluster) == {}
    assert list_keys(s3) == ["out/iris-1/output/model.tar.gz"]
    with pytest.raises(InvalidInputError, match="there is no Job iris-1 in the namespace ml"):
        service.delete(job)


def list_keys(s3: S3Client) -> list[str]:
    """All that is in the bucket."""
    return [one["Key"] for one in s3.list_objects_v2(Bucket="runs").get("Contents", ())]


def test_a_job_that_is_being_deleted_is_made_anew(service: KubernetesService, cluster: Cluster) -> None:
    """When the old one is gone; what belonged to that goes with it, and the new one has its own."""
    cluster.life = runs("one", "two")
    compiled = manifests(a_workload())
    job = service.submit(compiled)
    service.wait(job, lambda _: None)
    before = cluster.objects.get("jobs", "ml", "iris-1")["metadata"]["uid"]
    cluster.delete("jobs", "ml", "iris-1", "Foreground")
    assert service.submit(compiled) == job
    assert cluster.objects.get("jobs", "ml", "iris-1")["metadata"]["uid"] != before
    cluster.sleep(10)
    made = objects_of(cluster, "pods")
    assert len(made) == len(compiled.documents)
    assert service.wait(job, lambda _: None).status is Status.COMPLETED


def test_a_service_account_is_shared_and_one_of_the_teams_own_is_left(service: KubernetesService, cluster: Cluster) -> None:
    """It goes with the last of the jobs that it was made for; one that was there before was not made for any."""
    jobs = [service.submit(manifests(a_workload(), name)) for name in ("iris-1", "iris-2")]
    assert owners(cluster.objects.get("serviceaccounts", "ml", "iris")) == ["iris-1", "iris-2"]
    for job in jobs:
        assert ("serviceaccounts", "iris") in objects_of(cluster)
        service.delete(job)
    assert objects_of(cluster) == {}
    cluster.create("serviceaccounts", "ml", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "iris"}})
    job = service.submit(manifests(a_workload()))
    assert owners(cluster.objects.get("serviceaccounts", "ml", "iris")) == []
    service.delete(job)
    assert list(objects_of(cluster)) == [("serviceaccounts", "iris")]


class Died(BaseException):
    """The client's process has ended: it clears up nothing."""


def dies(at: int) -> Any:
    """How requests are sent by a client that lives for so many of them."""
    send, numbers = GenericSyncClient.send, itertools.count()

    def send_or_die(self: Any, *arguments: Any, **options: Any) -> Any:
        if next(numbers) >= at:
            raise Died
        return send(self, *arguments, **options)

    return send_or_die


def test_a_client_that_dies_at_any_request_leaves_what_the_next_one_completes(
    service: KubernetesService, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again, everything is there once, and owned; and deleted, nothing is left."""
    compiled = manifests(a_workload(nodes=1))
    for lives_for in itertools.count():
        try:
            with monkeypatch.context() as patched:
                patched.setattr(GenericSyncClient, "send", dies(lives_for))
                service.submit(compiled)
        except Died:
            job = service.submit(compiled)
        else:
            assert lives_for > len(compiled.documents)
            break
        made = objects_of(cluster, "pods")
        assert len(made) == len(compiled.documents)
        assert all(owners(one) == ["iris-1"] for one in made.values() if one["kind"] != "Job")
        service.delete(job)
        assert objects_of(cluster) == {}


@pytest.mark.parametrize(
    "refusal",
    [
        'jobs.batch "NAME" is forbidden: exceeded quota: team',
        'admission webhook "policy" denied the request: no team label',
    ],
)
def test_nothing_is_left_of_what_is_refused(service: KubernetesService, cluster: Cluster, s3: S3Client, refusal: str) -> None:
    """Neither objects nor the bundle; the refusal is told as such, and no permission is asked for."""
    cluster.admission.append(admission.deny("jobs", refusal))
    with pytest.raises(InvalidInputError, match="creating Job iris-1: the cluster refuses it: ") as told:
        service.submit(manifests(a_workload(files=BIG)))
    assert refusal.replace("NAME", "iris-1") in told.value.what
    assert objects_of(cluster) == {}
    assert list_keys(s3) == []


# Verbs of RBAC by requests of HTTP (kubernetes.io/docs "Determine the Request Verb").
_RBAC = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "WATCH": "watch", "GET": "get"}


def rbac_verb(request: Request) -> tuple[str, str]:
    """Resource and verb of a request."""
    is_list = request.verb == "GET" and not request.name
    return request.resource, "list" if is_list else _RBAC[request.verb]


def printed(kind: str) -> set[tuple[str, str]]:
    """Resources and verbs of the Role that `permissions` prints."""
    workload = a_workload(kind)
    role = permissions.permissions(workload, account_of(workload, "eu-west-1", "111122223333"))["submitter"]
    return {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_printed_role_has_every_verb_that_is_used_and_no_other(
    service: KubernetesService, cluster: Cluster, tmp_path: Path, kind: str
) -> None:
    """By the requests of every verb of the command line, in a cluster that lets a job wait, run, fail and be refused."""
    is_job = ("jobs", "create") in printed(kind)
    compiled = manifests(a_workload(kind))

    def life(pod: Pod) -> Iterator[None]:
        yield
        pod.schedule()
        pod.wait()
        pod.event("FailedMount", "no such volume")
        for _ in range(20):
            yield
        yield from (runs(*"abcdefghij") if is_job else serves("x"))(pod)

    cluster.life = life
    # Refused at the end, so that all of it is taken back.
    main = f"{compiled.action.lower()}s"
    cluster.admission.append(admission.deny(main, "denied"))
    with pytest.raises(InvalidInputError, match="the cluster refuses it"):
        service.submit(compiled)
    cluster.admission.clear()
    job = service.submit(compiled)
    service.wait(job, lambda _: None)
    service.address(job)
    list(service.logs(job, follow=False))
    service.collect(job, tmp_path)
    service.stop(job)
    service.submit(compiled)
    service.delete(job)
    if is_job:
        cluster.life = serves()
        job = service.submit(compiled)
        while service.state(job).phase != "Running":
            cluster.tick()
        service.stop(job)
        service.wait(job, lambda _: None)
    used = {rbac_verb(request) for request in cluster.requests}
    # Of a WebSocket some versions of Kubernetes ask for one, some for the other.
    used |= {("pods/exec", "create")} if ("pods/exec", "get") in used else set()
    assert used == printed(kind)
