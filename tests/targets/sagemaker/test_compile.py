"""Compiling for SageMaker: the request, what overflows, what the API would refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.targets import limits
from lyftlearn_image.targets.sagemaker.compile import compile_workload
from lyftlearn_image.targets.target import Launch
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

LAUNCH = Launch("demo-job-1", "s3://bucket/runs", statsd="10.0.0.1:9125", observe_key="00ff")
TRAINING: dict[str, Any] = {
    "name": "demo", "image": "team:1", "program": "train.py", "channels": {"train": "s3://bucket/data/"},
    "hyperparameters": {"lr": 0.1, "layers": [1, 2], "name": "sgd"}, "environment": {"MODE": "full"},
    "secrets": {"PASSWORD": "aws-sm://prod/db#password"},
}  # fmt: skip


def test_the_training_request_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    """The request is reviewed as prose, and the service's own model accepts it."""
    compiled = compile_workload(Workload.model_validate(TRAINING), LAUNCH)
    limits.validate_request(compiled.action, compiled.documents[0])
    assert not compiled.objects
    golden("training.json", json.dumps(compiled.documents[0], indent=2) + "\n")


def test_the_processing_request_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    """Arguments alone keep the image's ENTRYPOINT, the shim."""
    workload = Workload(
        name="prep", kind="processing", image="team:1", command=("python", "prep.py"), channels={"raw": "s3://b/raw/"}
    )
    compiled = compile_workload(workload, LAUNCH)
    limits.validate_request(compiled.action, compiled.documents[0])
    assert "ContainerEntrypoint" not in compiled.documents[0]["AppSpecification"]
    golden("processing.json", json.dumps(compiled.documents[0], indent=2) + "\n")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        pytest.param({"hyperparameters": {"big": "x" * 2501}}, "hyperparameters", id="a long hyperparameter"),
        pytest.param({"hyperparameters": {"text": "a\nb"}}, "hyperparameters", id="a line break in a hyperparameter"),
        pytest.param({"hyperparameters": {f"k{i}": i for i in range(101)}}, "hyperparameters", id="101 hyperparameters"),
        pytest.param({"environment": {"LONG": "x" * 513}}, "environment", id="a long variable"),
        pytest.param({"environment": {"my.key": "x"}}, "environment", id="a name that the API refuses"),
        pytest.param({"environment": {f"V{i}": "x" for i in range(120)}}, "environment", id="120 variables"),
        pytest.param({"files": {"/etc/app.yaml": {"content": "a: 1"}}}, "files", id="a file"),
    ],
)
def test_what_does_not_fit_goes_into_the_bundle(change: dict[str, Any], part: str) -> None:
    """The request stays one that the API accepts, and the bundle has the rest, with its digest in the request."""
    compiled = compile_workload(Workload.model_validate({**TRAINING, **change}), LAUNCH)
    limits.validate_request(compiled.action, compiled.documents[0])
    ((uri, data),) = compiled.objects.items()
    assert compiled.documents[0]["Environment"]["LYFTLEARN_BUNDLE"].startswith(f"{uri}#sha256=")
    assert json.loads(data)[part]


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(blacklist_characters="=\0", blacklist_categories=("Cs",)), min_size=1, max_size=8),
        st.text(max_size=600),
        max_size=6,
    ),
    st.dictionaries(st.text(max_size=300), st.text(max_size=2600), max_size=3),
)
def test_every_workload_compiles_to_what_the_api_accepts(environment: dict[str, str], hyperparameters: dict[str, str]) -> None:
    """Names and values of any length and any characters: nothing is lost, nothing is refused."""
    workload = Workload.model_validate(
        {**TRAINING, "environment": environment, "hyperparameters": hyperparameters, "secrets": {}}
    )
    compiled = compile_workload(workload, LAUNCH)
    request = compiled.documents[0]
    limits.validate_request(compiled.action, request)
    carried = json.loads(next(iter(compiled.objects.values()), b"{}"))
    assert {**request["Environment"], **carried.get("environment", {})}.items() >= environment.items()
    assert len(request.get("HyperParameters", {})) + len(carried.get("hyperparameters", {})) == len(hyperparameters)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("HyperParameters",), {"k": "x" * 2501}, "HyperParameters.k: 2501 characters, at most 2500"),
        (("TrainingJobName",), "no_underscore", "TrainingJobName"),
        (("ResourceConfig", "InstanceType"), "ml.none", "is none of"),
        (("Environment",), {"1X": "a"}, "Environment key '1X'"),
        (("OutputDataConfig",), {}, "S3OutputPath"),
        (("Surprise",), 1, "Surprise"),
    ],
)
def test_a_breach_is_told_with_its_path(path: tuple[str, ...], value: object, told: str) -> None:
    """The limits are those of the installed botocore model."""
    request = json.loads(json.dumps(compile_workload(Workload.model_validate(TRAINING), LAUNCH).documents[0]))
    at = request
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    with pytest.raises(InvalidInputError) as caught:
        limits.validate_request("CreateTrainingJob", request)
    assert told in str(caught.value)


def test_limits_come_from_the_model() -> None:
    """The processing API takes half of what the training API takes, as the reference has it."""
    assert limits.map_limits("CreateTrainingJob", "Environment")[:3] == (100, 512, 512)
    assert limits.map_limits("CreateProcessingJob", "Environment")[:3] == (100, 256, 256)
    assert limits.map_limits("CreateTrainingJob", "HyperParameters")[:3] == (100, 256, 2500)
