"""What the workloads of every kind are made of: paths, references, files, networks, keys."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Model(BaseModel):
    """Frozen, and without a place for a key that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("expected an absolute path in the container, without `..`")
    return path


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError("expected a variable name: not empty, without `=`")
    return name


def _variable_value(value: str) -> str:
    if "\0" in value:
        raise ValueError("a variable cannot hold a NUL")
    return value


def _reference(text: str) -> str:
    scheme, mark, name = text.partition("://")
    if not mark or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) or not name:
        raise ValueError("expected a reference such as aws-sm://name#key, aws-ssm:///path/name or s3://bucket/key")
    return text


def _s3_uri(text: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/.*)?", text):
        raise ValueError("expected s3://bucket/prefix")
    return text


def _regex(text: str) -> str:
    try:
        compiled = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    if compiled.groups != 1:
        raise ValueError(f"expected one group in parentheses, the metric's value; found {compiled.groups}")
    return text


def _secret_key(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?#[-._a-zA-Z0-9]+", text):
        raise ValueError("expected `name#key` of a Kubernetes Secret")
    return text


ContainerPath = Annotated[str, AfterValidator(_absolute)]
VariableName = Annotated[str, AfterValidator(_variable)]
VariableValue = Annotated[str, AfterValidator(_variable_value)]
Reference = Annotated[str, AfterValidator(_reference)]
S3Uri = Annotated[str, AfterValidator(_s3_uri)]
MetricRegex = Annotated[str, AfterValidator(_regex)]
SecretKey = Annotated[str, AfterValidator(_secret_key)]


class ConfigFile(Model):
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


class Refresh(Model):
    """How often files with secrets are renewed while the job runs, and by which signal the script is told."""

    every_s: int = Field(ge=1, description="Seconds between two looks at the sources.")
    signal: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9]*$", description="Such as HUP; nobody is told without it.")


class Network(Model):
    """Where a SageMaker job's hosts stand. On Kubernetes the cluster's own network policies say it."""

    subnets: tuple[str, ...] = Field(default=(), description="Subnet ids of a VPC (VpcConfig).")
    security_groups: tuple[str, ...] = Field(default=(), description="Security group ids of that VPC.")
    isolated: bool = Field(default=False, description="No outbound calls, and no AWS credentials in the container.")
    encrypted: bool = Field(default=False, description="Encrypt the traffic between the job's hosts.")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("`subnets` and `security_groups` go together: SageMaker's VpcConfig needs both")
        return self


class Encryption(Model):
    """KMS keys, as ID, ARN or alias."""

    output_key: str | None = Field(default=None, description="For what the job leaves in S3.")
    volume_key: str | None = Field(default=None, description="For the hosts' disks; not for instances with their own NVMe.")
