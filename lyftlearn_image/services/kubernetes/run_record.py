"""What the shim has left in S3 of a Job's hosts: exit codes and the ends of their logs, also where no pod is left to ask.

Written by `lyftlearn_runtime/run_record.py`; the Job's own manifest says where.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydantic

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.services.kubernetes.main_container import main_end, main_name
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_INDEX = re.compile(r"([0-9]{1,9})\.json")
# The shim keeps 1 MiB of a log, of which JSON may write each byte as six.
_MAX_BYTES = 8 << 20
# The clocks of one node, of which the API has whole seconds; after its script the shim still uploads.
_SLACK_S = 5.0


class _Document(pydantic.BaseModel):
    exit_code: int = pydantic.Field(ge=0, le=255)
    ended_at: pydantic.FiniteFloat
    lines: int = pydantic.Field(ge=0)
    log: str


@dataclass(frozen=True)
class RunRecord:
    """One host's: how its script ended, when (seconds since 1970), and of its `lines` lines the last ones."""

    host: int
    exit_code: int
    ended_at: float
    lines: int
    log: tuple[str, ...]

    def is_of(self, pod: Any) -> bool:
        """Whether it is of this pod's container, and not of an earlier attempt."""
        end = main_end(pod)
        if end is None or end.startedAt is None or end.finishedAt is None:
            return False
        return bool(end.startedAt.timestamp() - _SLACK_S <= self.ended_at <= end.finishedAt.timestamp() + _SLACK_S)


def read_records(s3: S3Client, job: Any) -> dict[int, RunRecord]:
    """The record of each host that has left one; of something else that lies there nothing is taken."""
    uri = _uri(job)
    if not uri:
        return {}
    found = {}
    bucket, _ = objects.split_uri(uri)
    hosts = job.spec.completions or 1
    for key in objects.list_keys(s3, uri):
        named = _INDEX.fullmatch(key.rpartition("/")[2])
        if named is None or (host := int(named[1])) >= hosts:
            continue
        try:
            document = _Document.model_validate_json(objects.read_object(s3, f"s3://{bucket}/{key}", _MAX_BYTES))
        except pydantic.ValidationError:
            continue  # the job itself may write there, and as much as it likes
        lines = tuple(document.log.removesuffix("\n").split("\n")) if document.log else ()
        found[host] = RunRecord(host, document.exit_code, document.ended_at, document.lines, lines)
    return found


def _uri(job: Any) -> str:
    spec = job.spec.template.spec
    name = main_name(job.spec.template)
    variables = next((container.env or [] for container in spec.containers if container.name == name), [])
    return next((str(one.value) for one in variables if one.name == contract.RECORD and one.value), "")
