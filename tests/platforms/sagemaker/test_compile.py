"""Compiling for SageMaker: the request, what overflows, what the API would refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.platforms.sagemaker.compile import compile_requests
from lyftlearn_image.workload import Processing, Training, Workload
from lyftlearn_runtime import contract
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.platforms.launch import Compiled

LAUNCH = Launch("demo-job-1", "s3://bucket/runs", statsd="10.0.0.1:9125", observe_key="00ff")
TRAINING: dict[str, Any] = {
    "name": "demo", "image": "team:1", "program": "train.py", "channels": {"train": "s3://bucket/data/"},
    "hyperparameters": {"lr": 0.1, "layers": [1, 2], "name": "sgd"}, "environment": {"MODE": "full"},
    "secrets": {"PASSWORD": "aws-sm://prod/db#password"},
}  # fmt: skip


FILES = {"/etc/key": {"secret": "aws-sm://prod/key", "mode": "0400"}, "/etc/app.yaml": {"content": "a: 1"}}


def accept(compiled: Compiled) -> None:
    """Passes when the API takes the request and the emulator implements all of it."""
    is_training = compiled.action == "CreateTrainingJob"
    api_model.validate_request(compiled.action, compiled.documents[0])
    fields.refuse_unknown(compiled.documents[0], fields.TRAINING if is_training else fields.PROCESSING)


def decode(text: str) -> object:
    """The contract's rule for a hyperparameter: JSON, else the string."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def test_the_training_request_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    """The request is reviewed as prose, and the service's own model accepts it."""
    compiled = compile_requests(Workload.model_validate(TRAINING), LAUNCH)
    accept(compiled)
    assert not compiled.objects
    golden("training.json", json.dumps(compiled.documents[0], indent=2) + "\n")


def test_the_processing_request_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    """Arguments alone keep the image's ENTRYPOINT, the shim."""
    workload = Processing(name="prep", image="team:1", command=("python", "prep.py"), channels={"raw": "s3://b/raw/"})
    compiled = compile_requests(workload, LAUNCH)
    accept(compiled)
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
    compiled = compile_requests(Workload.model_validate({**TRAINING, **change}), LAUNCH)
    accept(compiled)
    ((uri, data),) = compiled.objects.items()
    assert compiled.documents[0]["Environment"]["LYFTLEARN_BUNDLE"].startswith(f"{uri}#sha256=")
    assert json.loads(data)[part]


VARIABLES = st.dictionaries(
    st.text(st.characters(blacklist_characters="=\0", codec="utf-8"), min_size=1, max_size=8)
    | st.from_regex(r"[A-Z_]{1,8}", fullmatch=True),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=600),
    max_size=6,
)


@examples(60)
@given(
    VARIABLES,
    VARIABLES,
    st.dictionaries(st.text(max_size=300), st.text(max_size=2600) | st.integers() | st.lists(st.booleans()), max_size=3),
    st.sampled_from(["training", "processing"]),
)
def test_every_workload_compiles_to_what_the_api_accepts(
    environment: dict[str, str], secrets: dict[str, str], hyperparameters: dict[str, Any], kind: str
) -> None:
    """Names and values of any length and any characters: nothing is refused, nothing is lost, nothing is there twice."""
    secrets = {f"S{name}": f"aws-sm://n{value}" for name, value in secrets.items() if f"S{name}" not in environment}
    what = {"program": "train.py"} if kind == "training" else {"command": ["python", "prep.py"]}
    workload = Workload.model_validate(
        {"name": "demo", "image": "team:1", "kind": kind, **what, "environment": environment}
        | {"hyperparameters": hyperparameters, "secrets": secrets}
    )
    compiled = compile_requests(workload, LAUNCH)
    accept(compiled)
    request = compiled.documents[0]
    carried = json.loads(next(iter(compiled.objects.values()), b"{}"))
    of_the_script = {name: value for name, value in request["Environment"].items() if not name.startswith("LYFTLEARN_")}
    assert not of_the_script.keys() & carried.get("environment", {}).keys()
    assert {**of_the_script, **carried.get("environment", {})} == {**environment, **secrets}
    in_request = {key: decode(text) for key, text in request.get("HyperParameters", {}).items()}
    assert {**in_request, **carried.get("hyperparameters", {})} == hyperparameters
    assert not in_request or "hyperparameters" not in carried


