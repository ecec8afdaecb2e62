"""A simulated cluster, its client, and a local S3: none needs an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import lightkube
import pytest
from moto import mock_aws

from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.services.kubernetes.client import KubernetesService
from lyftlearn_image.services.service import job_name
from lyftlearn_image.workload import Workload
from tests.services.kubernetes.simulator.cluster import simulated_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from tests.services.kubernetes.simulator.cluster import Cluster

_OUTCOME = pytest.StashKey[pytest.TestReport]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keeps how a test went, for the fixture that writes down the world of one that failed."""
    report: pytest.TestReport = yield  # type: ignore[misc] # pluggy sends it
    if report.when == "call":
        item.stash[_OUTCOME] = report
    return report  # type: ignore[return-value] # and wants it back


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """An empty cluster; where its test fails, all its states are written to world.json and the report says where."""
    with simulated_cluster() as made:
        yield made
    report = request.node.stash.get(_OUTCOME, None)
    if report is not None and report.failed:
        path = tmp_path / "world.json"
        made.dump(path)
        request.node.add_report_section("teardown", "cluster", f"the states of the cluster: {path}")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """S3 in this process, with a bucket `runs`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="runs")
        yield client


@pytest.fixture
def service(cluster: Cluster, s3: S3Client) -> Iterator[KubernetesService]:
    """The target at this cluster, whose time its waits let pass."""
    made = KubernetesService(lightkube.Client(config=cluster.kubeconfig()), s3, cluster.clock())
    yield made
    made.close()


@pytest.fixture
def compiled() -> Callable[..., Compiled]:
    """The manifests of a workload; what runs is up to the cluster's lives."""

    def compile_(**fields: Any) -> Compiled:
        workload = Workload.model_validate({"name": "svc", "image": "team:1", "command": ("run",), **fields})
        return compile_for("kubernetes", workload, Launch(job_name(workload, "kubernetes", "s3://runs"), "s3://runs"))

    return compile_
