"""What every workload says, whatever its kind."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from lyftlearn_image.workload.kubernetes import Kubernetes
from lyftlearn_image.workload.parts import (
    ConfigFile,
    ContainerPath,
    Encryption,
    Network,
    Reference,
    Refresh,
    S3Uri,
    VariableName,
    VariableValue,
)
from lyftlearn_image.workload.tagged_union import TaggedUnion
from lyftlearn_runtime import contract


class Workload(TaggedUnion):
    """One job, endpoint or notebook, described once: the only description from which both platforms' requests are compiled.

    Channels, models and outputs are S3 URIs by the time a workload is compiled; a suite or the CLI may accept local paths
    and stage them first.
    """

    default: ClassVar[str | None] = "training"

    name: str = Field(
        pattern=r"^[a-z0-9](-?[a-z0-9])*$",
        max_length=40,
        description="Name of the workload, from which its jobs' names are made.",
    )
    kind: str = Field(description="What it is: the other keys depend on it.")
    image: str = Field(min_length=1, max_length=255, description="The image as the platforms pull it.")
    output: S3Uri | None = Field(default=None, description="s3://bucket/prefix below which models, outputs and bundles go.")
    role_arn: str | None = Field(default=None, description="The execution role on SageMaker.")
    environment: dict[VariableName, VariableValue] = Field(default={}, description="Variable → value, no secrets.")
    secrets: dict[VariableName, Reference] = Field(default={}, description="Variable → reference (aws-sm://name#key).")
    secret_sets: tuple[Reference, ...] = Field(
        default=(), description="References to sets of variables: aws-ssm-path://path, a JSON secret, confidant://service."
    )
    refresh: Refresh | None = Field(
        default=None, description="How changed secrets reach a script that runs on; else they are read once."
    )
    files: dict[ContainerPath, ConfigFile] = Field(
        default={}, description="Path in the container → a file that is there when the script starts."
    )
    tags: dict[str, str] = Field(default={}, description="Tags of the AWS resources.")
    network: Network = Field(default=Network(), description="Subnets and isolation on SageMaker.")
    encryption: Encryption = Field(default=Encryption(), description="KMS keys on SageMaker.")
    kubernetes: Kubernetes = Field(
        default=Kubernetes(), description="Placement, queues, disks and the like, on Kubernetes alone."
    )
    instance_type: str | None = Field(
        default=None,
        description="Kind of host on SageMaker; else the smallest with `cpus`, `memory_mib` and `gpus` of ml.m5 and ml.r5, or"
        " ml.g5 where GPUs are asked for, or of larger families.",
    )
    cpus: float = Field(default=2, gt=0, le=1_000_000, description="CPU limit of the pod; the instance has at least as many.")
    memory_mib: int = Field(default=8192, gt=0, description="Memory limit of the pod; the instance has at least as much.")
    gpus: int = Field(default=0, ge=0, description="GPUs of the pod (nvidia.com/gpu); the instance has at least as many.")
    run_as_user: int = Field(default=10001, ge=1, description="UID of the pod; its group is 0. SageMaker runs as root.")

    @model_validator(mode="after")
    def _variables_are_the_workloads_own(self) -> Self:
        mine = self.environment.keys() | self.secrets.keys() | self.kubernetes.secrets.keys()
        if reserved := sorted(mine & set(contract.COMPILED_VARIABLES)):
            raise ValueError(
                f"{', '.join(reserved)}: compiled from the workload's own fields (`program`, `arguments`, …); use those"
            )
        if both := self.environment.keys() & (self.secrets.keys() | self.kubernetes.secrets.keys()):
            raise ValueError(f"{', '.join(sorted(both))}: in `environment` and in `secrets`; keep one")
        return self

    @model_validator(mode="after")
    def _requests_are_below_limits(self) -> Self:
        asked = self.kubernetes.requests
        if (asked.cpus or 0) > self.cpus:
            raise ValueError(
                f"`kubernetes.requests.cpus` is above `cpus`, {self.cpus:g}: a pod cannot ask for more than its limit"
            )
        if (asked.memory_mib or 0) > self.memory_mib:
            raise ValueError(f"`kubernetes.requests.memory_mib` is above `memory_mib`, {self.memory_mib}")
        return self

    def with_(self, **changes: Any) -> Self:
        """A validated copy with these fields changed."""
        return type(self).model_validate({**self.model_dump(), **changes})
