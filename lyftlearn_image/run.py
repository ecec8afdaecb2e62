"""What every target does: compile a workload into its platform's own request, and run that very request."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.workload import Workload


# An emulator needs a role in the request and asks nobody for it.
DEFAULT_ROLE = "arn:aws:iam::000000000000:role/lyftlearn"


class Status(StrEnum):
    """How a job ended, in SageMaker's words; Kubernetes' Complete and Failed are mapped onto them."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


@dataclass(frozen=True)
class Launch:
    """What compiling needs besides the workload: the names and places of one run of it.

    `job_name` is the same on both targets, so that a script that prints it prints the same. `s3_prefix` is
    `s3://bucket/prefix` without a final slash; model and output archives and the launch bundle go below it.
    `statsd` is `host:port` of the UDP gateway, or None to drop metrics. `observe_key` is the hex key of the digests
    that stand in for secrets in an observation; None asks for no observation.
    """

    job_name: str
    s3_prefix: str
    role_arn: str = DEFAULT_ROLE
    statsd: str | None = None
    observe_key: str | None = None


@dataclass(frozen=True)
class Compiled:
    """The platform's own request, ready to be sent or interpreted.

    `action` is `CreateTrainingJob`, `CreateProcessingJob`, another one of the API, or the kind of the main manifest.
    `documents` is that one request, or the requests or manifests in the order in which they must be sent; `actions` names
    each of several requests. `objects` maps S3 URIs to bytes that must be there before
    (the launch bundle, where it does not fit elsewhere). `outputs` maps an artifact's name to where the run leaves it:
    an archive `s3://…/model.tar.gz`, or a prefix that ends in `/`.
    """

    target: str
    action: str
    documents: tuple[Mapping[str, Any], ...]
    objects: Mapping[str, bytes] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Timings:
    """Seconds of each phase of one run. `startup_s` is from the container's start to the script's exec.

    `startup_s` is None where the shim wrote no observation; `script_s` then counts from the container's start.
    """

    prepare_s: float
    startup_s: float | None
    script_s: float
    collect_s: float


@dataclass(frozen=True)
class Trial:
    """One trial: its number from 0, what it tried, and the objective it reached, None where it failed or told none."""

    number: int
    values: Mapping[str, Any]
    objective: float | None


@dataclass(frozen=True)
class Run:
    """What one execution left behind.

    `exit_code` is the container's own status (128 + signal for a killed one). `reason` is SageMaker's FailureReason or
    the pod's termination message, empty when there is none. `stdout` and `stderr` are files with the exact bytes.
    `artifacts` maps names (`model`, `output`; a processing job's output names) to unpacked directories. `metrics` are
    StatsD lines in the order of arrival. `observation` is the realised environment that the shim wrote. `final_metrics` are
    the last values that the metrics' regular expressions found in the log; `trials` are those of a tuning job.
    """

    target: str
    job_name: str
    status: Status
    exit_code: int
    reason: str
    stdout: Path
    stderr: Path
    artifacts: Mapping[str, Path]
    observation: Mapping[str, Any] | None
    timings: Timings
    metrics: tuple[str, ...] = ()
    final_metrics: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class StopRequest:
    """Ask for the job to be stopped, as a user would: as soon as a line of its stdout matches, or when `asked` is set.

    An interruption takes the host away instead: spot capacity on SageMaker, a node that is drained on Kubernetes. It comes
    once, and the job starts again where its platform says so.
    """

    when: re.Pattern[str] | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    is_interruption: bool = False


class Target(Protocol):
    """A place where a workload can run. One instance serves many runs, from several threads at once."""

    name: str

    def compile(self, workload: Workload, launch: Launch) -> Compiled:
        """The request for this workload: pure and deterministic."""

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Run:
        """Carries the request out and collects what it left, below `workspace` (an empty directory of its own).

        `on_line` gets every stdout line as it comes. Raises UnsupportedError for a field that is not implemented,
        InvalidInputError for a request that the service would refuse, UnavailableError when the engine goes away.
        """
