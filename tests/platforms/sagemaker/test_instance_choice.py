"""Which instance a workload runs on: what it asks for is what it gets, or somebody says so."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.compile import compile_for, launch_for
from lyftlearn_image.platforms.lint import lint
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.platforms.sagemaker.instance_choice import find_instance_type, require_instance_type
from lyftlearn_image.platforms.sagemaker.instances import find_instance
from lyftlearn_image.workload import Workload

BASE: dict[str, Any] = {"name": "job", "image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team:1", "output": "s3://runs/x"}
MODEL = {"model": "s3://models/a.tar.gz"}
KINDS: dict[str, dict[str, Any]] = {
    "training": {"program": "t.py"},
    "processing": {"command": ["true"]},
    "tuning": {
        "program": "t.py", "objective": "loss", "metrics": {"loss": "loss=(.*)"},
        "search_space": {"a": {"type": "float", "low": 0, "high": 1}},
    },
    "transform": {**MODEL, "input": "s3://data/in/"},
    "serving": MODEL,
    "notebook": {},
}  # fmt: skip
# Amounts → the type, which people can look up: aws.amazon.com/ec2/instance-types.
KNOWN = [
    ({}, "ml.m5.large"), ({"cpus": 0.5, "memory_mib": 256}, "ml.m5.large"), ({"cpus": 2.5}, "ml.m5.xlarge"),
    ({"memory_mib": 8193}, "ml.r5.large"), ({"memory_mib": 64 << 10}, "ml.r5.2xlarge"), ({"cpus": 64}, "ml.r5.16xlarge"),
    ({"cpus": 96, "memory_mib": 384 << 10}, "ml.m5.24xlarge"), ({"cpus": 97}, "ml.m7i.48xlarge"),
    ({"memory_mib": 1 << 20}, "ml.r7i.48xlarge"), ({"gpus": 1}, "ml.g5.xlarge"), ({"gpus": 1, "cpus": 16}, "ml.g5.4xlarge"),
    ({"gpus": 2}, "ml.g5.12xlarge"), ({"gpus": 8}, "ml.g5.48xlarge"), ({"gpus": 8, "memory_mib": 1 << 20}, "ml.p4d.24xlarge"),
    ({"gpus": 8, "memory_mib": 2 << 20}, "ml.p5.48xlarge"),
]  # fmt: skip


def workload_of(kind: str, **fields: Any) -> Workload:
    """A workload of this kind with these fields."""
    return Workload.model_validate({**BASE, "kind": kind, **KINDS[kind], **fields})


def told(**fields: Any) -> list[tuple[str, str, str]]:
    """What `lint` says of the amounts and the type: level, field, and the rest."""
    found = lint(yaml.safe_dump({**BASE, **KINDS["training"], **fields}), "w.yaml", ("sagemaker",))
    return [(one.level, one.field, f"{one.what} {one.hint}") for one in found]


@pytest.mark.parametrize(("amounts", "expected"), KNOWN, ids=str)
def test_the_smallest_type_that_has_what_is_asked_for_is_taken(amounts: dict[str, Any], expected: str) -> None:
    """In the request, and in what a pod is told of its host."""
    workload = workload_of("training", **amounts)
    (request,) = compile_for("sagemaker", workload, launch_for(workload)).documents
    assert request["ResourceConfig"]["InstanceType"] == expected
    assert f'"instance_type":"{expected}"' in str(compile_for("kubernetes", workload, launch_for(workload)).documents)
    assert all("runs on" in what and expected in what for _, _, what in told(**amounts)) or not amounts


@pytest.mark.parametrize("kind", KINDS)
@given(
    cpus=st.floats(0.1, 200), memory_mib=st.integers(1, 3 << 20), gpus=st.one_of(st.just(0), st.integers(1, 9)),
)  # fmt: skip
def test_a_type_has_all_that_was_asked_for_or_there_is_one_error(kind: str, cpus: float, memory_mib: int, gpus: int) -> None:
    """Of every kind, and its action takes it; where there is none, the error has the amounts and the largest types."""
    workload = workload_of(kind, cpus=cpus, memory_mib=memory_mib, gpus=gpus)
    name = find_instance_type(workload)
    if name is None:
        with pytest.raises(InvalidInputError) as caught:
            require_instance_type(workload)
        assert f"{cpus:g} CPUs, {memory_mib:,} MiB" in caught.value.what
        assert "The largest: ml." in caught.value.hint
        return
    assert require_instance_type(workload) == name
    size = find_instance(name)
    assert size is not None
    assert size.has(cpus, memory_mib, gpus)
    if kind == "notebook":
        return
    for action, request in compile_for("sagemaker", workload, launch_for(workload)).requests():
        assert not [one for one in api_model.find_breaches(action, request) if "InstanceType" in one.path]


def test_what_no_instance_has_is_one_error_and_still_runs_on_kubernetes() -> None:
    """A cluster may have such a node."""
    ((level, _, what),) = told(cpus=500)
    assert (level, "no instance type of CreateTrainingJob has 500 CPUs" in what) == ("error", True)
    workload = workload_of("training", cpus=500)
    *_, job = compile_for("kubernetes", workload, launch_for(workload)).documents
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["cpu"] == "500000m"


@pytest.mark.parametrize(
    ("amounts", "less"),
    [
        ({"cpus": 64}, "`cpus: 64`"), ({"memory_mib": 9000}, "`memory_mib: 9000`"), ({"gpus": 1}, "`gpus: 1`"),
        ({"cpus": 4, "memory_mib": 16384}, "`cpus: 4`, `memory_mib: 16384`"), ({"cpus": 2}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_a_type_that_is_smaller_than_what_is_asked_for_is_told(amounts: dict[str, Any], less: str) -> None:
    """It is taken as somebody has named it; which one would do is said."""
    workload = workload_of("training", instance_type="ml.m5.large", **amounts)
    assert require_instance_type(workload) == "ml.m5.large"
    notes = told(instance_type="ml.m5.large", **amounts)
    if not less:
        assert notes == []
        return
    ((level, field, what),) = notes
    assert (level, field) == ("note", "instance_type")
    assert f"ml.m5.large (2 CPUs, 8,192 MiB) has less than {less}" in what
    assert f"{find_instance(require_instance_type(workload_of('training', **amounts)))} is the smallest" in what


def test_whoever_opens_studio_is_told_which_instance_to_choose() -> None:
    """No request of a notebook has one."""
    found = lint(yaml.safe_dump({**BASE, "kind": "notebook", "gpus": 1}), "w.yaml", ("sagemaker",))
    assert [(one.level, one.field) for one in found] == [("note", "gpus")]
    assert found[0].what.startswith("is chosen in Studio: ml.g5.xlarge (4 CPUs, 16,384 MiB, 1 GPU)")
