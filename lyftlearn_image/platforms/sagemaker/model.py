"""From a workload with a model to CreateModel, on which an endpoint and a transform job stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.sagemaker import actions
from lyftlearn_image.platforms.sagemaker.overflow import Slots
from lyftlearn_image.platforms.sagemaker.request_parts import set_members
from lyftlearn_image.workload import Serving

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.platforms.sagemaker.request_parts import RequestParts
    from lyftlearn_image.workload import Transform

SLOTS = Slots(
    actions.MODEL,
    environment="PrimaryContainer.Environment",
    # ContainerDefinition, Environment: "The maximum length of all keys and values ... is 32 KB" (API reference).
    environment_bytes=32 << 10,
)


def create_model(workload: Serving | Transform, launch: Launch, parts: RequestParts) -> dict[str, Any]:
    """CreateModel with the launch's name."""
    # The service sets this variable itself where there are several models (developer guide, build-multi-model-build-container);
    # ModelDataUrl is then a prefix (create-multi-model-endpoint).
    is_many = isinstance(workload, Serving) and workload.has_many_models
    is_packed = is_many or workload.model.endswith(".tar.gz")
    files = {"S3Uri": workload.model, "S3DataType": "S3Prefix", "CompressionType": "None"}
    return set_members(
        {
            "ModelName": launch.job_name,
            "PrimaryContainer": {
                "Image": workload.image,
                "Mode": "MultiModel" if is_many else None,
                "ModelDataSource": None if is_packed else {"S3DataSource": files},
                "ModelDataUrl": workload.model if is_packed else None,
                "Environment": parts.environment,
            },
            "ExecutionRoleArn": launch.role_arn,
            "VpcConfig": parts.vpc,
            "EnableNetworkIsolation": workload.network.isolated,
            "Tags": parts.tags,
        }
    )
