"""From a processing job to CreateProcessingJob."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.processing_paths import OBSERVATION_OUTPUT, input_paths, output_paths
from lyftlearn_image.platforms.sagemaker import actions
from lyftlearn_image.platforms.sagemaker.instance_choice import require_instance_type
from lyftlearn_image.platforms.sagemaker.kind import WorkloadKind
from lyftlearn_image.platforms.sagemaker.overflow import Slots
from lyftlearn_image.platforms.sagemaker.request_parts import request_parts, set_members
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Processing

# An output's name becomes a part of its S3 prefix, and a directory on this machine.
_OUTPUT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SLOTS = Slots(
    actions.PROCESSING,
    environment="Environment",
    command="AppSpecification.ContainerArguments",
    observation=contract.PROCESSING_OBSERVATION,
)


def compile_processing(workload: Processing, launch: Launch) -> Compiled:
    """CreateProcessingJob. Raises InvalidInputError for an output whose name cannot be one of a prefix and a directory."""
    _check_output_names(workload)
    parts = request_parts(workload, launch, _SLOTS)
    paths = output_paths(workload, launch)
    inputs = input_paths(workload.channels, workload.local_paths)
    outputs = {name: f"{parts.run_prefix}/{name}/" for name in paths}
    network = workload.network
    request = set_members(
        {
            "ProcessingJobName": launch.job_name,
            "AppSpecification": {"ImageUri": workload.image, "ContainerArguments": parts.command},
            "RoleArn": launch.role_arn,
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": workload.nodes,
                    "InstanceType": require_instance_type(workload),
                    "VolumeSizeInGB": workload.volume_gb,
                    "VolumeKmsKeyId": workload.encryption.volume_key,
                }
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": workload.max_runtime_s},
            "ProcessingOutputConfig": {
                "Outputs": [_output(name, path, outputs[name]) for name, path in sorted(paths.items())],
                "KmsKeyId": workload.encryption.output_key,
            },
            "ProcessingInputs": [_input(name, uri, inputs[name]) for name, uri in sorted(workload.channels.items())],
            "Environment": parts.environment,
            "NetworkConfig": {
                "EnableInterContainerTrafficEncryption": network.encrypted,
                "EnableNetworkIsolation": network.isolated,
                "VpcConfig": parts.vpc,
            },
            "Tags": parts.tags,
        }
    )
    return Compiled("sagemaker", actions.PROCESSING, (request,), parts.objects, outputs)


def _check_output_names(workload: Processing) -> None:
    if wrong := [name for name in workload.outputs if name == OBSERVATION_OUTPUT or not _OUTPUT_NAME.fullmatch(name)]:
        raise InvalidInputError(
            f"the workload {workload.name} has an output named {', '.join(wrong)}",
            hint=f"Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit, and not `{OBSERVATION_OUTPUT}`.",
        )


def _input(name: str, uri: str, path: str) -> dict[str, Any]:
    source = {
        "S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None",
    }  # fmt: skip
    return {"InputName": name, "S3Input": source}


def _output(name: str, path: str, uri: str) -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"}}


KIND = WorkloadKind(
    compile=compile_processing,
    log_group="ProcessingJobs",
    metrics_namespace="/aws/sagemaker/ProcessingJobs",
    reads=("channels",),
)
