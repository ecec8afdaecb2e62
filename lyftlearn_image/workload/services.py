"""Workloads around a model or a person: serving, batch transform, notebooks."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lyftlearn_image.workload.base import Workload
from lyftlearn_image.workload.parts import S3Uri


class Serving(Workload):
    """A model behind an endpoint: /ping and /invocations on 8080."""

    kind: Literal["serving"] = Field(default="serving", description="A model behind an endpoint.")
    model: S3Uri = Field(description="s3://bucket/model.tar.gz, or a prefix that ends in `/` with the files themselves.")
    program: str | None = Field(default=None, description="Handlers (a Python file) or a server of your own; else the image's.")
    replicas: int = Field(default=1, ge=1, description="InitialInstanceCount; replicas of the Deployment.")
    startup_s: int = Field(default=480, ge=60, le=3600, description="Seconds for /ping to answer after the start.")
    data_capture: bool = Field(default=False, description="Keep requests and answers below `output`.")

    @model_validator(mode="after")
    def _model_is_one(self) -> Self:
        _check_model(self.model)
        if self.has_many_models and not self.model.endswith("/"):
            raise ValueError(
                "SAGEMAKER_MULTI_MODEL is true, and `model` is no prefix that ends in `/` with the models' archives"
            )
        return self

    @property
    def has_many_models(self) -> bool:
        """Whether its container loads the models below `model` as they are asked for."""
        return self.environment.get("SAGEMAKER_MULTI_MODEL") == "true"


class Transform(Workload):
    """Batch transform: every object below a prefix goes through the model once."""

    kind: Literal["transform"] = Field(default="transform", description="A batch transform.")
    model: S3Uri = Field(description="s3://bucket/model.tar.gz, or a prefix that ends in `/` with the files themselves.")
    program: str | None = Field(default=None, description="Handlers (a Python file) or a server of your own; else the image's.")
    input: S3Uri = Field(description="Prefix of the objects that go through the model.")
    content_type: str | None = Field(default=None, description="Content type of each request.")
    accept: str | None = Field(default=None, description="Content type that is asked for.")
    split: Literal["None", "Line", "RecordIO", "TFRecord"] = Field(
        default="None", description="What one record of an object is."
    )
    assemble: Literal["None", "Line"] = Field(default="None", description="How the answers of one object are put together.")
    batch: Literal["MultiRecord", "SingleRecord"] | None = Field(
        default=None, description="How many records a request has: as many as fit, or one."
    )
    max_concurrent: int | None = Field(
        default=None, ge=0, description="Requests at the same time to one host; 0 lets the platform choose."
    )
    max_payload_mb: int | None = Field(default=None, ge=0, le=100, description="Most megabytes of one request; 0 for no limit.")
    timeout_s: int | None = Field(default=None, ge=1, le=3600, description="Seconds for one invocation.")
    nodes: int = Field(default=1, ge=1, description="Hosts that share the objects.")

    @model_validator(mode="after")
    def _model_is_one(self) -> Self:
        # "... the value of MaxConcurrentTransforms * MaxPayloadInMB must also not exceed 100 MB" (API reference,
        # CreateTransformJob).
        if (self.max_concurrent or 1) * (self.max_payload_mb or 0) > 100:  # noqa: PLR2004 - see above
            raise ValueError("`max_concurrent` times `max_payload_mb` is above 100, the most that SageMaker takes")
        _check_model(self.model)
        return self


class Notebook(Workload):
    """JupyterLab on 8888: a custom image of SageMaker Studio, or a pod."""

    kind: Literal["notebook"] = Field(default="notebook", description="A notebook.")
    # The user that Studio starts every app as (developer guide, studio-updated-byoi-specs).
    studio_uid: ClassVar[int] = 1000
    studio_gid: ClassVar[int] = 100

    arguments: tuple[str, ...] = Field(default=(), description="Further arguments of JupyterLab.")
    storage_gb: int | None = Field(default=None, ge=1, description="Size of the home's disk on Kubernetes; else it is scratch.")
    storage_class: str | None = Field(default=None, description="StorageClass of the home's disk; else the cluster's default.")


def _check_model(uri: str) -> None:
    if not uri.endswith((".tar.gz", "/")):
        raise ValueError("`model` is neither a .tar.gz nor a prefix that ends in `/`")
