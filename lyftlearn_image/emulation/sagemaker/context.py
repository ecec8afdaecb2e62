"""What the containers of the SageMaker emulator run on: the engine, a network, S3, identities, and this machine's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.sagemaker.instances import size_of
from lyftlearn_image.emulation.sagemaker.job_plan import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.credentials import Identity
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Machine:
    """`platform` are the variables that every container gets: region and endpoint. `cpus` and `memory_bytes` are all.

    `identity` gives a container the credentials of its role; without it none has any.
    """

    containers: Containers
    network: Network
    s3: S3Client
    platform: Mapping[str, str]
    account: Account
    cpus: int
    memory_bytes: int
    identity: Identity | None = None

    def share(self, instance_type: str) -> tuple[int, int]:
        """CPUs and bytes of an instance type, and at most what this machine has. UnsupportedError for an unknown type."""
        cpus, memory_gib = size_of(instance_type)
        return min(cpus, self.cpus), min(memory_gib << 30, self.memory_bytes)

    def environment(self, role_arn: str | None) -> dict[str, str]:
        """What the service itself puts into a container that runs as a role; None for one that has no credentials."""
        own = self.identity.of_job(role_arn) if self.identity and role_arn else {}
        return {**self.platform, **own}


def machine_of(
    containers: Containers, network: Network, s3: S3Client, platform: Mapping[str, str], identity: Identity | None
) -> Machine:
    """This machine, as its engine describes it."""
    info = containers.client.info()
    account = Account(region=platform.get("AWS_REGION", DEFAULT_REGION))
    return Machine(containers, network, s3, dict(platform), account, int(info["NCPU"]), int(info["MemTotal"]), identity)
