"""What a workload needs on each platform, in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.permissions import kubernetes, sagemaker
from lyftlearn_image.platforms.permissions.account import account_of
from lyftlearn_image.workload import Job, Transform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.platforms.launch import TargetName
    from lyftlearn_image.workload import Workload


def permissions(
    workload: Workload, targets: Sequence[TargetName], *, region: str | None = None, account: str | None = None
) -> dict[str, Any]:
    """Policies and roles by target. Raises InvalidInputError where it is not said where outputs go.

    A kind that Kubernetes has no equal of is left out unless Kubernetes alone was asked for.
    """
    if isinstance(workload, Job | Transform) and not workload.output:
        raise InvalidInputError(
            "it is not said where models, outputs and the launch bundle go",
            where=f"the workload {workload.name}",
            hint="Add `output: s3://bucket/prefix` to the file: the policy is for that prefix alone.",
        )
    where = account_of(workload, region, account)
    found: dict[str, Any] = {}
    for target in targets:
        try:
            of_target = sagemaker.permissions if target == "sagemaker" else kubernetes.permissions
            found[target] = of_target(workload, where)
        except UnsupportedError:
            if len(targets) == 1:
                raise
    return found
