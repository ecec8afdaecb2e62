"""From a workload to its manifests: pure, and the same for the same workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.platforms.kubernetes.all_kinds import workload_kind

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.workload import Workload


def compile_manifests(workload: Workload, launch: Launch) -> Compiled:
    """The main manifest of a workload, last, and before it everything that it needs to be there.

    The launch bundle is in S3 where no ConfigMap can hold it. Raises UnsupportedError for what Kubernetes has no equal of.
    """
    return workload_kind(workload.kind).compile(workload, launch)
