"""The embedded targets of one run: a network, a local AWS endpoint, and both emulators. They need Docker and nothing else."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lyftlearn_image.build.connection import connect
from lyftlearn_image.emulation.aws.credentials import ContainerCredentials, container_credentials
from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint, Loopback, ServerProcess, server_process
from lyftlearn_image.emulation.docker.containers import Containers
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.place import DEFAULT_PLACE
from lyftlearn_image.emulation.private_directories import remove_leftovers
from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
from lyftlearn_image.emulation.shared_machine import require_shared
from lyftlearn_image.limits import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
    from lyftlearn_image.emulation.place import Place
    from lyftlearn_image.limits import Limits
    from lyftlearn_image.runs.target import Target

BUCKET = "lyftlearn-local"


@dataclass(frozen=True)
class Embedded:
    """What a run on this machine has at hand."""

    containers: Containers
    network: Network
    endpoint: AwsEndpoint
    credentials: ContainerCredentials
    s3: S3Client
    sagemaker: SageMakerEmulator
    make_kubernetes: Callable[[], KubernetesEmulator]

    @property
    def kubernetes(self) -> KubernetesEmulator:
        """The one cluster of the run, made when it is first asked for."""
        return self.make_kubernetes()

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
            make_kubernetes=lambda: self.kubernetes.with_credentials_lifetime(credentials_lifetime_s),
        )

    def with_secrets(self, secrets: Mapping[str, Mapping[str, str]]) -> Embedded:
        """The same, but that the cluster has these Secrets: name → key → value."""
        if not secrets:
            return self
        return replace(self, make_kubernetes=lambda: self.kubernetes.with_secrets(secrets))


@contextlib.contextmanager
def embedded(
    run_id: str,
    loopback: Loopback | None = None,
    limits: Limits = UNLIMITED,
    place: Place = DEFAULT_PLACE,
) -> Iterator[Embedded]:
    """Both emulators in `place`, ready to run, and the AWS endpoint also at `loopback`; nothing of them is left at the end.

    What runs that were killed have left on this machine and its engine is removed first. Raises UnavailableError for an engine
    whose network or files are not this machine's.
    """
    # The two load their modules side by side.
    with server_process(loopback, place, (BUCKET,)) as server:
        remove_leftovers()
        containers = Containers(connect(), run_id, limits)
        with _embedded(containers, server) as session:
            yield session


@contextlib.contextmanager
def _embedded(containers: Containers, server: ServerProcess) -> Iterator[Embedded]:
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(containers.network())
        require_shared(containers, network)
        endpoint = server.serve(network.gateway)
        credentials = stack.enter_context(container_credentials(containers, network, endpoint))
        s3 = endpoint.s3()
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
            make_kubernetes=_once(partial(_make_kubernetes, Machine(containers, network, s3, everywhere, credentials))),
        )


def _make_kubernetes(machine: Machine) -> KubernetesEmulator:
    from lyftlearn_image.emulation.kubernetes.emulator import (  # noqa: PLC0415 - 200 ms, for runs on a cluster
        KubernetesEmulator,
    )

    return KubernetesEmulator(machine)


def _once(make: Callable[[], KubernetesEmulator]) -> Callable[[], KubernetesEmulator]:
    """Makes it for whoever asks first, and has it for all others, also of several threads."""
    made: list[KubernetesEmulator] = []
    lock = threading.Lock()

    def get() -> KubernetesEmulator:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get
