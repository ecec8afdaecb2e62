"""A CreateProcessingJob request: its directories, its description in /opt/ml/config, its exit message.

Sources: SageMaker developer guide, pages byoc-run-image, byoc-input-and-output and build-your-own-processing-container;
API reference, CreateProcessingJob and DescribeProcessingJob.
"""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.container_spec import Mount
from lyftlearn_image.emulation.sagemaker import opt_ml
from lyftlearn_image.emulation.sagemaker.job_plan import (
    HEAD_BYTES,
    REASON_CHARACTERS,
    Account,
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

_LOCAL_PATHS = PurePosixPath("/opt/ml/processing")


def prepare(request: Mapping[str, Any], directory: Path, s3: S3Client, account: Account) -> JobPlan:
    """The plan of the job, with the directories of each of its hosts below `directory`."""
    name = request["ProcessingJobName"]
    app, cluster = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
    config = opt_ml.processing_job_config(request, account.arn("processing-job", name))
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return JobPlan(
        name=name,
        image=app["ImageUri"],
        # Both replace the image's own as `docker run` does: an entrypoint drops CMD too, arguments alone replace CMD.
        entrypoint=argument_list(app, "ContainerEntrypoint"),
        arguments=argument_list(app, "ContainerArguments"),
        instance_type=cluster["InstanceType"],
        volume_gb=cluster["VolumeSizeInGB"],
        environment=request.get("Environment", {}),
        hosts=tuple(_host(request, config, rank, directory / rank.name, s3) for rank in ranks(int(cluster["InstanceCount"]))),
        # The guide names SIGINT and SIGKILL for StopProcessingJob; how long between them it does not say.
        stop_signal="SIGINT",
        max_runtime_s=max_runtime_s(request),
        role_arn=request["RoleArn"],
        is_isolated=bool(request.get("NetworkConfig", {}).get("EnableNetworkIsolation")),
        uploads=tuple(
            Upload(f"outputs/{position}", output["S3Output"]["S3Uri"].rstrip("/") + "/")
            for position, output in enumerate(outputs)
        ),
    )


def check(request: Mapping[str, Any]) -> None:
    """What of a request has the right form and no meaning: InvalidInputError, or UnsupportedError without an S3 place."""
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for field, kind, places in (
        ("ProcessingInputs", "S3Input", request.get("ProcessingInputs", [])),
        ("ProcessingOutputConfig.Outputs", "S3Output", outputs),
    ):
        for position, place in enumerate(places):
            if kind not in place:
                raise UnsupportedError(f"the embedded target needs a {field}[{position}].{kind}")
            _local_path(place[kind], str(place["InputName" if kind == "S3Input" else "OutputName"]))
    _refuse_duplicates(request)


def _host(request: Mapping[str, Any], config: Mapping[str, Any], rank: Rank, tree: Path, s3: S3Client) -> Host:
    opt_ml.write_json(tree / "config" / "processingjobconfig.json", config)
    instance_type = request["ProcessingResources"]["ClusterConfig"]["InstanceType"]
    opt_ml.write_json(
        tree / "config" / "resourceconfig.json", opt_ml.resource_config(instance_type, host_names(rank.count), rank.index)
    )
    (tree / "output").mkdir()
    mounts = [Mount(f"/opt/ml/{directory}", tree / directory) for directory in ("config", "output")]
    for position, source in enumerate(request.get("ProcessingInputs", [])):
        directory = tree / "inputs" / str(position)
        download_input(s3, source["S3Input"], directory, rank, label=f"input {source['InputName']}")
        mounts.append(Mount(_local_path(source["S3Input"], source["InputName"]), directory))
    for position, output in enumerate(request.get("ProcessingOutputConfig", {}).get("Outputs", [])):
        # "This directory will be created by the platform and exist when your container's entrypoint is invoked."
        directory = tree / "outputs" / str(position)
        directory.mkdir(parents=True)
        mounts.append(Mount(_local_path(output["S3Output"], output["OutputName"]), directory))
    make_readable(tree)
    return Host(rank.name, tree, tuple(mounts))


def exit_message(trees: Sequence[Path]) -> str | None:
    """ExitMessage: the beginning of /opt/ml/output/message, those of several hosts one after the other.

    None when one of them is not UTF-8, which fails the job.
    """
    message = ""
    for tree in trees:
        start = read_head(tree / "output" / "message")
        # A character that only the cut has broken is no fault.
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            message += decoder.decode(start, final=len(start) < HEAD_BYTES)
        except UnicodeDecodeError:
            return None
    return message[:REASON_CHARACTERS]


def _refuse_duplicates(request: Mapping[str, Any]) -> None:
    inputs = [(one["InputName"], one["S3Input"].get("LocalPath")) for one in request.get("ProcessingInputs", [])]
    outputs = [
        (one["OutputName"], one["S3Output"].get("LocalPath"))
        for one in request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    ]
    for field, values in (
        ("InputName", [name for name, _ in inputs]),
        ("OutputName", [name for name, _ in outputs]),
        ("LocalPath", [path for _, path in (*inputs, *outputs)]),
    ):
        duplicates = {value for value in values if values.count(value) > 1}
        if duplicates:
            raise InvalidInputError(f"{field} {', '.join(sorted(map(str, duplicates)))} stands twice in the request")


def _local_path(s3_location: Mapping[str, Any], name: str) -> str:
    """The LocalPath of an input or output; it "must begin with /opt/ml/processing/"."""
    path = PurePosixPath(s3_location.get("LocalPath", ""))
    if _LOCAL_PATHS not in path.parents or ".." in path.parts:
        raise InvalidInputError(f"{name}: LocalPath {path} does not begin with {_LOCAL_PATHS}/")
    return str(path)
