"""Which fields of the requests about models, their packages, transform jobs and endpoints are implemented; see `fields`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANY_ROLE = "the local endpoint takes any identity"
_NO_TAGS = "tags are for the account, not for the container"
_LOCAL_DISK = "the volume is this machine's disk, and the local endpoint does not encrypt"
_KEPT = "kept, and told by the Describe action: it has no effect in a container"
_ROUTING = "DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration"
# Of an update: all traffic goes to the new containers at once, and the old ones end then.
_DEPLOYMENT: Mapping[str, str | None] = {
    f"{_ROUTING}.Type": None,
    f"{_ROUTING}.WaitIntervalInSeconds": "all traffic is shifted in one step",
    "DeploymentConfig.BlueGreenUpdatePolicy.TerminationWaitInSeconds": "the old containers end when they have answered",
    "DeploymentConfig.BlueGreenUpdatePolicy.MaximumExecutionTimeoutInSeconds": "a container's start has a limit of its own",
    "DeploymentConfig.AutoRollbackConfiguration": "there are no alarms here",
    "RetainDeploymentConfig": "every update shifts all traffic in one step",
}
_PACKAGED: Mapping[str, str | None] = {
    "Image": None,
    "ModelDataUrl": None,
    "ModelDataSource.S3DataSource.S3Uri": None,
    "ModelDataSource.S3DataSource.S3DataType": None,
    "ModelDataSource.S3DataSource.CompressionType": None,
    "Environment.*": None,
    "ContainerHostname": None,
    **dict.fromkeys(
        (
            "ImageDigest", "ProductId", "Framework", "FrameworkVersion", "NearestModelName", "ModelInput", "ModelDataETag",
            "IsCheckpoint",
        ),
        _KEPT,
    ),
}  # fmt: skip
_CONTAINER = (
    "Image", "ContainerHostname", "Mode", "ModelDataUrl", "ModelDataSource.S3DataSource.S3Uri",
    "ModelDataSource.S3DataSource.S3DataType", "ModelDataSource.S3DataSource.CompressionType", "Environment.*",
    "ModelPackageName", "InferenceSpecificationName", "MultiModelConfig.ModelCacheSetting",
)  # fmt: skip
MODEL: Mapping[str, str | None] = {
    "ModelName": None,
    "ExecutionRoleArn": _ANY_ROLE,
    "Tags": _NO_TAGS,
    **{f"{container}.{name}": None for container in ("PrimaryContainer", "Containers[]") for name in _CONTAINER},
    "VpcConfig": "the run's own network stands for it",
    "EnableNetworkIsolation": "false, the default, is taken; true is refused, for nobody could reach the container",
}
TRANSFORM: Mapping[str, str | None] = {
    "TransformJobName": None,
    "ModelName": None,
    "MaxConcurrentTransforms": None,
    "MaxPayloadInMB": None,
    "BatchStrategy": None,
    "ModelClientConfig.InvocationsTimeoutInSeconds": None,
    "ModelClientConfig.InvocationsMaxRetries": None,
    "Environment.*": None,
    "TransformInput.DataSource.S3DataSource.S3DataType": None,
    "TransformInput.DataSource.S3DataSource.S3Uri": None,
    "TransformInput.ContentType": None,
    "TransformInput.CompressionType": None,
    "TransformInput.SplitType": None,
    "TransformOutput.S3OutputPath": None,
    "TransformOutput.Accept": None,
    "TransformOutput.AssembleWith": None,
    "TransformOutput.KmsKeyId": _LOCAL_DISK,
    "TransformResources.InstanceType": None,
    "TransformResources.InstanceCount": None,
    "TransformResources.VolumeKmsKeyId": _LOCAL_DISK,
    "DataProcessing.InputFilter": None,
    "DataProcessing.OutputFilter": None,
    "DataProcessing.JoinSource": None,
    "Tags": _NO_TAGS,
    "ExperimentConfig": "experiments are tracked by the service",
}
ENDPOINT_CONFIG: Mapping[str, str | None] = {
    "EndpointConfigName": None,
    "ProductionVariants[].VariantName": None,
    "ProductionVariants[].ModelName": None,
    "ProductionVariants[].InitialInstanceCount": None,
    "ProductionVariants[].InstanceType": None,
    "ProductionVariants[].InitialVariantWeight": None,
    "ProductionVariants[].ContainerStartupHealthCheckTimeoutInSeconds": None,
    "ProductionVariants[].ModelDataDownloadTimeoutInSeconds": "the data come from this machine",
    "ProductionVariants[].InferenceAmiVersion": "the instance is this machine",
    "ProductionVariants[].EnableSSMAccess": "there is no instance to log in to: `docker exec` reaches the container",
    "ProductionVariants[].RoutingConfig.RoutingStrategy": None,
    "ProductionVariants[].VolumeSizeInGB": _LOCAL_DISK,
    "AsyncInferenceConfig.ClientConfig.MaxConcurrentInvocationsPerInstance": None,
    "AsyncInferenceConfig.OutputConfig.S3OutputPath": None,
    "AsyncInferenceConfig.OutputConfig.S3FailurePath": None,
    "AsyncInferenceConfig.OutputConfig.KmsKeyId": _LOCAL_DISK,
    "DataCaptureConfig.EnableCapture": None,
    **{
        f"DataCaptureConfig.{name}": "nothing is captured: EnableCapture is false"
        for name in ("InitialSamplingPercentage", "DestinationS3Uri", "KmsKeyId", "CaptureOptions", "CaptureContentTypeHeader")
    },
    "KmsKeyId": _LOCAL_DISK,
    "Tags": _NO_TAGS,
}
ENDPOINT: Mapping[str, str | None] = {
    "EndpointName": None,
    "EndpointConfigName": None,
    **{path: why for path, why in _DEPLOYMENT.items() if path.startswith("DeploymentConfig")},
    "Tags": _NO_TAGS,
}
UPDATE_ENDPOINT: Mapping[str, str | None] = {
    "EndpointName": None,
    "EndpointConfigName": None,
    "RetainAllVariantProperties": None,
    "ExcludeRetainedVariantProperties[].VariantPropertyType": None,
    **_DEPLOYMENT,
}
UPDATE_ENDPOINT_WEIGHTS_AND_CAPACITIES: Mapping[str, str | None] = {
    "EndpointName": None,
    "DesiredWeightsAndCapacities[].VariantName": None,
    "DesiredWeightsAndCapacities[].DesiredWeight": None,
    "DesiredWeightsAndCapacities[].DesiredInstanceCount": None,
}
MODEL_PACKAGE_GROUP: Mapping[str, str | None] = {
    "ModelPackageGroupName": None, "ModelPackageGroupDescription": _KEPT, "Tags": _NO_TAGS,
}  # fmt: skip
_PACKAGE_CONTAINER = "InferenceSpecification.Containers[]"
_ADDITIONAL_CONTAINER = "AdditionalInferenceSpecifications[].Containers[]"
MODEL_PACKAGE: Mapping[str, str | None] = {
    "ModelPackageName": None,
    "ModelPackageGroupName": None,
    "ModelApprovalStatus": None,
    "AdditionalInferenceSpecifications[].Name": None,
    **{
        f"{container}.{name}": why
        for container in (_PACKAGE_CONTAINER, _ADDITIONAL_CONTAINER)
        for name, why in _PACKAGED.items()
    },
    **{
        f"{specification}.{name}": _KEPT
        for specification in ("InferenceSpecification", "AdditionalInferenceSpecifications[]")
        for name in (
            "SupportedContentTypes", "SupportedResponseMIMETypes", "SupportedTransformInstanceTypes",
            "SupportedRealtimeInferenceInstanceTypes",
        )
    },
    "AdditionalInferenceSpecifications[].Description": _KEPT,
    **dict.fromkeys(
        (
            "ModelPackageDescription", "MetadataProperties", "ModelMetrics", "CustomerMetadataProperties", "Domain", "Task",
            "SamplePayloadUrl", "DriftCheckBaselines", "SourceUri", "ModelCard", "ModelLifeCycle", "SkipModelValidation",
        ),
        _KEPT,
    ),
    "CertifyForMarketplace": "nothing is published from here",
    "ClientToken": "no request is repeated by itself",
    "Tags": _NO_TAGS,
}  # fmt: skip
UPDATE_MODEL_PACKAGE: Mapping[str, str | None] = {
    "ModelPackageArn": None,
    "ModelApprovalStatus": None,
    "CustomerMetadataPropertiesToRemove[]": None,
    "CustomerMetadataProperties": _KEPT,
    "ApprovalDescription": _KEPT,
    "SourceUri": _KEPT,
    "ModelCard": _KEPT,
    "ModelLifeCycle": _KEPT,
    "ClientToken": "no request is repeated by itself",
}
# Of the implemented fields, the values that are implemented.
VALUES: Mapping[str, tuple[object, ...]] = {
    "PrimaryContainer.Mode": ("SingleModel", "MultiModel"),
    "Containers[].Mode": ("SingleModel", "MultiModel"),
    "PrimaryContainer.MultiModelConfig.ModelCacheSetting": ("Enabled",),
    "Containers[].MultiModelConfig.ModelCacheSetting": ("Enabled",),
    "TransformInput.DataSource.S3DataSource.S3DataType": ("S3Prefix",),
    "TransformInput.SplitType": ("None", "Line"),
    "ProductionVariants[].RoutingConfig.RoutingStrategy": ("RANDOM",),
    "DataCaptureConfig.EnableCapture": (False,),
    f"{_ROUTING}.Type": ("ALL_AT_ONCE",),
}
