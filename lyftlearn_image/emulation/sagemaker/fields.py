"""Which fields of a request the emulator implements, which have no effect in a container, and which it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import hosting_fields, studio_fields
from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Maps in which every key stands for itself.
_MAPS = ("HyperParameters", "StaticHyperParameters", "Environment", "ContainerEnvironmentVariables")
# Path → None where it is implemented, or the reason why it has no effect in the container. `[]` is any item, `*` any key.
# A reason holds for everything below its path. A field in neither table is refused.
_NO_TRACKING = "experiments are tracked by the service"
_LOCAL_DISK = "the volume is this machine's disk, and the local endpoint does not encrypt"
_ONE_NETWORK = "the traffic between the hosts does not leave this machine"
_ONE_VPC = "the run's own network stands for it"
_COMMON = {
    "RoleArn": None,
    "Tags": "tags are for the account, not for the container",
    "ExperimentConfig": _NO_TRACKING,
}
TRAINING: Mapping[str, str | None] = {
    **_COMMON,
    "TrainingJobName": None,
    "HyperParameters.*": None,
    "Environment.*": None,
    "AlgorithmSpecification.TrainingImage": None,
    "AlgorithmSpecification.TrainingInputMode": None,
    "AlgorithmSpecification.ContainerEntrypoint[]": None,
    "AlgorithmSpecification.ContainerArguments[]": None,
    "AlgorithmSpecification.MetricDefinitions[].Name": None,
    "AlgorithmSpecification.MetricDefinitions[].Regex": None,
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": "it is for SageMaker Studio, which is not here",
    "InputDataConfig[].ChannelName": None,
    "InputDataConfig[].ContentType": None,
    "InputDataConfig[].CompressionType": None,
    "InputDataConfig[].RecordWrapperType": None,
    "InputDataConfig[].InputMode": None,
    "InputDataConfig[].DataSource.S3DataSource.S3DataType": None,
    "InputDataConfig[].DataSource.S3DataSource.S3Uri": None,
    "InputDataConfig[].DataSource.S3DataSource.S3DataDistributionType": None,
    "OutputDataConfig.S3OutputPath": None,
    "OutputDataConfig.CompressionType": None,
    "OutputDataConfig.KmsKeyId": _LOCAL_DISK,
    "ResourceConfig.InstanceType": None,
    "ResourceConfig.InstanceCount": None,
    "ResourceConfig.VolumeSizeInGB": _LOCAL_DISK,
    "ResourceConfig.VolumeKmsKeyId": _LOCAL_DISK,
    "ResourceConfig.KeepAlivePeriodInSeconds": None,
    "VpcConfig": _ONE_VPC,
    "StoppingCondition.MaxRuntimeInSeconds": None,
    "StoppingCondition.MaxWaitTimeInSeconds": None,
    "StoppingCondition.MaxPendingTimeInSeconds": "no job waits for capacity here",
    "RetryStrategy": "only errors of the service are retried",
    "CheckpointConfig.S3Uri": None,
    "CheckpointConfig.LocalPath": None,
    "EnableNetworkIsolation": None,
    "DebugHookConfig": "the hook is a library in AWS's own framework images, and no tensor is collected here",
    "ProfilerConfig": "the profiler watches the instances from outside of the container",
    "ProfilerRuleConfigurations": "a rule is a job of the service's own, beside the container",
    "EnableManagedSpotTraining": None,
    "EnableInterContainerTrafficEncryption": _ONE_NETWORK,
}
_CONFIG = "HyperParameterTuningJobConfig"
_RANGES = f"{_CONFIG}.ParameterRanges"
_RESOURCES = "TrainingJobDefinition.HyperParameterTuningResourceConfig"
# A trial is a training job: what its definition may say is what such a job may, but for what the API has no room for.
_ALGORITHM = "AlgorithmSpecification"
_NOT_IN_A_TRIAL = (
    "TrainingJobName", "HyperParameters.*", "Tags", "ExperimentConfig", f"{_ALGORITHM}.ContainerEntrypoint[]",
    f"{_ALGORITHM}.ContainerArguments[]", f"{_ALGORITHM}.EnableSageMakerMetricsTimeSeries", "DebugHookConfig",
    "ProfilerConfig", "ProfilerRuleConfigurations",
)  # fmt: skip
HYPER_PARAMETER_TUNING: Mapping[str, str | None] = {
    "Tags": _COMMON["Tags"],
    "HyperParameterTuningJobName": None,
    f"{_CONFIG}.Strategy": None,
    f"{_CONFIG}.RandomSeed": None,
    f"{_CONFIG}.HyperParameterTuningJobObjective.Type": None,
    f"{_CONFIG}.HyperParameterTuningJobObjective.MetricName": None,
    f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs": None,
    f"{_CONFIG}.ResourceLimits.MaxParallelTrainingJobs": None,
    f"{_CONFIG}.TrainingJobEarlyStoppingType": "the service may stop a trial early, and need not",
    **{
        f"{_RANGES}.{kind}ParameterRanges[].{name}": None
        for kind in ("Continuous", "Integer")
        for name in ("Name", "MinValue", "MaxValue", "ScalingType")
    },
    f"{_RANGES}.CategoricalParameterRanges[].Name": None,
    f"{_RANGES}.CategoricalParameterRanges[].Values[]": None,
    "TrainingJobDefinition.DefinitionName": None,
    "TrainingJobDefinition.StaticHyperParameters.*": None,
    f"{_RESOURCES}.InstanceType": None,
    f"{_RESOURCES}.InstanceCount": None,
    f"{_RESOURCES}.VolumeSizeInGB": _LOCAL_DISK,
    f"{_RESOURCES}.VolumeKmsKeyId": _LOCAL_DISK,
    **{f"TrainingJobDefinition.{path}": why for path, why in TRAINING.items() if path not in _NOT_IN_A_TRIAL},
}
PROCESSING: Mapping[str, str | None] = {
    **_COMMON,
    "ProcessingJobName": None,
    "Environment.*": None,
    "AppSpecification.ImageUri": None,
    "AppSpecification.ContainerEntrypoint[]": None,
    "AppSpecification.ContainerArguments[]": None,
    "ProcessingInputs[].InputName": None,
    "ProcessingInputs[].AppManaged": None,
    "ProcessingInputs[].S3Input.S3Uri": None,
    "ProcessingInputs[].S3Input.LocalPath": None,
    "ProcessingInputs[].S3Input.S3DataType": None,
    "ProcessingInputs[].S3Input.S3InputMode": None,
    "ProcessingInputs[].S3Input.S3DataDistributionType": None,
    "ProcessingInputs[].S3Input.S3CompressionType": None,
    "ProcessingOutputConfig.Outputs[].OutputName": None,
    "ProcessingOutputConfig.Outputs[].AppManaged": None,
    "ProcessingOutputConfig.Outputs[].S3Output.S3Uri": None,
    "ProcessingOutputConfig.Outputs[].S3Output.LocalPath": None,
    "ProcessingOutputConfig.Outputs[].S3Output.S3UploadMode": None,
    "ProcessingOutputConfig.KmsKeyId": _LOCAL_DISK,
    "ProcessingResources.ClusterConfig.InstanceCount": None,
    "ProcessingResources.ClusterConfig.InstanceType": None,
    "ProcessingResources.ClusterConfig.VolumeSizeInGB": _LOCAL_DISK,
    "ProcessingResources.ClusterConfig.VolumeKmsKeyId": _LOCAL_DISK,
    "StoppingCondition.MaxRuntimeInSeconds": None,
    "NetworkConfig.EnableNetworkIsolation": None,
    "NetworkConfig.EnableInterContainerTrafficEncryption": _ONE_NETWORK,
    "NetworkConfig.VpcConfig": _ONE_VPC,
}
# One module has the tables of all requests.
MODEL = hosting_fields.MODEL
TRANSFORM = hosting_fields.TRANSFORM
ENDPOINT_CONFIG = hosting_fields.ENDPOINT_CONFIG
ENDPOINT = hosting_fields.ENDPOINT
UPDATE_ENDPOINT = hosting_fields.UPDATE_ENDPOINT
UPDATE_ENDPOINT_WEIGHTS_AND_CAPACITIES = hosting_fields.UPDATE_ENDPOINT_WEIGHTS_AND_CAPACITIES
MODEL_PACKAGE_GROUP = hosting_fields.MODEL_PACKAGE_GROUP
MODEL_PACKAGE = hosting_fields.MODEL_PACKAGE
UPDATE_MODEL_PACKAGE = hosting_fields.UPDATE_MODEL_PACKAGE
IMAGE = studio_fields.IMAGE
IMAGE_VERSION = studio_fields.IMAGE_VERSION
APP_IMAGE_CONFIG = studio_fields.APP_IMAGE_CONFIG
DOMAIN = studio_fields.DOMAIN
SPACE = studio_fields.SPACE
APP = studio_fields.APP
_VALUES: Mapping[str, tuple[object, ...]] = {
    "AlgorithmSpecification.TrainingInputMode": ("File", "FastFile"),
    "InputDataConfig[].InputMode": ("File", "FastFile"),
    "InputDataConfig[].CompressionType": ("None",),
    "InputDataConfig[].RecordWrapperType": ("None",),
    "InputDataConfig[].DataSource.S3DataSource.S3DataType": ("S3Prefix",),
    "OutputDataConfig.CompressionType": ("GZIP",),
    f"{_CONFIG}.Strategy": ("Bayesian", "Random", "Grid"),
    f"{_RANGES}.ContinuousParameterRanges[].ScalingType": ("Auto", "Linear", "Logarithmic"),
    f"{_RANGES}.IntegerParameterRanges[].ScalingType": ("Auto", "Linear", "Logarithmic"),
    "ProcessingInputs[].AppManaged": (False,),
    "ProcessingInputs[].S3Input.S3DataType": ("S3Prefix",),
    "ProcessingInputs[].S3Input.S3InputMode": ("File",),
    "ProcessingInputs[].S3Input.S3CompressionType": ("None",),
    "ProcessingOutputConfig.Outputs[].AppManaged": (False,),
    "ProcessingOutputConfig.Outputs[].S3Output.S3UploadMode": ("EndOfJob",),
    **hosting_fields.VALUES,
    **studio_fields.VALUES,
}
# Of the implemented fields, the values that are implemented.
VALUES: Mapping[str, tuple[object, ...]] = {
    **_VALUES,
    **{
        f"TrainingJobDefinition.{path}": values
        for path, values in _VALUES.items()
        if f"TrainingJobDefinition.{path}" in HYPER_PARAMETER_TUNING
    },
}


def refuse_unknown(request: Mapping[str, Any], known: Mapping[str, str | None]) -> None:
    """UnsupportedError that names every field, and every value, which the emulator does not implement."""
    refused = []
    for path, pattern, value in _leaves(request, "", ""):
        if not _is_known(pattern, value, known):
            refused.append(path)
        elif pattern in VALUES and value not in VALUES[pattern]:
            refused.append(f"{path} = {value}")
    if refused:
        raise UnsupportedError(
            f"the embedded target does not implement {', '.join(refused)}",
            hint="Leave it out, or run the request on the service.",
        )


def _is_known(pattern: str, value: Any, known: Mapping[str, str | None]) -> bool:
    if pattern in known:
        return True
    if any(why is not None and pattern.startswith((f"{path}.", f"{path}[")) for path, why in known.items()):
        return True
    # Nothing is in it: known when something that could be in it is.
    return value in ({}, []) and any(path.startswith((f"{pattern}.", f"{pattern}[")) for path in known)


def _leaves(value: Any, path: str, pattern: str) -> Iterator[tuple[str, str, Any]]:
    """Every leaf, empty containers too, with its exact path and with the path by which the tables have it."""
    if isinstance(value, dict) and value:
        any_key = pattern.rpartition(".")[2] in _MAPS
        for key, inner in value.items():
            below = f"{path}.{key}" if path else key
            yield from _leaves(inner, below, f"{pattern}.*" if any_key else f"{pattern}.{key}" if pattern else key)
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{position}]", f"{pattern}[]")
    else:
        yield path, pattern, value
