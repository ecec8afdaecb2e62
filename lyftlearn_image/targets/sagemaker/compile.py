"""From a workload to SageMaker's own request: pure, and the same for the same workload."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.targets import bundle, limits
from lyftlearn_image.targets.target import Compiled
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.targets.target import Launch
    from lyftlearn_image.workload import Workload

TRAINING = "CreateTrainingJob"
PROCESSING = "CreateProcessingJob"
INPUT_DIR = f"{contract.PROCESSING_DIR}/input"
OBSERVATION_OUTPUT = "lyftlearn"
# An output's name becomes a part of its S3 prefix, and a directory on this machine.
_OUTPUT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VOLUME_GB = 30


def compile_workload(workload: Workload, launch: Launch) -> Compiled:
    """The request for this workload, and the launch bundle where something does not fit the request."""
    return _training(workload, launch) if workload.kind == "training" else _processing(workload, launch)


def _training(workload: Workload, launch: Launch) -> Compiled:
    environment, hyperparameters, objects = _divide(workload, launch, TRAINING, contract.TRAINING_OBSERVATION)
    algorithm: dict[str, Any] = {"TrainingImage": workload.image, "TrainingInputMode": "File"}
    if workload.command:
        # Arguments alone keep the image's ENTRYPOINT, the shim; `train` is then not passed.
        algorithm["ContainerArguments"] = list(workload.command)
    request: dict[str, Any] = {
        "TrainingJobName": launch.job_name,
        "AlgorithmSpecification": algorithm,
        "RoleArn": launch.role_arn,
        "OutputDataConfig": {"S3OutputPath": launch.s3_prefix},
        "ResourceConfig": {"InstanceType": workload.instance_type, "InstanceCount": 1, "VolumeSizeInGB": _VOLUME_GB},
        "StoppingCondition": {"MaxRuntimeInSeconds": workload.max_runtime_s},
    }
    if workload.channels:
        request["InputDataConfig"] = [_channel(name, uri) for name, uri in sorted(workload.channels.items())]
    if hyperparameters:
        request["HyperParameters"] = hyperparameters
    if environment:
        request["Environment"] = environment
    place = f"{launch.s3_prefix}/{launch.job_name}/output"
    outputs = {"model": f"{place}/model.tar.gz", "output": f"{place}/output.tar.gz"}
    return Compiled("sagemaker", TRAINING, (request,), objects, outputs)


def _processing(workload: Workload, launch: Launch) -> Compiled:
    environment, _, objects = _divide(workload, launch, PROCESSING, contract.PROCESSING_OBSERVATION)
    paths = dict(workload.outputs) or {"output": f"{contract.PROCESSING_DIR}/output"}
    if unusable := [name for name in paths if name == OBSERVATION_OUTPUT or not _OUTPUT_NAME.fullmatch(name)]:
        raise InvalidInputError(
            f"the workload {workload.name} has an output named {', '.join(unusable)}",
            hint=f"Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit, and not `{OBSERVATION_OUTPUT}`.",
        )
    if launch.observe_key:
        paths[OBSERVATION_OUTPUT] = contract.PROCESSING_OBSERVATION.rpartition("/")[0]
    outputs = {name: f"{launch.s3_prefix}/{launch.job_name}/{name}/" for name in paths}
    request: dict[str, Any] = {
        "ProcessingJobName": launch.job_name,
        "AppSpecification": {"ImageUri": workload.image, "ContainerArguments": list(workload.command or ())},
        "RoleArn": launch.role_arn,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": workload.instance_type, "VolumeSizeInGB": _VOLUME_GB}
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": workload.max_runtime_s},
        "ProcessingOutputConfig": {"Outputs": [_output(name, path, outputs[name]) for name, path in sorted(paths.items())]},
    }
    if workload.channels:
        request["ProcessingInputs"] = [_input(name, uri) for name, uri in sorted(workload.channels.items())]
    if environment:
        request["Environment"] = environment
    return Compiled("sagemaker", PROCESSING, (request,), objects, outputs)


def _divide(
    workload: Workload, launch: Launch, action: str, observation: str
) -> tuple[dict[str, str], dict[str, str], dict[str, bytes]]:
    """What goes into the request (environment, hyperparameters), and the bundle of what does not, as an S3 object."""
    own = _own_variables(workload, launch, observation)
    wanted = {**workload.environment, **workload.secrets}
    room = limits.map_limits(action, "Environment").entries - len(own) - 1
    kept = {name: value for name, value in wanted.items() if limits.fits(action, "Environment", {name: value})}
    kept = dict(sorted(kept.items())[:room])
    left = {name: value for name, value in wanted.items() if name not in kept}
    encoded = bundle.encode_hyperparameters(workload.hyperparameters)
    carries = action == TRAINING and limits.fits(action, "HyperParameters", encoded)
    overflow = {} if carries else dict(workload.hyperparameters)
    objects: dict[str, bytes] = {}
    if left or overflow or workload.files:
        made = bundle.of(workload, launch.job_name, environment=left, hyperparameters=overflow, files=workload.files)
        data = bundle.to_bytes(made)
        uri = f"{launch.s3_prefix}/{launch.job_name}/bundle.json"
        objects[uri] = data
        own[contract.BUNDLE] = bundle.reference(uri, data)
    return dict(sorted({**kept, **own}.items())), encoded if carries else {}, objects


def _own_variables(workload: Workload, launch: Launch, observation: str) -> dict[str, str]:
    own = bundle.shim_variables(workload)
    if launch.observe_key:
        own[contract.OBSERVE] = f"{observation}#{launch.observe_key}"
    if launch.statsd:
        own[contract.STATSD] = f"udp://{launch.statsd}"
    return own


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
