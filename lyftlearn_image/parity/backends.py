"""Where a suite's runs take place: embedded, or on the real services, in any mix."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.aws.session import open_session
from lyftlearn_image.emulation.place import DEFAULT_PLACE, Place
from lyftlearn_image.emulation.session import BUCKET
from lyftlearn_image.errors import InvalidInputError, RunError
from lyftlearn_image.parity.compare.normalisers import AWS_IDENTITY_LINE
from lyftlearn_image.platforms.launch import DEFAULT_ROLE, TARGETS, TargetName
from lyftlearn_image.retry import Clock
from lyftlearn_image.services.connect import cluster_of_context, connect_service

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    import boto3
    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.session import Embedded
    from lyftlearn_image.parity.suite import Case
    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.run import Run
    from lyftlearn_image.runs.target import Target

EMBEDDED = "embedded"
SERVICE = "service"
_CONTEXT = "context:"
# As `aws eks update-kubeconfig` names clusters and contexts.
_EKS_CLUSTER = re.compile(r"arn:[^:]+:eks:(?P<region>[^:]+):(?P<account>\d{12}):cluster/(?P<name>.+)")
# SageMaker itself says what is wrong with any other.
_ROLE = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")
_IDENTITY_LINE = AWS_IDENTITY_LINE.encode()
_EXPECTED = "Expected sagemaker=embedded, sagemaker=service, kubernetes=embedded or kubernetes=context:NAME."


@dataclass(frozen=True)
class BackendSelection:
    """What a user asks for. `kinds` maps a target to `embedded`, `service` or `context:NAME`.

    `image` is the suite's image as the services pull it; `s3_prefix` is where their jobs' data and outputs go.
    """

    kinds: Mapping[TargetName, str]
    s3_prefix: str | None = None
    role_arn: str | None = None
    image: str | None = None

    @property
    def has_services(self) -> bool:
        """Whether anything leaves this machine."""
        return any(kind != EMBEDDED for kind in self.kinds.values())

    @property
    def has_embedded(self) -> bool:
        """Whether anything is played on this machine."""
        return EMBEDDED in self.kinds.values()


@dataclass(frozen=True)
class Backend:
    """One target, and the S3 that its jobs use. `image` is None where the suite's own name is known."""

    target: Target
    s3: S3Client
    bucket: str
    prefix: str
    role_arn: str
    image: str | None = None
    is_service: bool = False

    def put_objects(self, compiled: Compiled) -> None:
        """Puts what a request needs into S3. A service does it itself, when it submits."""
        if not self.is_service:
            objects.put_objects(self.s3, compiled.objects)


EMBEDDED_BACKENDS = BackendSelection(dict.fromkeys(TARGETS, EMBEDDED))


def parse_targets(
    options: Sequence[str], *, s3_prefix: str | None = None, role_arn: str | None = None, image: str | None = None
) -> BackendSelection:
    """From `--target` options such as `sagemaker=service`. Raises InvalidInputError for what is none, or misses a part."""
    kinds: dict[TargetName, str] = dict(EMBEDDED_BACKENDS.kinds)
    for option in options:
        name, _, kind = option.partition("=")
        target = next((target for target in TARGETS if target == name), None)
        is_known = kind == EMBEDDED or (kind == SERVICE if name == "sagemaker" else kind.startswith(_CONTEXT))
        if target is None or not is_known:
            raise InvalidInputError(f"--target {option}: there is no such target", hint=_EXPECTED)
        kinds[target] = kind
    selection = BackendSelection(kinds, s3_prefix, role_arn, image)
    if selection.has_services and not (s3_prefix and image):
        raise InvalidInputError(
            "a real service needs an image that it can pull and a place in S3",
            hint="Give --image REGISTRY/REPOSITORY@DIGEST (lyftlearn-image push) and --s3-prefix s3://bucket/prefix.",
        )
    if selection.kinds["sagemaker"] == SERVICE and not role_arn:
        raise InvalidInputError("SageMaker needs an execution role", hint="Give --role-arn.")
    return selection


