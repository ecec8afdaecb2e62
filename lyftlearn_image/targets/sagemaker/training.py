"""A CreateTrainingJob request: its /opt/ml tree, its command, its reason when it fails.

Sources: SageMaker developer guide, pages your-algorithms-training-algo-dockerfile, -running-container and -output;
API reference, CreateTrainingJob and DescribeTrainingJob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.targets import objects
from lyftlearn_image.targets.containers import Mount
from lyftlearn_image.targets.sagemaker import opt_ml
from lyftlearn_image.targets.sagemaker.job import (
    REASON_CHARACTERS,
    Account,
    Checkpoints,
    Job,
    argument_list,
    download_input,
    max_runtime_s,
    open_to_containers,
    read_start,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

CHECKPOINTS_DIR = "/opt/ml/checkpoints"


def prepare(request: Mapping[str, Any], host: Path, s3: S3Client, account: Account) -> Job:
    """The job, with its /opt/ml tree below `host`."""
    name = request["TrainingJobName"]
    algorithm = request["AlgorithmSpecification"]
    channels = request.get("InputDataConfig", [])
    _write_config(request, host / "input" / "config")
    for below in ("input/data", "model", "output/data"):
        (host / below).mkdir(parents=True)
    mounts = [Mount(f"/opt/ml/{below}", host / below) for below in ("input", "model", "output")]
    mounts += [mount for channel in channels for mount in _channel(channel, algorithm["TrainingInputMode"], host, s3)]
    place = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
    checkpoints = _checkpoints(request, host, s3)
    if checkpoints:
        mounts.append(Mount(request["CheckpointConfig"].get("LocalPath", CHECKPOINTS_DIR), checkpoints.directory))
    open_to_containers(host)
    entrypoint, arguments = command(algorithm)
    return Job(
        name=name,
        image=algorithm["TrainingImage"],
        entrypoint=entrypoint,
        arguments=arguments,
        instance_type=request["ResourceConfig"]["InstanceType"],
        environment={
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": account.arn("training-job", name),
            **request.get("Environment", {}),
        },
        mounts=tuple(mounts),
        # "docker stop -t120" (your-algorithms-training-algo-dockerfile).
        stop_signal="SIGTERM",
        max_runtime_s=max_runtime_s(request),
        role_arn=request["RoleArn"],
        is_isolated=bool(request.get("EnableNetworkIsolation")),
        # Also after a failure (aws/sagemaker-python-sdk, pull request 746).
        uploads=((host / "model", f"{place}/model.tar.gz"), (host / "output" / "data", f"{place}/output.tar.gz")),
        checkpoints=checkpoints,
    )


def _checkpoints(request: Mapping[str, Any], host: Path, s3: S3Client) -> Checkpoints | None:
    """The directory of checkpoints, with what is in S3 already (developer guide, model-checkpoints)."""
    if "CheckpointConfig" not in request:
        return None
    uri = request["CheckpointConfig"]["S3Uri"].rstrip("/") + "/"
    directory = host / "checkpoints"
    objects.download_prefix(s3, uri, directory)
    return Checkpoints(directory, uri, tuple(key for key in objects.keys_below(s3, uri) if not key.endswith("/")))


def command(algorithm: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Entrypoint and arguments: `train` only where the request gives neither."""
    entrypoint, arguments = argument_list(algorithm, "ContainerEntrypoint"), argument_list(algorithm, "ContainerArguments")
    return (entrypoint, arguments) if entrypoint or arguments else (None, ("train",))


def failure_reason(host: Path, exit_code: int) -> str:
    """FailureReason: the beginning of /opt/ml/output/failure, and the exit code.

    The words around them are those of jobs of today (aws-samples/amazon-sagemaker-ml-pipeline-deploy-with-terraform#12).
    """
    told = read_start(host / "output" / "failure").decode("utf-8", "replace")[:REASON_CHARACTERS]
    end = f", exit code: {exit_code}"
    return f"AlgorithmError: {told}"[: REASON_CHARACTERS - len(end)] + end


def _write_config(request: Mapping[str, Any], config: Path) -> None:
    default_mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    opt_ml.write_json(config / "hyperparameters.json", request.get("HyperParameters", {}))
    opt_ml.write_json(
        config / "inputdataconfig.json", opt_ml.input_data_config(request.get("InputDataConfig", []), default_mode)
    )
    opt_ml.write_json(config / "resourceconfig.json", opt_ml.resource_config(request["ResourceConfig"]["InstanceType"]))
    if checkpoints := request.get("CheckpointConfig"):
        opt_ml.write_json(config / "checkpointconfig.json", {"LocalPath": checkpoints.get("LocalPath", CHECKPOINTS_DIR)})


def _channel(channel: Mapping[str, Any], default_mode: str, host: Path, s3: S3Client) -> list[Mount]:
    """Downloads a channel; a FastFile channel is mounted read-only over its place."""
    name = channel["ChannelName"]
    directory = host / "input" / "data" / name
    if name in {".", ".."} or directory.exists():
        raise InvalidInputError(f"InputDataConfig: a second channel {name}, or one that is no directory's name")
    download_input(s3, channel["DataSource"]["S3DataSource"]["S3Uri"], directory, what=f"channel {name}")
    is_fast = channel.get("InputMode", default_mode) == "FastFile"
    return [Mount(f"/opt/ml/input/data/{name}", directory, read_only=True)] if is_fast else []
