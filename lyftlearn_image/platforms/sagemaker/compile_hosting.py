"""From a workload with a model to SageMaker's requests: a model, then an endpoint or a transform job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker import request_parts
from lyftlearn_image.platforms.sagemaker.overflow import Room, divide

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Serving, Transform

MODEL = "CreateModel"
ENDPOINT_CONFIG = "CreateEndpointConfig"
ENDPOINT = "CreateEndpoint"
TRANSFORM = "CreateTransformJob"
# ContainerDefinition, Environment: "The maximum length of all keys and values ... is 32 KB" (API reference).
_ENVIRONMENT_BYTES = 32 << 10
_VARIANT = "all"


def compile_endpoint(workload: Serving, launch: Launch) -> Compiled:
    """CreateModel, CreateEndpointConfig and CreateEndpoint, in this order and all with the launch's name."""
    model, objects = _model(workload, launch)
    variant = {
        "VariantName": _VARIANT,
        "ModelName": launch.job_name,
        "InitialInstanceCount": workload.replicas,
        "InstanceType": workload.instance_type,
        "InitialVariantWeight": 1.0,
        "ContainerStartupHealthCheckTimeoutInSeconds": workload.startup_s,
    }
    config: dict[str, Any] = {"EndpointConfigName": launch.job_name, "ProductionVariants": [variant]}
    if workload.data_capture:
        config["DataCaptureConfig"] = request_parts.filled(
            {
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": f"{launch.s3_prefix}/{launch.job_name}/captured",
                "KmsKeyId": workload.encryption.output_key,
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            }
        )
    if workload.encryption.volume_key:
        config["KmsKeyId"] = workload.encryption.volume_key
    config.update(request_parts.tags(workload))
    endpoint = {"EndpointName": launch.job_name, "EndpointConfigName": launch.job_name, **request_parts.tags(workload)}
    return Compiled("sagemaker", ENDPOINT, (model, config, endpoint), objects, actions=(MODEL, ENDPOINT_CONFIG, ENDPOINT))


def compile_transform(workload: Transform, launch: Launch) -> Compiled:
    """CreateModel and CreateTransformJob. The variables are the model's: the transform job's own map takes only 16."""
    model, objects = _model(workload, launch)
    output = f"{launch.s3_prefix}/{launch.job_name}/output/"
    source: dict[str, Any] = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": workload.input}}}
    keys = workload.encryption
    request = request_parts.filled(
        {
            "TransformJobName": launch.job_name,
            "ModelName": launch.job_name,
            "MaxConcurrentTransforms": workload.max_concurrent,
            "MaxPayloadInMB": workload.max_payload_mb,
            "BatchStrategy": workload.batch,
            "ModelClientConfig": {"InvocationsTimeoutInSeconds": workload.timeout_s} if workload.timeout_s else None,
            "TransformInput": request_parts.filled(
                {**source, "ContentType": workload.content_type, "SplitType": workload.split}
            ),
            "TransformOutput": request_parts.filled(
                {
                    "S3OutputPath": output,
                    "Accept": workload.accept,
                    "AssembleWith": workload.assemble,
                    "KmsKeyId": keys.output_key,
                }
            ),
            "TransformResources": request_parts.filled(
                {
                    "InstanceType": workload.instance_type,
                    "InstanceCount": workload.nodes,
                    "VolumeKmsKeyId": keys.volume_key,
                }
            ),
            **request_parts.tags(workload),
        }
    )
    return Compiled("sagemaker", TRANSFORM, (model, request), objects, {"output": output}, (MODEL, TRANSFORM))


def _model(workload: Serving | Transform, launch: Launch) -> tuple[dict[str, Any], dict[str, bytes]]:
    """CreateModel, and the bundle of what its container has no room for."""
    room = Room(MODEL, "PrimaryContainer.Environment", total_bytes=_ENVIRONMENT_BYTES)
    environment, _, objects, _ = divide(workload, launch, room)
    container: dict[str, Any] = {"Image": workload.image}
    if workload.model.endswith("/"):
        source = {"S3Uri": workload.model, "S3DataType": "S3Prefix", "CompressionType": "None"}
        container["ModelDataSource"] = {"S3DataSource": source}
    else:
        container["ModelDataUrl"] = workload.model
    if environment:
        container["Environment"] = environment
    model: dict[str, Any] = {"ModelName": launch.job_name, "PrimaryContainer": container, "ExecutionRoleArn": launch.role_arn}
    if workload.network.subnets:
        model["VpcConfig"] = request_parts.vpc(workload)
    if workload.network.isolated:
        model["EnableNetworkIsolation"] = True
    return {**model, **request_parts.tags(workload)}, objects
