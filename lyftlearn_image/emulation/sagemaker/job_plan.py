"""How a request becomes a job here: what a training and a processing job have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.docker.container_spec import Mount

# StoppingCondition.MaxRuntimeInSeconds: "The default value is 1 day" (API reference; for processing it is not documented).
DEFAULT_RUNTIME_S = 24 * 3600
# Of FailureReason and of ExitMessage (API reference).
REASON_CHARACTERS = 1024
# So many bytes hold that many characters, however long they are in UTF-8.
HEAD_BYTES = 4 * REASON_CHARACTERS


@dataclass(frozen=True)
class Account:
    """The account that jobs run in: what stands in their ARNs."""

    region: str
    number: str = "000000000000"

    def arn(self, resource_type: str, name: str) -> str:
        """The ARN of a resource of a type such as `training-job`."""
        return f"arn:aws:sagemaker:{self.region}:{self.number}:{resource_type}/{name}"


@dataclass(frozen=True)
class Checkpoints:
    """A host's directory that is kept the same as a prefix, deletions included; `known` is its snapshot at the start."""

    directory: Path
    uri: str
    known: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Host:
    """One host of a job, such as `algo-1`: its files of this machine, and what of them its container has mounted."""

    name: str
    directory: Path
    mounts: tuple[Mount, ...]
    checkpoints: Checkpoints | None = None


@dataclass(frozen=True)
class Upload:
    """What goes to `uri` at the end: the content of `directory` of every host. An archive, or a prefix ending in `/`."""

    directory: str
    uri: str


@dataclass(frozen=True)
class JobPlan:
    """What runs, and what it sees.

    `entrypoint` and `arguments` are those of `docker run`: None leaves the image's own. `stop_signal` is what a stop
    begins with. `metrics` maps names to regular expressions with one group, for lines of the log. `role_arn` is whose
    credentials it gets, unless it is isolated. `volume_gb` is only what is asked for.
    """

    name: str
    image: str
    entrypoint: tuple[str, ...] | None
    arguments: tuple[str, ...] | None
    instance_type: str
    environment: Mapping[str, str]
    hosts: tuple[Host, ...]
    stop_signal: str
    max_runtime_s: int
    role_arn: str
    uploads: tuple[Upload, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)
    is_isolated: bool = False
    volume_gb: int | None = None


@dataclass(frozen=True)
class Rank:
    """A host's index, from 0, and the number of hosts."""

    index: int
    count: int

    @property
    def name(self) -> str:
        """The host's name."""
        return host_names(self.count)[self.index]


def ranks(count: int) -> tuple[Rank, ...]:
    """The ranks of so many hosts."""
    return tuple(Rank(index, count) for index in range(count))


def host_names(count: int) -> tuple[str, ...]:
    """The names of a job's hosts, as they are today (developer guide, your-algorithms-training-algo-running-container)."""
    return tuple(f"algo-{number}" for number in range(1, count + 1))


def max_runtime_s(request: Mapping[str, Any]) -> int:
    """The seconds after which the job is stopped."""
    return int(request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_RUNTIME_S))


def download_input(s3: S3Client, source: Mapping[str, Any], directory: Path, rank: Rank, *, label: str) -> None:
    """Copies the data of a channel or input, an S3DataSource or S3Input, for one host.

    Every object for FullyReplicated; for ShardedByS3Key an equal share of them, and for a host too many none (API reference,
    S3DataSource). Which ones is not documented: here every n-th. Raises InvalidInputError when there is none at all, as the
    service does (observed: aws/amazon-sagemaker-examples#2267).
    """
    uri = source["S3Uri"]
    keys = objects.list_uri(s3, uri)
    if not keys:
        raise InvalidInputError(f"{label}: No S3 objects found under S3 URL {uri}", hint="Check the bucket and the prefix.")
    files = [key for key in keys if not key.endswith("/")]
    is_sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
    objects.download_prefix(s3, uri, directory, files[rank.index :: rank.count] if is_sharded else files)


def read_head(path: Path) -> bytes:
    """The first HEAD_BYTES of a file that the container may have written; empty for none, and for a link to anywhere."""
    if path.is_symlink() or not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def argument_list(container: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """ContainerEntrypoint or ContainerArguments of a request."""
    return tuple(container[name]) if container.get(name) else None


def make_readable(directory: Path) -> None:
    """Lets every user of a container read what lies here, whatever the umask of this process."""
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