def embedded_place(selection: BackendSelection) -> Place:
    """Where the embedded side is: where the real one is, so that names and ARNs are no difference.

    That is the region of whoever runs the toolkit, or of an EKS cluster as `aws eks update-kubeconfig` names it; the role
    that the jobs are given, else one of the cluster's account or of their own.
    """
    if not selection.has_services:
        return DEFAULT_PLACE
    session = open_session()
    kind = selection.kinds["kubernetes"]
    cluster = cluster_of_context(kind.removeprefix(_CONTEXT)) if kind != EMBEDDED else None
    found = _EKS_CLUSTER.fullmatch(cluster or "")
    region = (found and found["region"]) or session.region_name or DEFAULT_PLACE.region
    name = (found and found["name"]) or cluster or DEFAULT_PLACE.cluster
    if selection.role_arn and _ROLE.fullmatch(selection.role_arn):
        return Place(region, selection.role_arn, name)
    account = found["account"] if found else _own_account(session)
    return Place(region, DEFAULT_ROLE.replace(DEFAULT_PLACE.account, account), name)


def _own_account(session: boto3.Session) -> str:
    """The account of whoever runs the toolkit; the embedded one where STS does not say."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see open_session()

    try:
        return str(session.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        return DEFAULT_PLACE.account


def connect_backends(selection: BackendSelection, session: Embedded, interrupted: threading.Event) -> dict[TargetName, Backend]:
    """The targets, connected. A service's waits end with RunError when `interrupted` is set; its job goes on."""

    def sleep(seconds: float) -> None:
        if interrupted.wait(seconds):
            raise RunError("interrupted; the job goes on at its service")

    clock = Clock(sleep=sleep)
    return {target: _connect_backend(target, kind, selection, session, clock) for target, kind in selection.kinds.items()}


def _connect_backend(target: TargetName, kind: str, selection: BackendSelection, session: Embedded, clock: Clock) -> Backend:
    if kind == EMBEDDED:
        return Backend(session.targets[target], session.s3, BUCKET, "", session.endpoint.place.role_arn)
    bucket, prefix = objects.split_uri(str(selection.s3_prefix))
    service = connect_service(target, context=kind.removeprefix(_CONTEXT) if target == "kubernetes" else None, clock=clock)
    return Backend(
        service,
        service.s3,
        bucket,
        f"{prefix.rstrip('/')}/" if prefix else "",
        selection.role_arn or DEFAULT_ROLE,
        selection.image,
        is_service=True,
    )


def refuse_embedded_only(case: Case, selection: BackendSelection) -> None:
    """RunError for a case that asks for what only the embedded targets have, where one of them is a service."""
    if not selection.has_services:
        return
    if case.secret_values or case.parameter_values:
        raise RunError(
            "the case plants secrets, which only the embedded endpoint takes",
            hint="Run it on the embedded targets, or let its workload name secrets that are there.",
        )
    if case.credentials_lifetime_s:
        raise RunError(
            "the case says how long credentials live, which only the embedded targets' do",
            hint="Run it on the embedded targets.",
        )


def merge_streams(run: Run) -> Run:
    """A run as a service tells it: one log, whose order between the streams is nobody's promise, and no metrics.

    Both runs of a case are read so where one of them was on a service.
    """
    lines = [*_lines(run.stdout.read_bytes()), *_lines(run.stderr.read_bytes())]
    # As on stderr of an embedded target: on one platform the shim has more to fetch than on the other.
    lines = [line for line in lines if not line.startswith(_IDENTITY_LINE)]
    run.stdout.write_bytes(b"".join(sorted(lines)))
    run.stderr.write_bytes(b"")
    return dataclasses.replace(run, metrics=())


def _lines(text: bytes) -> list[bytes]:
    # A log keeps lines: neither the end of the last one, nor what is empty.
    return [line + b"\n" for line in text.split(b"\n") if line]
