"""From a server to an endpoint: CreateModel, CreateEndpointConfig, CreateEndpoint."""

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
    from lyftlearn_image.workload import Serving

_VARIANT = "all"


def compile_serving(workload: Serving, launch: Launch) -> Compiled:
    """CreateModel, CreateEndpointConfig and CreateEndpoint, in this order and all with the launch's name."""
    parts = request_parts(workload, launch, SLOTS)
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"{parts.run_prefix}/captured",
        "KmsKeyId": workload.encryption.output_key,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    config = {
        "EndpointConfigName": launch.job_name,
        "ProductionVariants": [
            {
                "VariantName": _VARIANT,
                "ModelName": launch.job_name,
                "InitialInstanceCount": workload.replicas,
                "InstanceType": require_instance_type(workload),
                "InitialVariantWeight": 1.0,
                "ContainerStartupHealthCheckTimeoutInSeconds": workload.startup_s,
            }
        ],
        "DataCaptureConfig": capture if workload.data_capture else None,
        "KmsKeyId": workload.encryption.volume_key,
        "Tags": parts.tags,
    }
    endpoint = {"EndpointName": launch.job_name, "EndpointConfigName": launch.job_name, "Tags": parts.tags}
    return Compiled(
        "sagemaker",
        actions.ENDPOINT,
        (create_model(workload, launch, parts), set_members(config), set_members(endpoint)),
        parts.objects,
        actions=(actions.MODEL, actions.ENDPOINT_CONFIG, actions.ENDPOINT),
    )


KIND = WorkloadKind(
    compile=compile_serving,
    log_group="Endpoints/{name}*",
    log_streams="*",
    metrics_namespace="/aws/sagemaker/Endpoints",
    is_job=False,
    reads=("model",),
    fields={
        # Of the endpoint's configuration; that of DataCaptureConfig is the output's.
        "KmsKeyId": ("encryption", "volume_key"),
        "InitialInstanceCount": ("replicas",),
        "ContainerStartupHealthCheckTimeoutInSeconds": ("startup_s",),
        "DestinationS3Uri": ("output",),
    },
    writes=lambda workload: workload.data_capture,
)
