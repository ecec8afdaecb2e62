"""Which fields of a request the emulator implements, which have no effect in a container, and which it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Path → None where it is implemented, or the reason why it has no effect in the container. `[]` is any item, `*` any key.
_COMMON = {
    "RoleArn": "the local endpoint takes any identity",
    "Tags": "tags are for the account, not for the container",
    "ExperimentConfig": "experiments are tracked by the service",
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
    "AlgorithmSpecification.MetricDefinitions[].Name": "the service reads metrics from the log",
    "AlgorithmSpecification.MetricDefinitions[].Regex": "the service reads metrics from the log",
    "InputDataConfig[].ChannelName": None,
    "InputDataConfig[].ContentType": None,
    "InputDataConfig[].InputMode": None,
    "InputDataConfig[].DataSource.S3DataSource.S3DataType": None,
    "InputDataConfig[].DataSource.S3DataSource.S3Uri": None,
    "InputDataConfig[].DataSource.S3DataSource.S3DataDistributionType": None,
    "OutputDataConfig.S3OutputPath": None,
    "OutputDataConfig.KmsKeyId": "the local endpoint does not encrypt",
    "ResourceConfig.InstanceType": None,
    "ResourceConfig.InstanceCount": None,
    "ResourceConfig.VolumeSizeInGB": "the volume is this machine's disk",
    "StoppingCondition.MaxRuntimeInSeconds": None,
    "CheckpointConfig.S3Uri": None,
    "CheckpointConfig.LocalPath": None,
}
PROCESSING: Mapping[str, str | None] = {
    **_COMMON,
    "ProcessingJobName": None,
    "Environment.*": None,
    "AppSpecification.ImageUri": None,
    "AppSpecification.ContainerEntrypoint[]": None,
    "AppSpecification.ContainerArguments[]": None,
    "ProcessingInputs[].InputName": None,
    "ProcessingInputs[].S3Input.S3Uri": None,
    "ProcessingInputs[].S3Input.LocalPath": None,
    "ProcessingInputs[].S3Input.S3DataType": None,
    "ProcessingInputs[].S3Input.S3InputMode": None,
    "ProcessingInputs[].S3Input.S3DataDistributionType": None,
    "ProcessingInputs[].S3Input.S3CompressionType": None,
    "ProcessingOutputConfig.Outputs[].OutputName": None,
    "ProcessingOutputConfig.Outputs[].S3Output.S3Uri": None,
    "ProcessingOutputConfig.Outputs[].S3Output.LocalPath": None,
    "ProcessingOutputConfig.Outputs[].S3Output.S3UploadMode": None,
    "ProcessingResources.ClusterConfig.InstanceCount": None,
    "ProcessingResources.ClusterConfig.InstanceType": None,
    "ProcessingResources.ClusterConfig.VolumeSizeInGB": "the volume is this machine's disk",
    "StoppingCondition.MaxRuntimeInSeconds": None,
}
# Of the implemented fields, the values that are implemented.
_VALUES = {
    "AlgorithmSpecification.TrainingInputMode": ("File", "FastFile"),
    "InputDataConfig[].InputMode": ("File", "FastFile"),
    "InputDataConfig[].DataSource.S3DataSource.S3DataType": ("S3Prefix",),
    "InputDataConfig[].DataSource.S3DataSource.S3DataDistributionType": ("FullyReplicated",),
    "ResourceConfig.InstanceCount": (1,),
    "ProcessingInputs[].S3Input.S3DataType": ("S3Prefix",),
    "ProcessingInputs[].S3Input.S3InputMode": ("File",),
    "ProcessingInputs[].S3Input.S3DataDistributionType": ("FullyReplicated",),
    "ProcessingInputs[].S3Input.S3CompressionType": ("None",),
    "ProcessingOutputConfig.Outputs[].S3Output.S3UploadMode": ("EndOfJob",),
    "ProcessingResources.ClusterConfig.InstanceCount": (1,),
}


def refuse_unknown(request: Mapping[str, Any], known: Mapping[str, str | None]) -> None:
    """UnsupportedError that names every field, and every value, which the emulator does not implement."""
    refused = []
    for path, place, value in _leaves(request, "", ""):
        if (
            not any(place == field or place.startswith((f"{field}.", f"{field}[")) for field in known if known[field])
            and place not in known
        ):
            refused.append(path)
        elif place in _VALUES and value not in _VALUES[place]:
            refused.append(f"{path} = {value}")
    if refused:
        raise UnsupportedError(
            f"the embedded target does not implement {', '.join(refused)}",
            hint="Leave it out, or run the request on the service.",
        )


def _leaves(value: Any, path: str, place: str) -> Iterator[tuple[str, str, Any]]:
    """Every leaf with its exact path and with its place in the tables."""
    if isinstance(value, dict) and place in ("HyperParameters", "Environment"):
        for key in value:
            yield f"{path}.{key}", f"{place}.*", value[key]
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{position}]", f"{place}[]")
    else:
        yield path, place, value
