"""From a workload to manifests: golden ones, what overflows, dollars."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.platforms.kubernetes.compile import compile_manifests
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.workload import Processing, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

LAUNCH = Launch("demo-job-1", "s3://bucket/runs", statsd="10.0.0.1:9125", observe_key="00ff")
WORKLOAD: dict[str, Any] = {
    "name": "demo", "image": "team:1", "program": "train.py", "channels": {"train": "s3://bucket/data/"},
    "hyperparameters": {"lr": 0.1}, "environment": {"PRICE": "$(COST) $$ 5"}, "secrets": {"PASSWORD": "aws-sm://prod/db#password"},
    "files": {"/etc/app/app.yaml": {"content": "a: 1\n"}, "/etc/keys/key": {"secret": "aws-sm://prod/key", "mode": "0400"}},
}  # fmt: skip


def test_the_manifests_are_the_golden_ones(golden: Callable[[str, str], None]) -> None:
    """ConfigMaps first, then the Job: restricted, reviewed as prose."""
    compiled = compile_manifests(Workload.model_validate(WORKLOAD), LAUNCH)
    assert not compiled.objects
    golden("training.yaml", yaml.safe_dump_all(compiled.documents, sort_keys=False))


def test_a_processing_job_compiles_too(golden: Callable[[str, str], None]) -> None:
    """Its outputs are prefixes and its observation is an output of its own."""
    workload = Processing(name="prep", image="team:1", command=("python", "prep.py"), channels={"raw": "s3://b/raw/"})
    compiled = compile_manifests(workload, LAUNCH)
    assert set(compiled.outputs) == {"output", "lyftlearn"}
    golden("processing.yaml", yaml.safe_dump_all(compiled.documents, sort_keys=False))


def test_what_a_config_map_cannot_hold_goes_to_s3() -> None:
    """Megabytes of hyperparameters: the bundle is an object, and the pod is told where, with its digest."""
    compiled = compile_manifests(Workload.model_validate({**WORKLOAD, "hyperparameters": {"big": "x" * (2 << 20)}}), LAUNCH)
    ((uri, data),) = compiled.objects.items()
    assert json.loads(data)["hyperparameters"]["big"]
    variables = {
        one["name"]: one["value"] for one in compiled.documents[-1]["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert variables["LYFTLEARN_BUNDLE"].startswith(f"{uri}#sha256=")


def test_a_dollar_of_the_workload_is_not_expanded() -> None:
    """What the user wrote arrives: every dollar is doubled, and the kubelet's rules give it back."""
    job = compile_manifests(Workload.model_validate(WORKLOAD), LAUNCH).documents[-1]
    variables = {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert expand(variables["PRICE"], {"COST": "no"}) == "$(COST) $$ 5"


@pytest.mark.parametrize("directory", ["/opt/ml/code", "/home/lyftlearn", "/tmp", "/opt/ml/model", "/etc/app"])
@pytest.mark.parametrize("content", [{"content": "x"}, {"secret": "aws-sm://a"}], ids=["plain", "secret"])
@pytest.mark.parametrize("is_read_only", [True, False])
def test_no_directory_is_mounted_twice(directory: str, content: dict[str, str], *, is_read_only: bool) -> None:
    """The API refuses a path that two volumes want; and a file beside the code does not hide the code."""
    fields = {"files": {f"{directory}/settings": content}, "kubernetes": {"read_only_root": is_read_only}}
    pod = compile_manifests(Workload.model_validate({**WORKLOAD, **fields}), LAUNCH).documents[-1]["spec"]["template"]["spec"]
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(paths) == len(set(paths))
    names = [volume["name"] for volume in pod["volumes"]]
    assert len(names) == len(set(names))
    by_path = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    if directory == "/opt/ml/code":
        assert by_path.get(directory) == ("opt-ml-code" if is_read_only else None)
