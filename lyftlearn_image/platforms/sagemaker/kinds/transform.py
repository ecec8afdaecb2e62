"""From a batch transform to CreateModel and CreateTransformJob."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker import actions
from lyftlearn_image.platforms.sagemaker.instance_choice import require_instance_type
from lyftlearn_image.platforms.sagemaker.kind import WorkloadKind
from lyftlearn_image.platforms.sagemaker.model import SLOTS, create_model
from lyftlearn_image.platforms.sagemaker.request_parts import request_parts, set_members

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Transform


def compile_transform(workload: Transform, launch: Launch) -> Compiled:
    """CreateModel and CreateTransformJob. The variables are the model's: the transform job's own map takes only 16."""
    parts = request_parts(workload, launch, SLOTS)
    output = f"{parts.run_prefix}/output/"
    request = set_members(
        {
            "TransformJobName": launch.job_name,
            "ModelName": launch.job_name,
            "MaxConcurrentTransforms": workload.max_concurrent,
            "MaxPayloadInMB": workload.max_payload_mb,
            "BatchStrategy": workload.batch,
            "ModelClientConfig": {"InvocationsTimeoutInSeconds": workload.timeout_s},
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": workload.input}},
                "ContentType": workload.content_type,
                "SplitType": workload.split,
            },
            "TransformOutput": {
                "S3OutputPath": output,
                "Accept": workload.accept,
                "AssembleWith": workload.assemble,
                "KmsKeyId": workload.encryption.output_key,
            },
            "TransformResources": {
                "InstanceType": require_instance_type(workload),
                "InstanceCount": workload.nodes,
                "VolumeKmsKeyId": workload.encryption.volume_key,
            },
            "Tags": parts.tags,
        }
    )
    return Compiled(
        "sagemaker",
        actions.TRANSFORM,
        (create_model(workload, launch, parts), request),
        parts.objects,
        {"output": output},
        (actions.MODEL, actions.TRANSFORM),
    )


KIND = WorkloadKind(
    compile=compile_transform,
    log_group="TransformJobs",
    metrics_namespace="/aws/sagemaker/TransformJobs",
    reads=("model", "input"),
    fields={
        "ContentType": ("content_type",),
        "Accept": ("accept",),
        "MaxConcurrentTransforms": ("max_concurrent",),
        "MaxPayloadInMB": ("max_payload_mb",),
        "InvocationsTimeoutInSeconds": ("timeout_s",),
    },
)
