"""What compiling needs and what it gives back: the names of one run, and the platform's own request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TargetName = Literal["sagemaker", "kubernetes"]
TARGETS: tuple[TargetName, TargetName] = ("sagemaker", "kubernetes")
# An emulator needs a role in the request and asks nobody for it.
DEFAULT_ROLE = "arn:aws:iam::000000000000:role/lyftlearn"


@dataclass(frozen=True)
class Launch:
    """What compiling needs besides the workload: the names and places of one run of it.

    `job_name` is the same on both targets, so that a script that prints it prints the same. `s3_prefix` is
    `s3://bucket/prefix` without a final slash; model and output archives and the launch bundle go below it.
    `statsd` is `host:port` of the UDP gateway, or None to drop metrics. `observe_key` is the hex key of the digests
    that stand in for secrets in an observation; None asks for no observation.
    """

    job_name: str
    s3_prefix: str
    role_arn: str = DEFAULT_ROLE
    statsd: str | None = None
    observe_key: str | None = None


@dataclass(frozen=True)
class Compiled:
    """The platform's own request, ready to be sent or interpreted.

    `action` is `CreateTrainingJob`, `CreateProcessingJob`, another one of the API, or the kind of the main manifest.
    `documents` is that one request, or the requests or manifests in the order in which they must be sent; `actions` names
    each of several requests. `objects` maps S3 URIs to bytes that must be there before
    (the launch bundle, where it does not fit elsewhere). `outputs` maps an artifact's name to where the run leaves it:
    an archive `s3://…/model.tar.gz`, or a prefix that ends in `/`.
    """

    target: TargetName
    action: str
    documents: tuple[Mapping[str, Any], ...]
    objects: Mapping[str, bytes] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    actions: tuple[str, ...] = ()

    def requests(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each action with its request, in the order in which they must be sent."""
        return zip(self.actions or (self.action,), self.documents, strict=True)
