"""From a processing job to a Job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.platforms.kubernetes.job import JobPlan, compile_job
from lyftlearn_image.platforms.kubernetes.kind import WorkloadKind
from lyftlearn_image.platforms.kubernetes.pod_template import PodDefaults
from lyftlearn_image.platforms.processing_paths import input_paths, output_paths
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.workload import Processing

_POD = PodDefaults(
    writable=("/opt/ml/config", "/opt/ml/processing", "/opt/ml/output", "/opt/ml/input"),
    observation=contract.PROCESSING_OBSERVATION,
)


def compile_processing(workload: Processing, launch: Launch) -> Compiled:
    """The Job last, after what it needs to be there."""
    prefix = f"{launch.s3_prefix}/{launch.job_name}"
    plan = JobPlan(
        pod=_POD,
        arguments=workload.command,
        inputs=input_paths(workload.channels, workload.local_paths),
        outputs={name: (path, f"{prefix}/{name}/") for name, path in output_paths(workload, launch).items()},
    )
    return compile_job(workload, launch, plan)


KIND = WorkloadKind(compile=compile_processing, pod=_POD, reads=("channels",))
