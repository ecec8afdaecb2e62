"""What the emulator implements of a request: every field is known for what it is, or refused by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.sagemaker import api_model

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES = {
    "CreateTrainingJob": fields.TRAINING,
    "CreateProcessingJob": fields.PROCESSING,
    "CreateHyperParameterTuningJob": fields.HYPER_PARAMETER_TUNING,
    "CreateModel": fields.MODEL,
    "CreateTransformJob": fields.TRANSFORM,
    "CreateEndpointConfig": fields.ENDPOINT_CONFIG,
    "CreateEndpoint": fields.ENDPOINT,
    "CreateImage": fields.IMAGE,
    "CreateImageVersion": fields.IMAGE_VERSION,
    "CreateAppImageConfig": fields.APP_IMAGE_CONFIG,
    "CreateDomain": fields.DOMAIN,
    "CreateSpace": fields.SPACE,
    "CreateApp": fields.APP,
}


def shape_at(action: str, path: str) -> Any:
    """The shape of a table's path in botocore's model; KeyError when the model has no such place."""
    shape: Any = api_model._service().operation_model(action).input_shape
    for part in path.replace("[]", ".[]").split("."):
        if part == "[]":
            shape = shape.member
        elif part == "*":
            shape = shape.value
        else:
            shape = shape.members[part]
    return shape


@pytest.mark.parametrize(("action", "path"), [(action, path) for action, table in TABLES.items() for path in table])
def test_every_known_path_is_one_of_the_api(action: str, path: str) -> None:
    """A slip in a table would let nothing through, and hide a field that is meant to be known."""
    shape_at(action, path)


@pytest.mark.parametrize(("path", "values"), fields.VALUES.items())
def test_every_implemented_value_is_one_of_the_api(path: str, values: tuple[object, ...]) -> None:
    """The values are the API's own words, and their fields are implemented ones."""
    actions = [action for action, table in TABLES.items() if path in table]
    assert actions
    for action in actions:
        assert TABLES[action][path] is None
        assert set(values) <= set(getattr(shape_at(action, path), "enum", None) or values)


@pytest.mark.parametrize("action", TABLES)
def test_every_other_field_of_the_api_is_refused_by_name(action: str) -> None:
    """Also a field that a later version of the API brings, and one whose value is empty."""
    table = TABLES[action]
    known = {path.partition(".")[0].partition("[")[0] for path in table}
    request: Any = api_model._service().operation_model(action).input_shape
    others = sorted(request.members.keys() - known)
    for name in (*others, "FieldOfTomorrow"):
        for value in ({}, [], False, {"Any": 1}, ["x"]):
            with pytest.raises(UnsupportedError, match=name):
                fields.refuse_unknown({name: value}, table)


@pytest.mark.parametrize(
    ("request_part", "named"),
    [
        ({"ResourceConfig": {"InstanceGroups": [{"InstanceCount": 1}]}}, r"ResourceConfig.InstanceGroups\[0\].InstanceCount"),
        ({"InputDataConfig": [{}, {"ShuffleConfig": {"Seed": 1}}]}, r"InputDataConfig\[1\].ShuffleConfig.Seed"),
        ({"InputDataConfig": [{"DataSource": {"FileSystemDataSource": {}}}]}, "FileSystemDataSource"),
        ({"InputDataConfig": [{"InputMode": "Pipe"}]}, r"InputDataConfig\[0\].InputMode = Pipe"),
        ({"OutputDataConfig": {"CompressionType": "NONE"}}, "OutputDataConfig.CompressionType = NONE"),
        ({"AlgorithmSpecification": {"AlgorithmName": "x"}}, "AlgorithmSpecification.AlgorithmName"),
    ],
)
def test_a_field_deep_in_the_request_is_refused_with_its_path(request_part: dict[str, Any], named: str) -> None:
    """The user reads exactly which one, and which value of it."""
    with pytest.raises(UnsupportedError, match=named):
        fields.refuse_unknown(request_part, fields.TRAINING)


@pytest.mark.parametrize(
    ("request_part", "table"),
    [
        (
            {"Tags": [{"Key": "team", "Value": "eta"}], "Environment": {"A.B": "x"}, "HyperParameters": {"a[0]": ""}},
            fields.TRAINING,
        ),
        ({"Tags": [], "Environment": {}, "InputDataConfig": [], "CheckpointConfig": {}}, fields.TRAINING),
        ({"EnableNetworkIsolation": False, "EnableManagedSpotTraining": False}, fields.TRAINING),
        (
            {
                "DebugHookConfig": {"S3OutputPath": "s3://b/o", "CollectionConfigurations": []},
                "ProfilerConfig": {"S3OutputPath": "s3://b/o", "DisableProfiler": False},
                "ProfilerRuleConfigurations": [{"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}],
            },
            fields.TRAINING,
        ),
        ({"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "a", "Regex": "b"}]}}, fields.TRAINING),
        ({"DebugHookConfig": {"S3OutputPath": "s3://b", "CollectionConfigurations": []}}, fields.TRAINING),
        ({"NetworkConfig": {}, "ProcessingInputs": [{"AppManaged": False}]}, fields.PROCESSING),
    ],
)
def test_what_has_no_effect_here_is_let_through(request_part: dict[str, Any], table: Mapping[str, str | None]) -> None:
    """Tags, metric definitions, and the defaults that the SageMaker SDK writes out."""
    fields.refuse_unknown(request_part, table)


def test_all_refused_fields_are_named_at_once() -> None:
    """A user repairs the request in one go."""
    with pytest.raises(UnsupportedError) as caught:
        fields.refuse_unknown(
            {"RemoteDebugConfig": {"Enable": 1}, "InfraCheckConfig": {"EnableInfraCheck": 1}}, fields.TRAINING
        )
    assert "RemoteDebugConfig.Enable, InfraCheckConfig.EnableInfraCheck" in str(caught.value)
