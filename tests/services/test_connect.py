"""Which service has a job, and how its client is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.services.connect import connect_service, connect_service_of_job, platform_of_job
from lyftlearn_image.services.sagemaker.client import SageMakerService
from lyftlearn_image.services.sagemaker.queued_training import QueuedTrainingService

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {
    "contexts": [{"name": "blue", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "x"}}],
}


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the toolkit: a region, keys, and a kubeconfig with one context."""
    (tmp_path / "config").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("job", "platform"),
    [
        ("training/iris", "sagemaker"), ("processing/iris", "sagemaker"), ("tuning/iris", "sagemaker"),
        ("transform/iris", "sagemaker"), ("endpoint/iris", "sagemaker"), ("job/iris", "kubernetes"),
        ("deployment/iris", "kubernetes"), ("iris", "sagemaker"),
    ],
)  # fmt: skip
def test_a_jobs_kind_says_where_it_is(job: str, platform: str) -> None:
    """The first half of its id; what has none is SageMaker's to refuse."""
    assert platform_of_job(job) == platform


@pytest.mark.parametrize(("target", "context"), [("sagemaker", None), ("kubernetes", "blue")])
def test_each_platform_has_its_service(target: str, context: str | None) -> None:
    """Made without a request, with the S3 of the same user."""
    service = connect_service(target, context=context)  # type: ignore[arg-type]
    try:
        assert service.name == target
        assert service.s3.meta.region_name == "us-east-1"
    finally:
        service.close()


def test_a_job_in_a_queue_is_asked_for_there() -> None:
    """Its id says which; every other one is the platform's own."""
    for job, kind in (("queued/gpus/iris", QueuedTrainingService), ("training/iris", SageMakerService)):
        service = connect_service_of_job(job)
        try:
            assert type(service) is kind
        finally:
            service.close()


@pytest.mark.parametrize("target", ["sagemaker", "kubernetes"])
def test_a_profile_that_there_is_not_is_told(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one error, by its name."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(InvalidInputError, match=r"connecting to AWS: .*no-such-profile"):
        connect_service(target)  # type: ignore[arg-type]


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_taken_from_either_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that the AWS SDKs share, and boto3's own."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "eu-west-1")
    service = connect_service("sagemaker")
    service.close()
    assert service.s3.meta.region_name == "eu-west-1"


def test_no_region_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that has it."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(InvalidInputError, match="no AWS region is set"):
        connect_service("sagemaker")
