"""What both emulators use of this machine to run containers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.credentials import ContainerCredentials
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network


@dataclass(frozen=True)
class Machine:
    """The engine and the network of one run, its S3, and the AWS credentials of its containers.

    `platform_environment` are the variables that the platform gives to every container: endpoints, the region. Without
    `credentials` no container has any.
    """

    containers: Containers
    network: Network
    s3: S3Client
    platform_environment: Mapping[str, str]
    credentials: ContainerCredentials | None = None

    def with_credentials_lifetime(self, credentials_lifetime_s: int) -> Self:
        """The same machine, whose containers have keys that live so long; without credentials nothing ends."""
        credentials = self.credentials
        return replace(self, credentials=credentials and credentials.with_lifetime(credentials_lifetime_s))
