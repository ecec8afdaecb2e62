"""Which fields of a manifest are implemented, and what becomes of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lyftlearn_image.emulation.kubernetes import fields
from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.kubernetes.compile import compile_manifests
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.workload import Workload

LAUNCH = Launch("demo-job-1", "s3://bucket/runs", statsd="10.0.0.1:9125", observe_key="00ff")
WORKLOAD: dict[str, Any] = {
    "name": "demo", "image": "team:1", "program": "train.py", "channels": {"train": "s3://bucket/data/"},
    "hyperparameters": {"lr": 0.1}, "environment": {"PRICE": "$(COST) $$ 5"}, "secrets": {"PASSWORD": "aws-sm://prod/db#password"},
    "files": {"/etc/app/app.yaml": {"content": "a: 1\n"}, "/etc/keys/key": {"secret": "aws-sm://prod/key", "mode": "0400"}},
}  # fmt: skip


def test_every_field_is_in_one_table_alone() -> None:
    """What is implemented, ignored and refused: each with a known shape, and with a reason where it is not implemented."""
    known = {f"{shape}.{field}" for shape, inside in fields.IMPLEMENTED.items() for field in inside}
    assert not known & set(fields.IGNORED)
    assert not known & set(fields.REFUSED)
    assert not set(fields.IGNORED) & set(fields.REFUSED)
    assert set(fields.PARTIAL) <= known
    assert all({**fields.IGNORED, **fields.REFUSED}.values())
    assert {name.partition(".")[0] for name in (*fields.IGNORED, *fields.REFUSED)} <= set(fields.IMPLEMENTED)
    named = {value for inside in fields.IMPLEMENTED.values() for value in inside.values() if isinstance(value, str) and value}
    assert named | {"Job", "Pod", "Service", "ServiceAccount"} == set(fields.IMPLEMENTED)


def test_a_refused_field_is_told_with_its_reason() -> None:
    """So that the reader knows whether to wait for it or to do without."""
    pod = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [], "volumes": [{"name": "v", "hostPath": {}}]}}
    with pytest.raises(UnsupportedError, match="never sees this machine's own files"):
        fields.refuse_unsupported(pod)


@pytest.mark.parametrize(
    ("kind", "resources", "named"),
    [
        ("containers", {"limits": {"nvidia.com/gpu": 1}}, "containers[0].resources.limits.nvidia.com/gpu = 1"),
        ("containers", {"requests": {"amd.com/gpu": "2"}}, "containers[0].resources.requests.amd.com/gpu = 2"),
        ("initContainers", {"limits": {"hugepages-2Mi": "4Mi"}}, "initContainers[0].resources.limits.hugepages-2Mi = 4Mi"),
    ],
)
@pytest.mark.parametrize("is_job", [True, False])
def test_a_resource_that_is_not_there_is_refused(kind: str, resources: dict[str, Any], named: str, *, is_job: bool) -> None:
    """By name: on a cluster the pod would wait for a node that has it. None of it is no wish for it."""
    container = {"name": "x", "image": "x:1", "resources": {"limits": {"cpu": 1, "memory": "1Gi", "ephemeral-storage": "1Gi"}}}

    def manifest(wanted: dict[str, Any]) -> dict[str, Any]:
        pod = {"restartPolicy": "Never", "containers": [container], kind: [{**container, "resources": wanted}]}
        if is_job:
            return {"kind": "Job", "metadata": {"name": "x"}, "spec": {"template": {"spec": pod}}}
        return {"kind": "Pod", "metadata": {"name": "x"}, "spec": pod}

    fields.refuse_unsupported(manifest(container["resources"]))  # type: ignore[arg-type]
    fields.refuse_unsupported(manifest({"limits": {"nvidia.com/gpu": "0"}}))
    with pytest.raises(UnsupportedError) as refused:
        fields.refuse_unsupported(manifest(resources))
    assert named in str(refused.value)
    assert "this machine has no such resource" in str(refused.value)


def test_a_workload_with_a_gpu_is_refused() -> None:
    """As an instance type with one is."""
    job = compile_manifests(Workload.model_validate({**WORKLOAD, "gpus": 1}), LAUNCH).documents[-1]
    with pytest.raises(UnsupportedError, match=r"nvidia\.com/gpu = 1"):
        fields.refuse_unsupported(job)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("spec", "suspend"), True, "spec.suspend = True"),
        (("spec", "managedBy"), "other", "spec.managedBy"),
        (
            ("spec", "template", "spec", "containers", 0, "restartPolicy"),
            "Always",
            "spec.template.spec.containers[0].restartPolicy",
        ),
        (("spec", "template", "spec", "hostNetwork"), True, "spec.template.spec.hostNetwork"),
        (("spec", "template", "spec", "volumes", 0, "hostPath"), {"path": "/"}, "spec.template.spec.volumes[0].hostPath"),
        (
            ("spec", "template", "spec", "containers", 0, "livenessProbe"),
            {"grpc": {"port": 1}},
            "spec.template.spec.containers[0].livenessProbe.grpc",
        ),
        (("spec", "template", "spec", "containers", 0, "securityContext", "privileged"), True, "securityContext.privileged"),
    ],
)
def test_a_field_that_is_not_implemented_is_named_with_its_path(path: tuple[Any, ...], value: object, named: str) -> None:
    """It is never ignored."""
    job = json.loads(json.dumps(compile_manifests(Workload.model_validate(WORKLOAD), LAUNCH).documents[-1]))
    fields.refuse_unsupported(job)
    at = job
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    with pytest.raises(UnsupportedError) as refused:
        fields.refuse_unsupported(job)
    assert named in str(refused.value)
