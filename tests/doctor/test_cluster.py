"""A cluster as its kubeconfig, its server and its reviews tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from lyftlearn_image.doctor.checkup import Level
from lyftlearn_image.doctor.cluster import check_cluster
from lyftlearn_image.doctor.subject import Subject, subject_of
from lyftlearn_image.workload import Training
from tests.services.kubernetes.simulator.cluster import simulated_cluster

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))


def write_config(path: Path, server: str) -> None:
    """A kubeconfig with one context."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "blue",
        "clusters": [{"name": "blue", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": {"token": "planted-token"}}],
        "contexts": [{"name": "blue", "context": {"cluster": "blue", "user": "me", "namespace": "ml"}}],
    }
    path.write_text(yaml.safe_dump(config))


def test_context_server_and_permissions_are_a_line_each(tmp_path: Path) -> None:
    """What may not be done is named; a workload's own rules count, in its own namespace; no token is told."""
    assert [one.level for one in check_cluster(Subject())] == [Level.NOT_SET]
    workload = Training(name="one", image="x:1", program="train.py", output="s3://runs/x", kubernetes={"namespace": "team"})
    with simulated_cluster() as cluster:
        write_config(tmp_path / "config", cluster.server.url)
        context, server, permissions = check_cluster(Subject())
        assert context.text == f"context blue, namespace ml, server {cluster.server.url}"
        assert server.text == "Kubernetes v1.36.0"
        assert permissions.level is Level.OK
        cluster.forbidden = {("create", "jobs"), ("create", "pods/exec")}
        *_, denied = check_cluster(Subject())
        assert (denied.level, denied.text) == (Level.ERROR, "not allowed in ml: create jobs")
        *_, denied = check_cluster(subject_of(workload, Subject()))
        assert "not allowed in team: create jobs, create pods/exec" in denied.text
        cluster.tokens = {"another"}
        told = list(check_cluster(Subject()))
        assert "does not know who asks" in told[-1].text
        assert "planted-token" not in repr(told)
        assert [one.level for one in check_cluster(Subject(context="green"))] == [Level.ERROR]


def test_a_server_that_does_not_answer_is_told_with_its_address(tmp_path: Path) -> None:
    """The context is known all the same."""
    with simulated_cluster() as cluster:
        url = cluster.server.url
    write_config(tmp_path / "config", url)
    context, server = check_cluster(Subject())
    assert context.level is Level.OK
    assert (server.level, server.is_unavailable) == (Level.ERROR, True)
