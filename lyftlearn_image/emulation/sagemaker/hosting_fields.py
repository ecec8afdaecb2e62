"""Which fields of the requests about models, transform jobs and endpoints are implemented; see `fields`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANY_ROLE = "the local endpoint takes any identity"
_NO_TAGS = "tags are for the account, not for the container"
_LOCAL_DISK = "the volume is this machine's disk, and the local endpoint does not encrypt"
MODEL: Mapping[str, str | None] = {
    "ModelName": None,
    "ExecutionRoleArn": _ANY_ROLE,
    "Tags": _NO_TAGS,
    "PrimaryContainer.Image": None,
    "PrimaryContainer.ContainerHostname": None,
    "PrimaryContainer.Mode": None,
    "PrimaryContainer.ModelDataUrl": None,
    "PrimaryContainer.ModelDataSource.S3DataSource.S3Uri": None,
    "PrimaryContainer.ModelDataSource.S3DataSource.S3DataType": None,
    "PrimaryContainer.ModelDataSource.S3DataSource.CompressionType": None,
    "PrimaryContainer.Environment.*": None,
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
    "ProductionVariants[].VolumeSizeInGB": _LOCAL_DISK,
    "KmsKeyId": _LOCAL_DISK,
    "Tags": _NO_TAGS,
}
ENDPOINT: Mapping[str, str | None] = {"EndpointName": None, "EndpointConfigName": None, "Tags": _NO_TAGS}
# Of the implemented fields, the values that are implemented.
VALUES: Mapping[str, tuple[object, ...]] = {
    "PrimaryContainer.Mode": ("SingleModel",),
    "TransformInput.DataSource.S3DataSource.S3DataType": ("S3Prefix",),
    "TransformInput.SplitType": ("None", "Line"),
}
