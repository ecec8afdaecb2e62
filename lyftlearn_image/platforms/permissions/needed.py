"""What a workload needs on each platform, in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.permissions import kubernetes, sagemaker
from lyftlearn_image.platforms.permissions.account import account_of
from lyftlearn_image.platforms.sagemaker.all_kinds import workload_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lyftlearn_image.platforms.launch import TargetName
    from lyftlearn_image.platforms.permissions.account import Account
    from lyftlearn_image.workload import Workload

_PERMISSIONS: Mapping[TargetName, Callable[[Workload, Account], dict[str, Any]]] = {
    "sagemaker": sagemaker.permissions,
    "kubernetes": kubernetes.permissions,
}


def permissions(
    workload: Workload, targets: Sequence[TargetName], *, region: str | None = None, account: str | None = None
) -> dict[str, Any]:
    """Policies and roles by target. Raises InvalidInputError where it is not said where outputs go.

    A kind that Kubernetes has no equal of is left out unless Kubernetes alone was asked for.
    """
    if workload_kind(workload.kind).is_job and not workload.output:
        raise InvalidInputError(
            "it is not said where models, outputs and the launch bundle go",
            where=f"the workload {workload.name}",
            hint="Add `output: s3://bucket/prefix` to the file: the policy is for that prefix alone.",
        )
    where = account_of(workload, region, account)
    documents: dict[str, Any] = {}
    for target in targets:
        try:
            documents[target] = _PERMISSIONS[target](workload, where)
        except UnsupportedError:
            if len(targets) == 1:
                raise
    return documents
