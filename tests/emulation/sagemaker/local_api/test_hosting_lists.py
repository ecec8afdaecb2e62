"""What the local API remembers of models, configurations and packages: lists, descriptions, errors; nothing runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
from tests.emulation.sagemaker.answers import check_answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record

ROLE = "arn:aws:iam::000000000000:role/lyftlearn"
ARN = "arn:aws:sagemaker:us-east-1:000000000000:"


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEndpoint]:
    """S3 and Logs of this machine."""
    with aws_endpoint("127.0.0.1") as started:
        yield started


@pytest.fixture
def sagemaker(aws: AwsEndpoint, tmp_path: Path) -> Iterator[Any]:
    """boto3's client of a control plane with models, whose answers are held against the model."""
    context = cast("Context", SimpleNamespace(account=Account("us-east-1"), s3=aws.s3()))

    def run(record: Record, _: Any) -> None:
        raise AssertionError(record)

    with serve(ControlPlane(run, context.account, hosting=Hosting(context, aws, tmp_path))) as url:
        config = Config(retries={"total_max_attempts": 1})
        session = boto3.Session("AKIA", "secret", region_name="us-east-1")
        yield check_answers(session.client("sagemaker", endpoint_url=url, config=config))


def make_model(sagemaker: Any, name: str, **container: Any) -> None:
    """A model without data."""
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image", **container})


def variant(model: str, **changes: Any) -> dict[str, Any]:
    """A production variant."""
    return {"VariantName": "all", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, **changes}


def test_models_and_configurations_are_listed(sagemaker: Any) -> None:
    """By a part of the name, by time, sorted both ways, page by page, each in what the API says of it."""
    for name in ("b-two", "a-one", "c-two"):
        make_model(sagemaker, name)
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])
    for action, key, field in (("list_models", "Models", "ModelName"), ("list_endpoint_configs", "EndpointConfigs", "")):
        field_name = field or "EndpointConfigName"

        def names(action: str = action, key: str = key, field: str = field_name, **request: Any) -> list[str]:
            return [one[field] for one in getattr(sagemaker, action)(**request)[key]]

        assert names() == ["c-two", "a-one", "b-two"]
        assert names(SortBy="Name", SortOrder="Ascending") == ["a-one", "b-two", "c-two"]
        assert names(NameContains="two", SortOrder="Ascending") == ["b-two", "c-two"]
        assert names(CreationTimeAfter="2100-01-01") == names(CreationTimeBefore="2000-01-01") == []
        pages = sagemaker.get_paginator(action).paginate(SortBy="Name", SortOrder="Ascending", MaxResults=2)
        assert [[one[field_name] for one in page[key]] for page in pages] == [["a-one", "b-two"], ["c-two"]]
    assert sagemaker.list_endpoints()["Endpoints"] == []


