"""A CreateModel request: the model's files, and the container that serves them.

Sources: SageMaker developer guide, pages your-algorithms-inference-code and your-algorithms-batch-code ("docker run image
serve", /opt/ml/model read-only, port 8080); API reference, ContainerDefinition and S3ModelDataSource.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lyftlearn_image.aws import archive, s3 as objects, s3_archives
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.emulation.sagemaker.job_plan import make_readable
from lyftlearn_image.errors import InvalidInputError, RunError, UnsupportedError
from lyftlearn_image.limits import Limits
from lyftlearn_image.platforms.sagemaker.actions import MODEL
from lyftlearn_image.platforms.sagemaker.api_model import validate_request
from lyftlearn_image.untrusted_tree import Allowance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.sagemaker.context import Context

MODEL_DIR = "/opt/ml/model"
# Of a multi-model container; see `multi_model`.
MODELS_DIR = "/opt/ml/models"
MULTI_MODEL = "MultiModel"
# What an archive may be unpacked to: it may be a bomb.
_LARGEST_MODEL = Limits(artifact_bytes=16 << 30)


class ModelDataError(Exception):
    """The model's data cannot be made files; the text is the service's FailureReason."""


@dataclass(frozen=True)
class Model:
    """What a model's container is started with. `directory` has the model's files.

    A multi-model container has none at its start: `prefix` is the S3 URI below which their archives are.
    """

    name: str
    image: str
    hostname: str | None
    environment: Mapping[str, str]
    role_arn: str | None
    directory: Path
    prefix: str = ""


def validate(request: Mapping[str, Any]) -> None:
    """Refuses what CreateModel would refuse, and what is not implemented here."""
    validate_request(MODEL, request)
    fields.refuse_unknown(request, fields.MODEL)
    if request.get("EnableNetworkIsolation"):
        raise UnsupportedError(
            "the embedded target does not implement EnableNetworkIsolation = True of a model",
            hint="Leave it out, or run the request on the service.",
        )
    container = request.get("PrimaryContainer", {})
    if container.get("Mode") == MULTI_MODEL and not container.get("ModelDataUrl", "").endswith("/"):
        raise InvalidInputError("a MultiModel container needs a ModelDataUrl that is a prefix", hint="It ends in `/`.")
    if "Image" not in request.get("PrimaryContainer", {}):
        raise UnsupportedError("the model has no PrimaryContainer.Image", hint="Model packages need the service.")


def prepare(request: Mapping[str, Any], workspace: Path, s3: S3Client) -> Model:
    """The model, with its files in a directory below `workspace`.

    Raises InvalidInputError when there is no such data (CreateModel refuses it: "Could not find model data at …"), and
    ModelDataError when the data cannot be unpacked, which the service finds out when it starts the container.
    """
    validate(request)
    check_model_data(request, s3)
    container = request["PrimaryContainer"]
    directory = workspace / "model"
    directory.mkdir(parents=True)
    prefix = container["ModelDataUrl"] if container.get("Mode") == MULTI_MODEL else ""
    if not prefix:
        _download_data(container, directory, s3)
    return Model(
        name=request["ModelName"],
        image=container["Image"],
        hostname=container.get("ContainerHostname"),
        environment=container.get("Environment", {}),
        role_arn=request.get("ExecutionRoleArn"),
        directory=directory,
        prefix=prefix,
    )


def container_spec(
    model: Model, context: Context, instance_type: str, *, name: str, environment: Mapping[str, str] | None = None
) -> ContainerSpec:
    """The container of one instance: the image's own ENTRYPOINT and user with the argument `serve`, and no TTY.

    `environment` is what the job or the service adds to the model's own.
    """
    cpus, memory_bytes = context.limits(instance_type)
    return ContainerSpec(
        image=model.image,
        name=f"{context.containers.run_id}-sagemaker-{name}",
        environment=tuple(
            {
                **context.container_environment(model.role_arn),
                **model.environment,
                **(environment or {}),
                **({"SAGEMAKER_MULTI_MODEL": "true"} if model.prefix else {}),
            }.items()
        ),
        command=("serve",),
        mounts=(Mount(MODELS_DIR if model.prefix else MODEL_DIR, model.directory, read_only=True),),
        network=context.network.name,
        ip=context.network.allocate_ip(),
        # "the DNS host name of the container" (API reference, ContainerDefinition).
        hostname=model.hostname,
        cpus=cpus,
        memory_bytes=memory_bytes,
    )


def check_model_data(request: Mapping[str, Any], s3: S3Client) -> None:
    """InvalidInputError when the model's data is not there, in the words with which CreateModel refuses it.

    Of a multi-model container a prefix is enough: its archives may come later.
    """
    if request["PrimaryContainer"].get("Mode") == MULTI_MODEL:
        return
    kind, uri = _source(request["PrimaryContainer"])
    keys = objects.list_keys(s3, uri) if uri else []
    is_there = bool(keys) and uri.endswith("/") if kind == "prefix" else uri.removeprefix("s3://").partition("/")[2] in keys
    if uri and not is_there:
        raise InvalidInputError(
            f"Could not find model data at {uri}.", hint="Check the bucket and the key; a prefix ends in `/`."
        )


def _source(container: Mapping[str, Any]) -> tuple[Literal["archive", "object", "prefix"], str]:
    """How the model's data is kept, and its S3 URI, "" for a model without any."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    url = container.get("ModelDataUrl")
    if url and source:
        raise InvalidInputError("ModelDataUrl and ModelDataSource stand together in the request", hint="Give one of them.")
    if not source:
        return "archive", url or ""
    if source["CompressionType"] == "Gzip":
        if source["S3DataType"] != "S3Object":
            raise InvalidInputError("ModelDataSource: CompressionType Gzip is for an S3Object", hint="A prefix needs None.")
        return "archive", source["S3Uri"]
    return ("object" if source["S3DataType"] == "S3Object" else "prefix"), source["S3Uri"]


