"""Studio's resources in the local API: images and their versions, domains, spaces, and which image an app has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lyftlearn_image.emulation.sagemaker import studio_app
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.studio import Studio
from lyftlearn_image.emulation.sagemaker.studio_app import AppFailedError, AppSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROLE = "arn:aws:iam::000000000000:role/lyftlearn"


class Without:
    """Of the emulator's context and of the endpoint only what needs no engine."""

    account = Account("us-east-1")

    def client(self, service: str) -> None:
        """No CloudWatch Logs: these apps write nothing."""


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch) -> list[AppSpec]:
    """The apps that were to be run; none of them starts. A real one is in the tests of `local`."""
    asked: list[AppSpec] = []

    def fail(_: Any, spec: AppSpec, *__: Any, **___: Any) -> None:
        asked.append(spec)
        raise AppFailedError("InternalFailure: there is no engine here")

    monkeypatch.setattr(studio_app, "run_app", fail)
    return asked


@pytest.fixture
def sagemaker(specs: list[AppSpec], tmp_path: Path) -> Iterator[Any]:
    """boto3's client of a control plane with a Studio."""
    studio = Studio(Without(), Without(), tmp_path)  # type: ignore[arg-type]
    with serve(ControlPlane(lambda *_: None, Without.account, studio=studio)) as url:
        session = boto3.Session("AKIA", "secret", region_name="us-east-1")
        yield session.client("sagemaker", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


def create_image(sagemaker: Any, *base_images: str) -> str:
    """The ARN of the image `lab`, with these versions."""
    arn = str(sagemaker.create_image(ImageName="lab", RoleArn=ROLE)["ImageArn"])
    for number, image in enumerate(base_images):
        sagemaker.create_image_version(ImageName="lab", BaseImage=image, ClientToken=str(number))
    return arn


def create_space(sagemaker: Any, *custom_images: dict[str, Any]) -> dict[str, str]:
    """The names of an app in a space of a domain that has these images."""
    settings = {"ExecutionRole": ROLE, "JupyterLabAppSettings": {"CustomImages": list(custom_images)}}
    domain = sagemaker.create_domain(
        DomainName="d", AuthMode="IAM", VpcId="vpc-1", SubnetIds=["subnet-1"], DefaultUserSettings=settings
    )
    sagemaker.create_space(DomainId=domain["DomainId"], SpaceName="s")
    return {"DomainId": domain["DomainId"], "SpaceName": "s", "AppType": "JupyterLab", "AppName": "default"}


def test_an_app_has_the_latest_version_or_the_one_that_is_named(sagemaker: Any, specs: list[AppSpec]) -> None:
    """With the AppImageConfig that the domain has for the image; an app that fails says why, and can be deleted."""
    arn = create_image(sagemaker, "one:1", "two:2")
    assert sagemaker.describe_image_version(ImageName="lab")["Version"] == 2
    config = {"FileSystemConfig": {"DefaultUid": 1500}}
    sagemaker.create_app_image_config(AppImageConfigName="c", JupyterLabAppImageConfig=config)
    app = create_space(sagemaker, {"ImageName": "lab", "AppImageConfigName": "c"})
    first = sagemaker.describe_image_version(ImageName="lab", Version=1)["ImageVersionArn"]
    for resource_spec, base_image in (
        ({"SageMakerImageArn": arn, "InstanceType": "ml.t3.medium"}, "two:2"),
        ({"SageMakerImageVersionArn": first, "InstanceType": "ml.m5.large"}, "one:1"),
    ):
        sagemaker.create_app(**app, ResourceSpec=resource_spec)
        while (described := sagemaker.describe_app(**app))["Status"] == "Pending":
            pass
        assert (described["Status"], described["FailureReason"]) == ("Failed", "InternalFailure: there is no engine here")
        sagemaker.delete_app(**app)
        spec = specs.pop()
        assert (spec.base_image, spec.instance_type, spec.space) == (base_image, resource_spec["InstanceType"], "s")
        assert spec.config["JupyterLabAppImageConfig"] == config
        with pytest.raises(ClientError, match="Could not find app"):
            sagemaker.describe_app(**app)


def test_what_is_not_there_is_refused(sagemaker: Any) -> None:
    """With the code that the API has for it: a missing image, one that the domain does not have, a name that is taken."""
    arn = create_image(sagemaker, "one:1")
    app = create_space(sagemaker)
    for call, code in (
        (lambda: sagemaker.create_image_version(ImageName="none", BaseImage="x", ClientToken="t"), "ResourceNotFound"),
        (lambda: sagemaker.create_image(ImageName="lab", RoleArn=ROLE), "ResourceInUse"),
        (lambda: sagemaker.create_app(**app, ResourceSpec={"SageMakerImageArn": arn}), "ValidationException"),
        (lambda: sagemaker.create_app(**app, ResourceSpec={"SageMakerImageArn": f"{arn}-none"}), "ResourceNotFound"),
        (lambda: sagemaker.create_app(**app), "ValidationException"),
        (lambda: sagemaker.create_app(**{**app, "AppType": "CodeEditor"}), "ValidationException"),
        (lambda: sagemaker.create_space(DomainId="d-none", SpaceName="s"), "ResourceNotFound"),
        (lambda: sagemaker.describe_domain(DomainId="d-none"), "ResourceNotFound"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code


def test_what_is_deleted_is_there_no_more(sagemaker: Any) -> None:
    """Every kind of resource by its own name."""
    create_image(sagemaker, "one:1")
    sagemaker.create_app_image_config(AppImageConfigName="c", JupyterLabAppImageConfig={})
    app = create_space(sagemaker)
    space = {"DomainId": app["DomainId"], "SpaceName": "s"}
    for name, arguments in (
        ("space", space), ("domain", {"DomainId": app["DomainId"]}), ("app_image_config", {"AppImageConfigName": "c"}),
        ("image_version", {"ImageName": "lab", "Version": 1}), ("image", {"ImageName": "lab"}),
    ):  # fmt: skip
        assert getattr(sagemaker, f"describe_{name}")(**arguments)["CreationTime"]
        getattr(sagemaker, f"delete_{name}")(**arguments)
        with pytest.raises(ClientError, match="Could not find"):
            getattr(sagemaker, f"describe_{name}")(**arguments)
