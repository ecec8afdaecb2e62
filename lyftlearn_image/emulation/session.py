"""The embedded targets of one run: a network, a local AWS endpoint, and both emulators. They need Docker and nothing else."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from lyftlearn_image.build.connection import connect
from lyftlearn_image.emulation.aws.credentials import ContainerCredentials, container_credentials
from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint, Loopback, aws_endpoint
from lyftlearn_image.emulation.docker.containers import Containers
from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.place import DEFAULT_PLACE
from lyftlearn_image.emulation.private_directories import remove_leftovers
from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
from lyftlearn_image.limits import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType

    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.place import Place
    from lyftlearn_image.limits import Limits
    from lyftlearn_image.runs.target import Target

BUCKET = "lyftlearn-local"
_FIRST_REGION = "us-east-1"


@dataclass(frozen=True)
class Embedded:
    """What a run on this machine has at hand."""

    containers: Containers
    network: Network
    endpoint: AwsEndpoint
    credentials: ContainerCredentials
    s3: S3Client
    sagemaker: SageMakerEmulator
    kubernetes: KubernetesEmulator

    @property
    def targets(self) -> Mapping[str, Target]:
        """The emulators by their names, `sagemaker` and `kubernetes`."""
        return {emulator.name: emulator for emulator in (self.sagemaker, self.kubernetes)}

    def with_credentials_lifetime(self, credentials_lifetime_s: int | None) -> Embedded:
        """The same, but that the keys of new jobs and pods live so long; None leaves them what they are."""
        if credentials_lifetime_s is None:
            return self
        return replace(
            self,
            sagemaker=self.sagemaker.with_credentials_lifetime(credentials_lifetime_s),
            kubernetes=self.kubernetes.with_credentials_lifetime(credentials_lifetime_s),
        )


@contextlib.contextmanager
def embedded(
    run_id: str, loopback: Loopback | None = None, limits: Limits = UNLIMITED, place: Place = DEFAULT_PLACE
) -> Iterator[Embedded]:
    """Both emulators in `place`, ready to run, and the AWS endpoint also at `loopback`; nothing of them is left at the end.

    What runs that were killed have left on this machine and its engine is removed first.
    """
    remove_leftovers()
    containers = Containers(connect(), run_id, limits)
    with (
        containers.network() as network,
        aws_endpoint(network.gateway, loopback, place) as endpoint,
        container_credentials(containers, network, endpoint) as credentials,
    ):
        s3 = endpoint.s3()
        _create_bucket(s3, place.region)
        # In a pod the webhook adds the region.
        everywhere = {"AWS_ENDPOINT_URL": endpoint.url, **credentials.environment()}
        yield Embedded(
            containers=containers,
            network=network,
            endpoint=endpoint,
            credentials=credentials,
            s3=s3,
            sagemaker=SageMakerEmulator(
                Machine(containers, network, s3, {**endpoint.region_environment(), **everywhere}, credentials)
            ),
            kubernetes=KubernetesEmulator(Machine(containers, network, s3, everywhere, credentials)),
        )


def _create_bucket(s3: S3Client, region: str) -> None:
    """Everywhere but in the first region S3 wants to be told which one it is (S3 API reference, CreateBucket)."""
    if region == _FIRST_REGION:
        s3.create_bucket(Bucket=BUCKET)
    else:
        constraint = cast("BucketLocationConstraintType", region)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": constraint})