@pytest.mark.parametrize(
    ("action", "request_", "message"),
    [
        ("describe_model", {"ModelName": "m"}, f'Could not find model "{ARN}model/m".'),
        ("delete_model", {"ModelName": "m"}, f'Could not find model "{ARN}model/m".'),
        ("describe_endpoint", {"EndpointName": "e"}, f'Could not find endpoint "{ARN}endpoint/e".'),
        ("delete_endpoint_config", {"EndpointConfigName": "c"}, f'endpoint configuration "{ARN}endpoint-config/c".'),
        ("update_endpoint", {"EndpointName": "e", "EndpointConfigName": "c"}, f'Could not find endpoint "{ARN}endpoint/e".'),
        ("describe_model_package", {"ModelPackageName": "p"}, f"ModelPackage {ARN}model-package/p does not exist."),
        (
            "describe_model_package_group",
            {"ModelPackageGroupName": "g"},
            f"ModelPackageGroup {ARN}model-package-group/g does not exist.",
        ),
        ("list_models", {"NextToken": "none"}, "NextToken"),
    ],
)
def test_what_is_not_there_is_a_validation_exception(
    sagemaker: Any, action: str, request_: dict[str, Any], message: str
) -> None:
    """In the service's words, which clients look for."""
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker, action)(**request_)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert message in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, "ServerlessConfig.MemorySizeInMB"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "ManagedInstanceScaling.Status"),
        ({"RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}}, "RoutingConfig.RoutingStrategy = LEAST_"),
    ],
)
def test_what_is_not_implemented_is_refused_by_its_name(sagemaker: Any, changes: dict[str, Any], field: str) -> None:
    """At Create, and not when an endpoint fails."""
    make_model(sagemaker, "m")
    with pytest.raises(ClientError, match=f"ValidationException.*{field}"):
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant("m", **changes)])
    capture = {
        "EnableCapture": True, "InitialSamplingPercentage": 50, "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }  # fmt: skip
    request = {"EndpointConfigName": "c", "ProductionVariants": [variant("m")], "DataCaptureConfig": capture}
    with pytest.raises(ClientError, match=r"DataCaptureConfig.EnableCapture = True"):
        sagemaker.create_endpoint_config(**request)
    # As an SDK sends it by default, without an effect.
    sagemaker.create_endpoint_config(**request | {"DataCaptureConfig": {**capture, "EnableCapture": False}})
    assert sagemaker.describe_endpoint_config(EndpointConfigName="c")["DataCaptureConfig"]["EnableCapture"] is False


def package(sagemaker: Any, **changes: Any) -> str:
    """A version of the group `g`; gives its ARN."""
    specification = {
        "Containers": [{"Image": "image", "Environment": {"A": "packaged", "B": "packaged"}}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    request = {"ModelPackageGroupName": "g", "InferenceSpecification": specification, **changes}
    return str(sagemaker.create_model_package(**request)["ModelPackageArn"])


def test_packages_have_versions_and_an_approval(sagemaker: Any) -> None:
    """Made, described by name and by ARN, listed by group and approval, approved, deleted; a number is not given twice."""
    group = sagemaker.create_model_package_group(ModelPackageGroupName="g", ModelPackageGroupDescription="models")
    assert group["ModelPackageGroupArn"] == f"{ARN}model-package-group/g"
    first, second = package(sagemaker), package(sagemaker, ModelApprovalStatus="Approved", ModelPackageDescription="second")
    assert (first, second) == (f"{ARN}model-package/g/1", f"{ARN}model-package/g/2")
    described = sagemaker.describe_model_package(ModelPackageName=second)
    assert (described["ModelPackageVersion"], described["ModelPackageStatus"]) == (2, "Completed")
    assert (described["ModelApprovalStatus"], described["ModelPackageDescription"]) == ("Approved", "second")
    listed = sagemaker.list_model_packages(ModelPackageGroupName="g")["ModelPackageSummaryList"]
    assert [one["ModelPackageArn"] for one in listed] == [first, second]
    assert listed[0]["ModelApprovalStatus"] == "PendingManualApproval"
    assert sagemaker.list_model_packages()["ModelPackageSummaryList"] == []
    sagemaker.update_model_package(
        ModelPackageArn=first, ModelApprovalStatus="Rejected", ApprovalDescription="poor",
        CustomerMetadataProperties={"a": "1", "b": "2"},
    )  # fmt: skip
    sagemaker.update_model_package(ModelPackageArn=first, CustomerMetadataPropertiesToRemove=["a"])
    described = sagemaker.describe_model_package(ModelPackageName=first)
    assert (described["ApprovalDescription"], described["CustomerMetadataProperties"]) == ("poor", {"b": "2"})
    approved = sagemaker.list_model_packages(ModelPackageGroupName="g", ModelApprovalStatus="Rejected")
    assert [one["ModelPackageVersion"] for one in approved["ModelPackageSummaryList"]] == [1]
    batch = sagemaker.batch_describe_model_package(ModelPackageArnList=[second, f"{ARN}model-package/g/7"])
    assert list(batch["ModelPackageSummaries"]) == [second]
    assert list(batch["BatchDescribeModelPackageErrorMap"]) == [f"{ARN}model-package/g/7"]
    with pytest.raises(ClientError, match="has model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName="g")
    sagemaker.delete_model_package(ModelPackageName=second)
    assert package(sagemaker).endswith("/3")
    for number in (1, 3):
        sagemaker.delete_model_package(ModelPackageName=f"{ARN}model-package/g/{number}")
    sagemaker.delete_model_package_group(ModelPackageGroupName="g")
    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_a_package_is_of_a_group_or_has_a_name(sagemaker: Any) -> None:
    """One of the two, as the service says; an unversioned one is listed by itself, and needs no approval."""
    sagemaker.create_model_package_group(ModelPackageGroupName="g")
    with pytest.raises(ClientError, match="Cannot determine which one to use"):
        package(sagemaker, ModelPackageName="p")
    arn = sagemaker.create_model_package(ModelPackageName="p")["ModelPackageArn"]
    assert arn == f"{ARN}model-package/p"
    (listed,) = sagemaker.list_model_packages()["ModelPackageSummaryList"]
    assert (listed["ModelPackageName"], "ModelApprovalStatus" in listed) == ("p", False)


def test_a_model_is_made_of_a_package(sagemaker: Any, aws: AwsEndpoint) -> None:
    """It has the package's container, below what its own says; DescribeModel says what was asked for."""
    sagemaker.create_model_package_group(ModelPackageGroupName="g")
    arn = package(sagemaker)
    sagemaker.create_model(
        ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn, "Environment": {"B": "own"}}
    )
    described = sagemaker.describe_model(ModelName="m")
    assert described["PrimaryContainer"]["ModelPackageName"] == arn
    # As SDK v2 sends it.
    sagemaker.create_model(ModelName="list", ExecutionRoleArn=ROLE, Containers=[{"ModelPackageName": arn}])
    assert sagemaker.describe_model(ModelName="list")["Containers"][0]["ModelPackageName"] == arn
    with pytest.raises(ClientError, match="Containers of more or fewer than one"):
        sagemaker.create_model(ModelName="two", ExecutionRoleArn=ROLE, Containers=[{"Image": "a"}, {"Image": "b"}])
    data = {"Containers": [{"Image": "image", "ModelDataUrl": "s3://nowhere/model.tar.gz"}]}
    aws.s3().create_bucket(Bucket="nowhere")
    broken = package(sagemaker, InferenceSpecification={**data, "SupportedContentTypes": ["a"]})
    with pytest.raises(ClientError, match=r"Could not find model data at s3://nowhere/model\.tar\.gz"):
        sagemaker.create_model(ModelName="n", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": broken})
    with pytest.raises(ClientError, match=r"ModelPackage arn\S+/g/9 does not exist"):
        sagemaker.create_model(ModelName="n", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn[:-1] + "9"})
