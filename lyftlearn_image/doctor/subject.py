"""What is asked about: the role, bucket, image and cluster that options and a workload name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.workload import Workload


@dataclass(frozen=True)
class Subject:
    """What a workload needs. `rules` are those of its Role on a cluster; None or empty is not named."""

    role_arn: str | None = None
    s3_uri: str | None = None
    image: str | None = None
    instance_type: str | None = None
    instance_count: int = 1
    context: str | None = None
    namespace: str | None = None
    rules: tuple[Mapping[str, Any], ...] = ()
    ca_bundle: Path | None = None


def subject_of(workload: Workload | None, options: Subject) -> Subject:
    """What is asked about: the options', else the workload's own."""
    if workload is None:
        return options
    return Subject(
        role_arn=options.role_arn or workload.role_arn,
        s3_uri=options.s3_uri or workload.output,
        image=options.image or workload.image,
        instance_type=getattr(workload, "instance_type", None),
        instance_count=getattr(workload, "nodes", None) or 1,
        context=options.context,
        namespace=options.namespace or workload.kubernetes.namespace,
        rules=_rules(workload),
        ca_bundle=options.ca_bundle,
    )


def _rules(workload: Workload) -> tuple[Mapping[str, Any], ...]:
    from lyftlearn_image.errors import LyftlearnError  # noqa: PLC0415 - with the next one
    from lyftlearn_image.platforms.permissions.needed import permissions  # noqa: PLC0415 - only for a workload

    try:
        return tuple(permissions(workload, ["kubernetes"])["kubernetes"]["submitter"]["rules"])
    except LyftlearnError:
        return ()  # of a kind that Kubernetes does not have, or without `output`