def _download_data(container: Mapping[str, Any], directory: Path, s3: S3Client) -> None:
    kind, uri = _source(container)
    if kind == "prefix":
        _copy_prefix(uri, directory, s3)
    elif kind == "object":
        objects.download_file(s3, uri, directory / uri.rpartition("/")[2])
        make_readable(directory)
    elif uri:
        unpack(uri, directory, s3)


def _copy_prefix(uri: str, directory: Path, s3: S3Client) -> None:
    if folders := [key for key in objects.list_keys(s3, uri) if key.endswith("/")]:
        # "… which violates SageMaker restrictions on model artifact file names, leading to model deployment failure" (API
        # reference, S3ModelDataSource).
        raise ModelDataError(f"The model data at {uri} has the object {folders[0]}, which is a folder's marker and no file")
    try:
        objects.download_prefix(s3, uri, directory)
    except InvalidInputError as error:
        # "Ambiguous file names will result in model deployment failure" (as above).
        raise ModelDataError(f"{error.what} ({uri})") from None
    make_readable(directory)


def unpack(uri: str, directory: Path, s3: S3Client) -> None:
    """Unpacks a model's archive. Raises ModelDataError for what is none, or has what a model may not have."""
    try:
        with s3_archives.open_archive(s3, uri) as packed:
            archive.unpack(packed, directory, Allowance(_LARGEST_MODEL))
            modes = {member.name: member.mode for member in packed.getmembers() if _is_file_or_directory(member)}
    except (*archive.UNREADABLE, RunError) as error:
        # The service's words as seen in aws/deep-learning-containers#569.
        raise ModelDataError(
            f'Failed to extract model data archive for container "container_1" from URL "{uri}". '
            f"Please ensure that the object located at the URL is a valid tar.gz archive. ({error})"
        ) from None
    make_readable(directory)
    for name, mode in modes.items():
        # tar keeps modes: a program in the model can still be started.
        if (path := directory / name).is_file():
            path.chmod(mode & 0o777 | 0o444)


def _is_file_or_directory(member: tarfile.TarInfo) -> bool:
    """True for a file or directory.

    "SageMaker can't extract the data archive if the model artifact contains symbolic links" (re:Post,
    sagemaker-endpoint-creation-fail); a device is no model either.
    """
    if not (member.isreg() or member.isdir() or member.islnk()):
        raise tarfile.TarError(f"{member.name} is neither a file nor a directory")
    return True
