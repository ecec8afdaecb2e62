"""What the containers of the SageMaker emulator run on: the engine, a network, S3, credentials, and this machine's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.emulation.sagemaker.job_plan import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.credentials import ContainerCredentials
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Context:
    """`platform_environment` are the variables that every container gets: region and endpoint.

    `cpus` and `memory_bytes` are the whole machine's. `credentials` gives a container those of its role; without it none
    has any.
    """

    containers: Containers
    network: Network
    s3: S3Client
    platform_environment: Mapping[str, str]
    account: Account
    cpus: int
    memory_bytes: int
    credentials: ContainerCredentials | None = None

    def limits(self, instance_type: str) -> tuple[int, int]:
        """CPUs and bytes of an instance type, and at most what this machine has. UnsupportedError for an unknown type."""
        cpus, memory_bytes = instance_size(instance_type)
        return min(cpus, self.cpus), min(memory_bytes, self.memory_bytes)

    def container_environment(self, role_arn: str | None) -> dict[str, str]:
        """What the service itself puts into a container that runs as a role; None for one that has no credentials."""
        variables = self.credentials.job_environment(role_arn) if self.credentials and role_arn else {}
        return {**self.platform_environment, **variables}


def create_context(
    containers: Containers,
    network: Network,
    s3: S3Client,
    platform_environment: Mapping[str, str],
    credentials: ContainerCredentials | None,
) -> Context:
    """The context of this machine, as its engine describes it."""
    info = containers.client.info()
    return Context(
        containers=containers,
        network=network,
        s3=s3,
        platform_environment=dict(platform_environment),
        account=Account(region=platform_environment.get("AWS_REGION", DEFAULT_REGION)),
        cpus=int(info["NCPU"]),
        memory_bytes=int(info["MemTotal"]),
        credentials=credentials,
    )
