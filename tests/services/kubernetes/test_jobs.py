"""Jobs of a simulated cluster: they are made once, waited for, and cleared up where they are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.errors import InvalidInputError, UnavailableError
from lyftlearn_image.run import Status
from tests.services.kubernetes.simulator import faults
from tests.services.kubernetes.simulator.lives import runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.run import State
    from lyftlearn_image.services.kubernetes.client import KubernetesService
    from tests.services.kubernetes.simulator.cluster import Cluster

LINES = [str(number) for number in range(15)]


def test_the_same_manifests_are_the_same_job(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled]
) -> None:
    """Submitted twice it is created once."""
    one = compiled()
    assert service.submit(one) == service.submit(one)
    service.wait(service.submit(one), lambda _: None)
    assert len(cluster.objects.find("jobs")) == 1


def test_a_watch_survives_what_servers_do(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled]
) -> None:
    """Dropped connections, a forgotten version (410) and a server that is away for a while: the end is learnt."""
    cluster.life = runs(*LINES * 10, starts=4)
    job = service.submit(compiled())
    phases: list[str] = []

    def trouble(state: State) -> None:
        phases.append(state.phase)
        if state.phase == "Running" and phases.count("Running") == 1:
            for number, fault in enumerate((faults.break_streams(), faults.forget_versions, faults.go_away(6))):
                cluster.at_tick(cluster.ticks + 10 * (number + 1), fault)

    state = service.wait(job, trouble)
    assert state.status is Status.COMPLETED
    assert phases[-1] == "Complete"
    assert cluster.count("WATCH", "jobs") >= 2


def test_a_server_that_stays_away_is_told(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled]
) -> None:
    """After ten minutes, with the way to go on: the Job runs without us."""
    job = service.submit(compiled())
    cluster.go_away(10_000)
    with pytest.raises(UnavailableError) as told:
        service.wait(job, lambda _: None)
    assert f"lyftlearn-image wait {job}" in told.value.hint


def test_forbidden_is_told_with_verb_and_resource(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled]
) -> None:
    """As the API words it, and nothing was made."""
    cluster.forbidden.add(("create", "jobs"))
    with pytest.raises(InvalidInputError, match=r"creating Job svc-\w+: access denied: it needs create on jobs"):
        service.submit(compiled())
    assert not cluster.objects.find("jobs")


def test_nothing_is_left_of_a_job_that_is_refused(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], s3: S3Client
) -> None:
    """Neither ConfigMaps nor the bundle in S3; what was there before stays, and so does a job that is sent again."""
    cluster.create("configmaps", "default", {"metadata": {"name": "of-others"}})
    request = compiled(files={"/etc/big": {"content": "x" * (1 << 20)}})
    assert request.objects
    cluster.forbidden.add(("create", "jobs"))
    with pytest.raises(InvalidInputError, match="create on jobs"):
        service.submit(request)
    assert [one["metadata"]["name"] for one in cluster.objects.find("configmaps")] == ["of-others"]
    assert not [uri for uri in request.objects if objects.list_keys(s3, uri)]
    cluster.forbidden.clear()
    job = service.submit(request)
    cluster.forbidden.add(("create", "jobs"))
    assert service.submit(request) == job
    assert all(objects.list_keys(s3, uri) for uri in request.objects)


def test_a_busy_server_is_asked_again(service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled]) -> None:
    """429 is API Priority and Fairness; it passes. One that stays busy is told as such."""
    for number in range(3):
        cluster.at_request(number, faults.refuse(429))
    job = service.submit(compiled())
    assert service.wait(job, lambda _: None).status is Status.COMPLETED
    begin = len(cluster.requests)
    for number in range(1000):
        cluster.at_request(begin + number, faults.refuse(429))
    with pytest.raises(UnavailableError, match="the Kubernetes API answers 429"):
        service.state(job)


def test_what_is_not_there_is_told(service: KubernetesService) -> None:
    """A Job that is none, and a word that names none."""
    with pytest.raises(InvalidInputError, match="there is no Job no-such"):
        service.state("job/no-such")
    with pytest.raises(InvalidInputError, match="'training/x' is no job"):
        service.state("training/x")
