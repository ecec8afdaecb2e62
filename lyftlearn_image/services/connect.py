"""Connects to the services: the one place that knows how the client of each platform is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.aws.session import open_session
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.nearest import did_you_mean
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.services.kubernetes import job_id
from lyftlearn_image.services.sagemaker.queue import KIND as QUEUED, Queue, parse_queued_id

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import TargetName
    from lyftlearn_image.retry import Clock
    from lyftlearn_image.services.service import Service


def connect_service(
    target: TargetName, *, context: str | None = None, clock: Clock | None = None, queue: Queue | None = None
) -> Service:
    """The service of a platform, for who runs the toolkit: AWS by boto3's own rules, a cluster by the kubeconfig's context.

    The current context is taken where none is named; a `queue` stands before SageMaker. Raises InvalidInputError where there
    is no such profile or context, or the extra `kubernetes` is not installed.
    """
    session = open_session()
    if queue is not None:
        from lyftlearn_image.services.sagemaker.queued_training import QueuedTrainingService  # noqa: PLC0415 - boto3 takes 200 ms

        return QueuedTrainingService(session, queue, clock)
    if target == "sagemaker":
        from lyftlearn_image.services.sagemaker.client import SageMakerService  # noqa: PLC0415 - boto3 takes 200 ms

        return SageMakerService(session, clock)
    from lyftlearn_image.services.kubernetes.kubeconfig import open_client  # noqa: PLC0415 - lightkube is an extra

    with translate_errors("connecting to S3"):
        s3 = session.client("s3")
    client = open_client(context)
    from lyftlearn_image.services.kubernetes.client import KubernetesService  # noqa: PLC0415 - as above

    return KubernetesService(client, s3, clock, context)


def connect_service_of_job(job: str, *, context: str | None = None) -> Service:
    """The service that has a job, by its id: of a queued one, the queue. Raises InvalidInputError for what is no id."""
    kinds = (*job_id.KINDS, *job_kinds.KIND_NAMES, QUEUED)
    word, slash, _ = job.partition("/")
    if word not in kinds or not slash:
        near = did_you_mean(word, kinds)
        hint = f"{near}Expected <kind>/<name>; the kinds are {', '.join(kinds)}."
        raise InvalidInputError(f"{job!r} is no job", hint=hint)
    parsed = parse_queued_id(job)
    return connect_service(platform_of_job(job), context=context, queue=Queue(parsed[0]) if parsed else None)


def cluster_of_context(context: str) -> str | None:
    """The kubeconfig's name of a context's cluster. Raises InvalidInputError where there is no such context."""
    from lyftlearn_image.services.kubernetes.kubeconfig import open_client  # noqa: PLC0415 - as above

    return open_client(context).config.context.cluster


def platform_of_job(job: str) -> TargetName:
    """Where a job is, by the first part of its id, its kind."""
    return "kubernetes" if job.partition("/")[0] in job_id.KINDS else "sagemaker"
