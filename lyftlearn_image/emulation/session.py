"""The embedded targets of one run: a network, a local AWS endpoint, and both emulators. They need Docker and nothing else."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.aws.credentials import Identity, identity
from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint, aws_endpoint
from lyftlearn_image.emulation.docker.containers import Containers, connect
from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.runs.target import Target

BUCKET = "lyftlearn-local"


@dataclass(frozen=True)
class Embedded:
    """What a run on this machine uses. `targets` maps `sagemaker` and `kubernetes` to their emulators."""

    containers: Containers
    network: Network
    endpoint: AwsEndpoint
    identity: Identity
    s3: S3Client
    targets: Mapping[str, Target]


@contextlib.contextmanager
def embedded(run_id: str) -> Iterator[Embedded]:
    """Both emulators, ready to run. Nothing of them is left at the end."""
    containers = Containers(connect(), run_id)
    with (
        containers.network() as network,
        aws_endpoint(network.gateway) as endpoint,
        identity(containers, network, endpoint) as served,
    ):
        s3 = endpoint.s3()
        s3.create_bucket(Bucket=BUCKET)
        # In a pod the webhook adds the region.
        everywhere = {"AWS_ENDPOINT_URL": endpoint.url, **served.environment()}
        emulators = (
            SageMakerEmulator(containers, network, s3, {**endpoint.place(), **everywhere}, served),
            KubernetesEmulator(Machine(containers, network, s3, everywhere, served)),
        )
        yield Embedded(containers, network, endpoint, served, s3, {emulator.name: emulator for emulator in emulators})
