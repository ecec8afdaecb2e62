"""A CreateProcessingJob request: its directories, its description in /opt/ml/config, its exit message.

Sources: SageMaker developer guide, pages byoc-run-image, byoc-input-and-output and build-your-own-processing-container;
API reference, CreateProcessingJob and DescribeProcessingJob.
"""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.targets.containers import Mount
from lyftlearn_image.targets.sagemaker import opt_ml
from lyftlearn_image.targets.sagemaker.job import (
    REASON_CHARACTERS,
    START_BYTES,
    Account,
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

_LOCAL_PATHS = PurePosixPath("/opt/ml/processing")


def prepare(request: Mapping[str, Any], host: Path, s3: S3Client, account: Account) -> Job:
    """The job, with its directories below `host`."""
    name = request["ProcessingJobName"]
    app, cluster = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
    config = opt_ml.processing_job_config(request, account.arn("processing-job", name))
    opt_ml.write_json(host / "config" / "processingjobconfig.json", config)
    opt_ml.write_json(host / "config" / "resourceconfig.json", opt_ml.resource_config(cluster["InstanceType"]))
    (host / "output").mkdir()
    mounts = [Mount(f"/opt/ml/{below}", host / below) for below in ("config", "output")]
    _refuse_doubles(request)
    for position, one in enumerate(request.get("ProcessingInputs", [])):
        directory = host / "inputs" / str(position)
        download_input(s3, one["S3Input"]["S3Uri"], directory, what=f"input {one['InputName']}")
        mounts.append(Mount(_local_path(one["S3Input"], one["InputName"]), directory))
    uploads = []
    for position, one in enumerate(request.get("ProcessingOutputConfig", {}).get("Outputs", [])):
        # "This directory will be created by the platform and exist when your container's entrypoint is invoked."
        directory = host / "outputs" / str(position)
        directory.mkdir(parents=True)
        mounts.append(Mount(_local_path(one["S3Output"], one["OutputName"]), directory))
        uploads.append((directory, one["S3Output"]["S3Uri"].rstrip("/") + "/"))
    open_to_containers(host)
    return Job(
        name=name,
        image=app["ImageUri"],
        # Both replace the image's own as `docker run` does: an entrypoint drops CMD too, arguments alone replace CMD.
        entrypoint=argument_list(app, "ContainerEntrypoint"),
        arguments=argument_list(app, "ContainerArguments"),
        instance_type=cluster["InstanceType"],
        environment=request.get("Environment", {}),
        mounts=tuple(mounts),
        # The guide names SIGINT and SIGKILL for StopProcessingJob; how long between them it does not say.
        stop_signal="SIGINT",
        max_runtime_s=max_runtime_s(request),
        role_arn=request["RoleArn"],
        is_isolated=bool(request.get("NetworkConfig", {}).get("EnableNetworkIsolation")),
        uploads=tuple(uploads),
    )


def exit_message(host: Path) -> str | None:
    """ExitMessage: the beginning of /opt/ml/output/message. None when it is not UTF-8, which fails the job."""
    start = read_start(host / "output" / "message")
    # A character that only the cut has broken is no fault.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(start, final=len(start) < START_BYTES)[:REASON_CHARACTERS]
    except UnicodeDecodeError:
        return None


def _refuse_doubles(request: Mapping[str, Any]) -> None:
    inputs = [(one["InputName"], one["S3Input"].get("LocalPath")) for one in request.get("ProcessingInputs", [])]
    outputs = [
        (one["OutputName"], one["S3Output"].get("LocalPath"))
        for one in request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    ]
    for what, found in (
        ("InputName", [name for name, _ in inputs]),
        ("OutputName", [name for name, _ in outputs]),
        ("LocalPath", [path for _, path in (*inputs, *outputs)]),
    ):
        twice = {one for one in found if found.count(one) > 1}
        if twice:
            raise InvalidInputError(f"{what} {', '.join(sorted(map(str, twice)))} stands twice in the request")


def _local_path(place: Mapping[str, Any], name: str) -> str:
    """The LocalPath of an input or output; it "must begin with /opt/ml/processing/"."""
    path = PurePosixPath(place.get("LocalPath", ""))
    if _LOCAL_PATHS not in path.parents or ".." in path.parts:
        raise InvalidInputError(f"{name}: LocalPath {path} does not begin with {_LOCAL_PATHS}/")
    return str(path)
