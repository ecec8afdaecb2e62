"""From a training job to a Job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.platforms.kubernetes.job import JobPlan, compile_job
from lyftlearn_image.platforms.kubernetes.kind import WorkloadKind
from lyftlearn_image.platforms.kubernetes.pod_template import PodDefaults
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.workload import Training

POD = PodDefaults(
    writable=("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/checkpoints"),
    # What a training job has on SageMaker (StopTrainingJob).
    grace_s=120,
    observation=contract.TRAINING_OBSERVATION,
)


def compile_training(workload: Training, launch: Launch) -> Compiled:
    """The Job last, after what it needs to be there."""
    prefix = f"{launch.s3_prefix}/{launch.job_name}/output"
    checkpoints = workload.checkpoints
    plan = JobPlan(
        pod=POD,
        arguments=workload.command or ("train",),
        inputs={name: f"/opt/ml/input/data/{name}" for name in workload.channels},
        outputs={
            "model": ("/opt/ml/model", f"{prefix}/model.tar.gz"),
            "output": ("/opt/ml/output/data", f"{prefix}/output.tar.gz"),
        },
        checkpoints=("/opt/ml/checkpoints", f"{checkpoints.rstrip('/')}/") if checkpoints else None,
        survives_disruption=workload.spot is not None,
    )
    return compile_job(workload, launch, plan)


KIND = WorkloadKind(compile=compile_training, pod=POD, reads=("channels",), synchronises=("checkpoints",))
