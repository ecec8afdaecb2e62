"""A queue of AWS Batch before SageMaker, and the ids of the jobs in it."""

from __future__ import annotations

from dataclasses import dataclass

from lyftlearn_image.errors import InvalidInputError

KIND = "queued"


@dataclass(frozen=True)
class Queue:
    """A job queue of the type SAGEMAKER_TRAINING, by name or ARN, and where in it a job stands.

    A queue with fair-share scheduling asks for a `share_identifier`; `priority`, 0 to 9999, is within the share.
    """

    name: str
    share_identifier: str | None = None
    priority: int | None = None


def parse_queued_id(job: str) -> tuple[str, str] | None:
    """Queue and name of an id, such as `queued/gpus/iris-0f3a`; None for a job of another kind.

    Raises InvalidInputError for an id that is only begun.
    """
    kind, _, rest = job.partition("/")
    if kind != KIND:
        return None
    # An ARN of a queue has a slash of its own; the name of a job has none.
    queue, _, name = rest.rpartition("/")
    if not queue or not name:
        raise InvalidInputError(f"{job!r} is no job", hint=f"Expected {KIND}/<queue>/<name>.")
    return queue, name
