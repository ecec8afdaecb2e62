"""From a workload to SageMaker's own requests: pure, and the same for the same workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.platforms.sagemaker.all_kinds import workload_kind

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.workload import Workload


def compile_requests(workload: Workload, launch: Launch) -> Compiled:
    """The request or requests for this workload, and the launch bundle where something does not fit them."""
    return workload_kind(workload.kind).compile(workload, launch)
