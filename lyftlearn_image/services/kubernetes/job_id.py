"""The ids of a cluster's jobs, `job/NAMESPACE/NAME` and `deployment/NAMESPACE/NAME`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lyftlearn_image.errors import InvalidInputError

JOB, DEPLOYMENT = "job", "deployment"
KINDS = (JOB, DEPLOYMENT)
# Of objects' names (DNS subdomains) and, among them, of namespaces (kubernetes.io/docs "Object Names and IDs").
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_EXPECTED = f"Expected {JOB}/<namespace>/<name>, or {DEPLOYMENT}/<namespace>/<name> where it serves."


@dataclass(frozen=True)
class JobId:
    """A Job or a Deployment of a cluster. As a string it is the id that every verb takes, on any machine."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


def parse_job_id(job: str, namespace: str) -> JobId:
    """The parts of an id. One without a namespace, `job/NAME`, is in this one.

    Raises InvalidInputError for what is none.
    """
    kind, *names = job.split("/")
    if kind not in KINDS or len(names) not in (1, 2) or not all(_NAME.fullmatch(name) for name in names):
        raise InvalidInputError(f"{job!r} is no job", hint=_EXPECTED)
    return JobId(kind, names[0] if len(names) > 1 else namespace, names[-1])


def in_namespace(job: str, namespace: str | None) -> str:
    """An id of a cluster's job with the namespace that somebody named beside it.

    Raises InvalidInputError where the id has another one; ids of other platforms are left as they are.
    """
    if not namespace or job.partition("/")[0] not in KINDS:
        return job
    found = parse_job_id(job, namespace)
    if found.namespace != namespace:
        raise InvalidInputError(f"{job} is not in the namespace {namespace}", hint="Leave --namespace away: the id has it.")
    return str(found)
