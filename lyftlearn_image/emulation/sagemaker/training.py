"""A CreateTrainingJob request: its /opt/ml tree, its command, its reason when it fails.

Sources: SageMaker developer guide, pages your-algorithms-training-algo-dockerfile, -running-container and -output;
API reference, CreateTrainingJob and DescribeTrainingJob.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.docker.container_spec import Mount
from lyftlearn_image.emulation.sagemaker import opt_ml
from lyftlearn_image.emulation.sagemaker.job_plan import (
    REASON_CHARACTERS,
    Account,
    Checkpoints,
    Host,
    JobPlan,
    Rank,
    Upload,
    argument_list,
    download_input,
    host_names,
    make_readable,
    max_runtime_s,
    ranks,
    read_head,
)
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.sagemaker.outputs import TRAINING_ARCHIVES, training_outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

CHECKPOINTS_DIR = "/opt/ml/checkpoints"
# It is empty: no host is kept here (developer guide, train-warm-pools).
_POOL_CACHE = "/opt/ml/sagemaker/warmpoolcache"


def prepare(request: Mapping[str, Any], directory: Path, s3: S3Client, account: Account) -> JobPlan:
    """The plan of the job, with the /opt/ml tree of each of its hosts below `directory`."""
    name = request["TrainingJobName"]
    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    entrypoint, arguments = command(algorithm)
    return JobPlan(
        name=name,
        image=algorithm["TrainingImage"],
        entrypoint=entrypoint,
        arguments=arguments,
        instance_type=resources["InstanceType"],
        volume_gb=resources.get("VolumeSizeInGB"),
        environment={
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": account.arn("training-job", name),
            **({"SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY": _POOL_CACHE} if _has_warm_pool(request) else {}),
            **request.get("Environment", {}),
        },
        hosts=tuple(_host(request, rank, directory / rank.name, s3) for rank in ranks(int(resources["InstanceCount"]))),
        # "docker stop -t120" (your-algorithms-training-algo-dockerfile).
        stop_signal="SIGTERM",
        max_runtime_s=max_runtime_s(request),
        role_arn=request["RoleArn"],
        is_isolated=bool(request.get("EnableNetworkIsolation")),
        # Also after a failure (aws/sagemaker-python-sdk, pull request 746).
        uploads=tuple(Upload(TRAINING_ARCHIVES[name], uri) for name, uri in training_outputs(request).items()),
        metrics=_metrics(algorithm),
    )


def check(request: Mapping[str, Any]) -> None:
    """What of a request has the right form and no meaning: InvalidInputError, or UnsupportedError for what is not named.

    The platform's own algorithms are not here.
    """
    algorithm = request.get("AlgorithmSpecification", {})
    for path, names in (("AlgorithmSpecification", ("TrainingImage",)), ("ResourceConfig", ("InstanceType", "InstanceCount"))):
        for name in names:
            if name not in request.get(path, {}):
                raise UnsupportedError(f"the embedded target needs {path}.{name}")
    _metrics(algorithm)
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    for position, channel in enumerate(request.get("InputDataConfig", [])):
        name = channel["ChannelName"]
        if name in {".", ".."} or name in channels[:position]:
            raise InvalidInputError(f"InputDataConfig[{position}]: a second channel {name}, or one that is no directory's name")
        if "S3DataSource" not in channel["DataSource"]:
            raise UnsupportedError(f"the embedded target needs an InputDataConfig[{position}].DataSource.S3DataSource")


def _metrics(algorithm: Mapping[str, Any]) -> dict[str, str]:
    metrics = {metric["Name"]: metric["Regex"] for metric in algorithm.get("MetricDefinitions", [])}
    for name, regex in metrics.items():
        try:
            groups = re.compile(regex).groups
        except re.error as error:
            raise InvalidInputError(f"MetricDefinitions: the regular expression of {name} is none: {error}") from None
        if groups < 1:
            raise InvalidInputError(f"MetricDefinitions: {name} has no group in parentheses for its value", where=regex)
    return metrics


def _host(request: Mapping[str, Any], rank: Rank, tree: Path, s3: S3Client) -> Host:
    """One host's tree: every host has its own, and all of them the same but for what is sharded."""
    default_mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    _write_config(request, tree / "input" / "config", rank)
    for directory in ("input/data", "model", "output/data"):
        (tree / directory).mkdir(parents=True)
    mounts = [Mount(f"/opt/ml/{directory}", tree / directory) for directory in ("input", "model", "output")]
    for channel in request.get("InputDataConfig", []):
        mounts += _download_channel(channel, default_mode, tree, s3, rank)
    checkpoints = _download_checkpoints(request, tree, s3)
    if checkpoints:
        mounts.append(Mount(request["CheckpointConfig"].get("LocalPath", CHECKPOINTS_DIR), checkpoints.directory))
    if _has_warm_pool(request):
        (tree / "warmpoolcache").mkdir()
        mounts.append(Mount(_POOL_CACHE, tree / "warmpoolcache"))
    make_readable(tree)
    return Host(rank.name, tree, tuple(mounts), checkpoints)