@pytest.mark.parametrize("kind", ["training", "processing"])
def test_a_full_environment_leaves_room_for_the_requests_own_variables(kind: str) -> None:
    """The API takes 100 variables; what the request needs for itself is among them."""
    what = {"program": "train.py", "arguments": "none"} if kind == "training" else {"command": ["python", "prep.py"]}
    workload = Workload.model_validate(
        {"name": "demo", "image": "team:1", "kind": kind, **what, "environment": {f"V{i:03}": "x" for i in range(100)}}
    )
    compiled = compile_requests(workload, LAUNCH)
    accept(compiled)
    assert len(compiled.documents[0]["Environment"]) <= 100
    ((_, data),) = compiled.objects.items()
    assert len(compiled.documents[0]["Environment"]) + len(json.loads(data)["environment"]) == 100 + (
        5 if kind == "training" else 3
    )


def test_a_training_command_keeps_the_shim_and_drops_train() -> None:
    """Arguments alone: the image's ENTRYPOINT stays, and the service does not pass `train`."""
    workload = Training(name="demo", image="team:1", command=("python", "-c", "print(1)"))
    request = compile_requests(workload, LAUNCH).documents[0]
    assert request["AlgorithmSpecification"]["ContainerArguments"] == ["python", "-c", "print(1)"]
    assert "ContainerEntrypoint" not in request["AlgorithmSpecification"]
    assert "LYFTLEARN_PROGRAM" not in request["Environment"]


@pytest.mark.parametrize("name", sorted(contract.COMPILED_VARIABLES))
@pytest.mark.parametrize("place", ["environment", "secrets"])
def test_a_variable_that_the_request_needs_is_not_overwritten(name: str, place: str) -> None:
    """A workload that sets one is refused on both targets, before anything is compiled."""
    with pytest.raises(ValidationError, match=name):
        Workload.model_validate({**TRAINING, place: {name: "aws-sm://mine"}})


@pytest.mark.parametrize("name", ["lyftlearn", "../up", "a/b", ".", "", "x y"])
def test_an_outputs_name_is_a_name(name: str) -> None:
    """It becomes a prefix in S3 and a directory of the report, beside the observation's own."""
    workload = Processing(name="prep", image="team:1", command=("x",), outputs={name: "/opt/ml/processing/out"})
    with pytest.raises(InvalidInputError, match="has an output named"):
        compile_requests(workload, LAUNCH)


def test_the_same_workload_gives_the_same_request() -> None:
    """In the same bytes, so that a request can be reviewed and kept."""
    one, two = (compile_requests(Workload.model_validate({**TRAINING, "files": FILES}), LAUNCH) for _ in range(2))
    assert json.dumps(one.documents) == json.dumps(two.documents)
    assert one.objects == two.objects


def test_files_with_secrets_go_as_references() -> None:
    """The bundle has the reference, and no value is asked for."""
    compiled = compile_requests(Workload.model_validate({**TRAINING, "files": FILES}), LAUNCH)
    (data,) = compiled.objects.values()
    assert json.loads(data)["files"] == [
        {"path": "/etc/app.yaml", "content": "a: 1", "mode": "0644"},
        {"path": "/etc/key", "secret": "aws-sm://prod/key", "mode": "0400"},
    ]


def test_without_observer_and_metrics_nothing_of_them_is_in_the_request() -> None:
    """A production launch asks for neither."""
    launch = Launch("demo-job-1", "s3://bucket/runs")
    request = compile_requests(Workload.model_validate({**TRAINING, "environment": {}, "secrets": {}}), launch).documents[0]
    assert request["Environment"] == {"LYFTLEARN_PROGRAM": "train.py"}
    prep = Processing(name="prep", image="team:1", command=("x",))
    outputs = compile_requests(prep, launch).documents[0]["ProcessingOutputConfig"]["Outputs"]
    assert [one["OutputName"] for one in outputs] == ["output"]
