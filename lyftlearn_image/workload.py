"""One job, described once: the only description from which both platforms' requests are compiled."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from lyftlearn_runtime import contract


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("expected an absolute path in the container, without `..`")
    return path


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError("expected a variable name: not empty, without `=`")
    return name


def _reference(text: str) -> str:
    scheme, mark, name = text.partition("://")
    if not mark or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) or not name:
        raise ValueError("expected a reference such as aws-sm://name#key, aws-ssm:///path/name or s3://bucket/key")
    return text


ContainerPath = Annotated[str, AfterValidator(_absolute)]
VariableName = Annotated[str, AfterValidator(_variable)]
Reference = Annotated[str, AfterValidator(_reference)]


class ConfigFile(_Model):
    """A file that the script expects at a fixed path, with text or with a secret in it."""

    content: str | None = Field(default=None, description="The text of the file.")
    secret: Reference | None = Field(default=None, description="A reference such as aws-sm://name#key, resolved at start.")
    mode: str = Field(default="0644", pattern=r"^0[0-7]{3}$", description="Octal mode, in quotes.")
    owner: str | None = Field(
        default=None, pattern=r"^\d+:\d+$", description="UID:GID, in quotes; only root can give a file away."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.content is None) == (self.secret is None):
            raise ValueError("expected either `content` or `secret`")
        return self


class Refresh(_Model):
    """How often files with secrets are renewed while the job runs, and by which signal the script is told."""

    every_s: int = Field(ge=1)
    signal: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9]*$", description="Such as HUP; nobody is told without it.")


class Workload(_Model):
    """A training or processing job.

    Channels and outputs are S3 prefixes by the time a workload is compiled; a suite or the CLI may accept local
    paths and stage them first.
    """

    name: str = Field(pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=40)
    kind: Literal["training", "processing"] = "training"
    image: str = Field(min_length=1, max_length=255)
    program: str | None = Field(default=None, description="What `train` runs: a path below /opt/ml/code, or absolute.")
    command: tuple[str, ...] | None = Field(default=None, description="Exactly this argv, instead of a program.")
    arguments: Literal["--key value", "key=value", "none"] = "--key value"
    hyperparameters: dict[str, JsonValue] = {}
    environment: dict[VariableName, str] = {}
    secrets: dict[VariableName, Reference] = Field(default={}, description="Variable → reference (aws-sm://name#key).")
    secret_sets: tuple[Reference, ...] = Field(
        default=(), description="References to sets of variables: aws-ssm-path://path, a JSON secret, confidant://service."
    )
    refresh: Refresh | None = None
    files: dict[ContainerPath, ConfigFile] = {}
    channels: dict[str, str] = Field(default={}, description="Channel name → s3://bucket/prefix/ of its files.")
    outputs: dict[str, ContainerPath] = Field(
        default={}, description="Processing: output name → directory below /opt/ml/processing."
    )
    instance_type: str = "ml.m5.large"
    cpus: float = Field(default=2, gt=0, description="CPU limit of the pod.")
    memory_mib: int = Field(default=8192, gt=0, description="Memory limit of the pod.")
    run_as_user: int = Field(default=10001, ge=1, description="UID of the pod; its group is 0. SageMaker runs as root.")
    max_runtime_s: int = Field(default=3600, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.program is None) == (self.command is None):
            raise ValueError("expected either `program` or `command`")
        if self.program and self.kind == "processing":
            raise ValueError("a processing job takes a `command`: SageMaker passes no program to it")
        if self.outputs and self.kind == "training":
            raise ValueError("`outputs` belong to processing jobs; a training job writes /opt/ml/model and /opt/ml/output/data")
        for name in self.channels:
            # botocore's ChannelName; a dot or a hyphen is legal here though not in a shell variable.
            if not re.fullmatch(r"[A-Za-z0-9.\-_]{1,64}", name):
                raise ValueError(f"channel `{name}`: expected 1-64 of A-Z a-z 0-9 . - _")
            if name in {".", ".."}:
                raise ValueError(f"channel `{name}` would be another directory; use another name")
        if self.command is not None and not self.command:
            raise ValueError("`command` is empty; expected at least one word")
        reserved = sorted((self.environment.keys() | self.secrets.keys()) & set(contract.COMPILED_VARIABLES))
        if reserved:
            raise ValueError(
                f"{', '.join(reserved)}: compiled from the workload's own fields (`program`, `arguments`, …); use those"
            )
        both = self.environment.keys() & self.secrets.keys()
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: in `environment` and in `secrets`; keep one")
        return self

    def with_(self, **changes: Any) -> Workload:
        """A validated copy with these fields changed."""
        return Workload.model_validate({**self.model_dump(), **changes})
