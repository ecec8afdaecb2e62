"""From a training job to CreateTrainingJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.findings import Finding
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker import actions
from lyftlearn_image.platforms.sagemaker.instance_choice import require_instance_type
from lyftlearn_image.platforms.sagemaker.kind import WorkloadKind
from lyftlearn_image.platforms.sagemaker.outputs import training_outputs
from lyftlearn_image.platforms.sagemaker.overflow import Slots
from lyftlearn_image.platforms.sagemaker.request_parts import request_parts, set_members
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.platforms.sagemaker.request_parts import RequestParts
    from lyftlearn_image.workload import Trainable, Training

# CreateTrainingJob, StoppingCondition: "The maximum ... is 28 days" (API reference); the model has no number for it.
_LONGEST_S = 28 * 24 * 3600
_SLOTS = Slots(
    actions.TRAINING,
    environment="Environment",
    hyperparameters="HyperParameters",
    command="AlgorithmSpecification.ContainerArguments",
    observation=contract.TRAINING_OBSERVATION,
)


def compile_training(workload: Training, launch: Launch) -> Compiled:
    """CreateTrainingJob."""
    parts = request_parts(workload, launch, _SLOTS)
    request = set_members(
        {
            "TrainingJobName": launch.job_name,
            **training_members(workload, launch, parts),
            "HyperParameters": parts.hyperparameters,
            "Environment": parts.environment,
            "Tags": parts.tags,
        }
    )
    return Compiled("sagemaker", actions.TRAINING, (request,), parts.objects, training_outputs(request))


def training_members(workload: Trainable, launch: Launch, parts: RequestParts) -> dict[str, Any]:
    """What a training job and the definition of a tuning job's trials have in common."""
    network, spot = workload.network, workload.spot
    return {
        "AlgorithmSpecification": {
            "TrainingImage": workload.image,
            "TrainingInputMode": "File",
            # Arguments alone keep the image's ENTRYPOINT, the shim; `train` is then not passed.
            "ContainerArguments": parts.command,
            "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in sorted(workload.metrics.items())],
        },
        "RoleArn": launch.role_arn,
        "OutputDataConfig": {"S3OutputPath": launch.s3_prefix, "KmsKeyId": workload.encryption.output_key},
        "ResourceConfig": {
            "InstanceType": require_instance_type(workload),
            "InstanceCount": workload.nodes,
            "VolumeSizeInGB": workload.volume_gb,
            "VolumeKmsKeyId": workload.encryption.volume_key,
            # Trials have no warm pool.
            "KeepAlivePeriodInSeconds": getattr(workload, "warm_pool_s", None),
        },
        "StoppingCondition": {
            "MaxRuntimeInSeconds": workload.max_runtime_s,
            "MaxWaitTimeInSeconds": spot and spot.max_wait_s,
        },
        "InputDataConfig": [_channel(name, uri) for name, uri in sorted(workload.channels.items())],
        "CheckpointConfig": {"S3Uri": workload.checkpoints},
        "EnableManagedSpotTraining": spot is not None,
        "VpcConfig": parts.vpc,
        "EnableNetworkIsolation": network.isolated,
        "EnableInterContainerTrafficEncryption": network.encrypted,
    }


def lint_duration(workload: Trainable) -> Iterator[Finding]:
    """A training job, or a trial, that may run for longer than the service lets it."""
    if workload.max_runtime_s > _LONGEST_S:
        yield Finding(("max_runtime_s",), f"{workload.max_runtime_s} seconds; a training job has at most 28 days")


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


KIND = WorkloadKind(
    compile=compile_training,
    log_group="TrainingJobs",
    metrics_namespace="/aws/sagemaker/TrainingJobs",
    reads=("channels",),
    synchronises=("checkpoints",),
    fields={"KeepAlivePeriodInSeconds": ("warm_pool_s",)},
    lint=lint_duration,
)
