"""From a workload to SageMaker's own request: pure, and the same for the same workload."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker import compile_hosting, compile_studio, request_parts
from lyftlearn_image.platforms.sagemaker.overflow import Room, divide
from lyftlearn_image.workload import (
    Choice,
    FloatRange,
    IntegerRange,
    Notebook,
    Processing,
    Serving,
    Training,
    Transform,
    Tuning,
)
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Range, Trainable, Workload

TRAINING = "CreateTrainingJob"
PROCESSING = "CreateProcessingJob"
TUNING = "CreateHyperParameterTuningJob"
INPUT_DIR = f"{contract.PROCESSING_DIR}/input"
OBSERVATION_OUTPUT = "lyftlearn"
# An output's name becomes a part of its S3 prefix, and a directory on this machine.
_OUTPUT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STRATEGIES = {"bayesian": "Bayesian", "random": "Random", "grid": "Grid"}


def compile_workload(workload: Workload, launch: Launch) -> Compiled:
    """The request or requests for this workload, and the launch bundle where something does not fit them."""
    match workload:
        case Training():
            return _training(workload, launch)
        case Processing():
            return _processing(workload, launch)
        case Tuning():
            return _tuning(workload, launch)
        case Serving():
            return compile_hosting.compile_endpoint(workload, launch)
        case Transform():
            return compile_hosting.compile_transform(workload, launch)
        case Notebook():
            return compile_studio.compile_notebook(workload, launch)
    raise InvalidInputError(f"SageMaker has nothing for the kind {workload.kind}")  # pragma: no cover - these are all kinds


def _training(workload: Training, launch: Launch) -> Compiled:
    arguments = "AlgorithmSpecification.ContainerArguments"
    room = Room(TRAINING, "Environment", "HyperParameters", contract.TRAINING_OBSERVATION, command=arguments)
    environment, hyperparameters, objects, command = divide(workload, launch, room)
    algorithm: dict[str, Any] = {"TrainingImage": workload.image, "TrainingInputMode": "File"}
    if command:
        # Arguments alone keep the image's ENTRYPOINT, the shim; `train` is then not passed.
        algorithm["ContainerArguments"] = command
    request = {"TrainingJobName": launch.job_name, **_of_training(workload, launch, algorithm)}
    if workload.warm_pool_s:
        request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = workload.warm_pool_s
    if hyperparameters:
        request["HyperParameters"] = hyperparameters
    if environment:
        request["Environment"] = environment
    request.update(request_parts.tags(workload))
    place = f"{launch.s3_prefix}/{launch.job_name}/output"
    outputs = {"model": f"{place}/model.tar.gz", "output": f"{place}/output.tar.gz"}
    return Compiled("sagemaker", TRAINING, (request,), objects, outputs)


def _of_training(workload: Trainable, launch: Launch, algorithm: dict[str, Any]) -> dict[str, Any]:
    """What a training job and the definition of a tuning job's trials have in common."""
    if workload.metrics:
        algorithm["MetricDefinitions"] = [{"Name": name, "Regex": regex} for name, regex in sorted(workload.metrics.items())]
    keys = workload.encryption
    request: dict[str, Any] = {
        "AlgorithmSpecification": algorithm,
        "RoleArn": launch.role_arn,
        "OutputDataConfig": request_parts.filled({"S3OutputPath": launch.s3_prefix, "KmsKeyId": keys.output_key}),
        "ResourceConfig": request_parts.filled(
            {
                "InstanceType": workload.instance_type,
                "InstanceCount": workload.nodes,
                "VolumeSizeInGB": workload.volume_gb,
                "VolumeKmsKeyId": keys.volume_key,
            }
        ),
        "StoppingCondition": {"MaxRuntimeInSeconds": workload.max_runtime_s},
    }
    if workload.channels:
        request["InputDataConfig"] = [_channel(name, uri) for name, uri in sorted(workload.channels.items())]
    if workload.checkpoints:
        request["CheckpointConfig"] = {"S3Uri": workload.checkpoints}
    if workload.spot:
        request["EnableManagedSpotTraining"] = True
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = workload.spot.max_wait_s
    network = workload.network
    if network.subnets:
        request["VpcConfig"] = request_parts.vpc(workload)
    if network.isolated:
        request["EnableNetworkIsolation"] = True
    if network.encrypted:
        request["EnableInterContainerTrafficEncryption"] = True
    return request