def _download_checkpoints(request: Mapping[str, Any], tree: Path, s3: S3Client) -> Checkpoints | None:
    """The directory of checkpoints, with what is in S3 already: every host has all (developer guide, model-checkpoints)."""
    if "CheckpointConfig" not in request:
        return None
    uri = request["CheckpointConfig"]["S3Uri"].rstrip("/") + "/"
    directory = tree / "checkpoints"
    objects.download_prefix(s3, uri, directory)
    return Checkpoints(directory, uri, objects.snapshot(directory))


def max_wait_s(request: Mapping[str, Any]) -> int:
    """The seconds that a job on spot capacity has, waiting included: at least those that it may run."""
    return int(request.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds", max_runtime_s(request)))


def _has_warm_pool(request: Mapping[str, Any]) -> bool:
    return bool(request["ResourceConfig"].get("KeepAlivePeriodInSeconds"))


def command(algorithm: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Entrypoint and arguments: `train` only where the request gives neither."""
    entrypoint, arguments = argument_list(algorithm, "ContainerEntrypoint"), argument_list(algorithm, "ContainerArguments")
    return (entrypoint, arguments) if entrypoint or arguments else (None, ("train",))


def failure_reason(tree: Path, exit_code: int) -> str:
    """FailureReason: the beginning of /opt/ml/output/failure, and the exit code.

    The words around them are those of jobs of today (aws-samples/amazon-sagemaker-ml-pipeline-deploy-with-terraform#12).
    """
    failure = read_head(tree / "output" / "failure").decode("utf-8", "replace")[:REASON_CHARACTERS]
    suffix = f", exit code: {exit_code}"
    return f"AlgorithmError: {failure}"[: REASON_CHARACTERS - len(suffix)] + suffix


def _write_config(request: Mapping[str, Any], config: Path, rank: Rank) -> None:
    default_mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    channels = request.get("InputDataConfig", [])
    opt_ml.write_json(config / "hyperparameters.json", request.get("HyperParameters", {}))
    opt_ml.write_json(config / "inputdataconfig.json", opt_ml.input_data_config(channels, default_mode))
    resources = opt_ml.resource_config(request["ResourceConfig"]["InstanceType"], host_names(rank.count), rank.index)
    opt_ml.write_json(config / "resourceconfig.json", resources)
    if checkpoints := request.get("CheckpointConfig"):
        opt_ml.write_json(config / "checkpointconfig.json", {"LocalPath": checkpoints.get("LocalPath", CHECKPOINTS_DIR)})


def _download_channel(channel: Mapping[str, Any], default_mode: str, tree: Path, s3: S3Client, rank: Rank) -> list[Mount]:
    """Downloads a channel; a FastFile channel is mounted read-only over its directory."""
    name = channel["ChannelName"]
    directory = tree / "input" / "data" / name
    source = channel["DataSource"]["S3DataSource"]
    download_input(s3, source, directory, rank, label=f"channel {name}")
    is_fast = channel.get("InputMode", default_mode) == "FastFile"
    return [Mount(f"/opt/ml/input/data/{name}", directory, read_only=True)] if is_fast else []