def _tuning(workload: Tuning, launch: Launch) -> Compiled:
    # The tuner adds the ranges' hyperparameters and _tuning_objective_metric to the static ones; 100 is for all of them
    # (developer guide, automatic-model-tuning-define-metrics-variables).
    definition = "TrainingJobDefinition"
    room = Room(
        TUNING,
        f"{definition}.Environment",
        f"{definition}.StaticHyperParameters",
        contract.TRAINING_OBSERVATION,
        taken=len(workload.search_space) + 1,
    )
    environment, hyperparameters, objects, _ = divide(workload, launch, room)
    algorithm: dict[str, Any] = {"TrainingImage": workload.image, "TrainingInputMode": "File"}
    job = _of_training(workload, launch, algorithm)
    if hyperparameters:
        job["StaticHyperParameters"] = hyperparameters
    if environment:
        job["Environment"] = environment
    request: dict[str, Any] = {
        "HyperParameterTuningJobName": launch.job_name,
        "HyperParameterTuningJobConfig": {
            "Strategy": _STRATEGIES[workload.strategy],
            "HyperParameterTuningJobObjective": {"Type": workload.goal.capitalize(), "MetricName": workload.objective},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": workload.trials,
                "MaxParallelTrainingJobs": workload.parallel_trials,
            },
            "ParameterRanges": _ranges(workload.search_space),
            "TrainingJobEarlyStoppingType": "Auto" if workload.early_stopping else "Off",
            "RandomSeed": workload.seed,
        },
        "TrainingJobDefinition": job,
    }
    request.update(request_parts.tags(workload))
    return Compiled("sagemaker", TUNING, (request,), objects, {})


def _ranges(space: Mapping[str, Range]) -> dict[str, list[dict[str, Any]]]:
    """The search space in the API's words, with numbers as the strings that it takes."""
    ranges: dict[str, list[dict[str, Any]]] = {}
    for name, one in sorted(space.items()):
        match one:
            case FloatRange() | IntegerRange():
                kind = "ContinuousParameterRanges" if isinstance(one, FloatRange) else "IntegerParameterRanges"
                scale = "Logarithmic" if one.log else "Linear"
                numbers = {"MinValue": str(one.low), "MaxValue": str(one.high), "ScalingType": scale}
                ranges.setdefault(kind, []).append({"Name": name, **numbers})
            case Choice():
                encoded = bundle.encode_hyperparameters({str(place): value for place, value in enumerate(one.values)})
                ranges.setdefault("CategoricalParameterRanges", []).append({"Name": name, "Values": list(encoded.values())})
    return ranges


def _processing(workload: Processing, launch: Launch) -> Compiled:
    arguments = "AppSpecification.ContainerArguments"
    room = Room(PROCESSING, "Environment", None, contract.PROCESSING_OBSERVATION, command=arguments)
    environment, _, objects, command = divide(workload, launch, room)
    paths = dict(workload.outputs) or {"output": f"{contract.PROCESSING_DIR}/output"}
    if unusable := [name for name in paths if name == OBSERVATION_OUTPUT or not _OUTPUT_NAME.fullmatch(name)]:
        raise InvalidInputError(
            f"the workload {workload.name} has an output named {', '.join(unusable)}",
            hint=f"Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit, and not `{OBSERVATION_OUTPUT}`.",
        )
    if launch.observe_key:
        paths[OBSERVATION_OUTPUT] = contract.PROCESSING_OBSERVATION.rpartition("/")[0]
    outputs = {name: f"{launch.s3_prefix}/{launch.job_name}/{name}/" for name in paths}
    keys = workload.encryption
    cluster = {
        "InstanceCount": workload.nodes,
        "InstanceType": workload.instance_type,
        "VolumeSizeInGB": workload.volume_gb,
        "VolumeKmsKeyId": keys.volume_key,
    }
    written = [_output(name, path, outputs[name]) for name, path in sorted(paths.items())]
    request: dict[str, Any] = {
        "ProcessingJobName": launch.job_name,
        "AppSpecification": {"ImageUri": workload.image, "ContainerArguments": command},
        "RoleArn": launch.role_arn,
        "ProcessingResources": {"ClusterConfig": request_parts.filled(cluster)},
        "StoppingCondition": {"MaxRuntimeInSeconds": workload.max_runtime_s},
        "ProcessingOutputConfig": request_parts.filled({"Outputs": written, "KmsKeyId": keys.output_key}),
    }
    if workload.channels:
        request["ProcessingInputs"] = [_input(name, uri) for name, uri in sorted(workload.channels.items())]
    if environment:
        request["Environment"] = environment
    network = {
        "EnableInterContainerTrafficEncryption": workload.network.encrypted,
        "EnableNetworkIsolation": workload.network.isolated,
        "VpcConfig": request_parts.vpc(workload) if workload.network.subnets else None,
    }
    if any(network.values()):
        request["NetworkConfig"] = {name: value for name, value in network.items() if value}
    request.update(request_parts.tags(workload))
    return Compiled("sagemaker", PROCESSING, (request,), objects, outputs)


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def _input(name: str, uri: str) -> dict[str, Any]:
    source = {
        "S3Uri": uri, "LocalPath": f"{INPUT_DIR}/{name}", "S3DataType": "S3Prefix", "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None",
    }  # fmt: skip
    return {"InputName": name, "S3Input": source}


def _output(name: str, path: str, uri: str) -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"}}
