"""What came of a run: how it ended and what it left; and how somebody asks for its stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from pathlib import Path


class Status(StrEnum):
    """How a job ended, in SageMaker's words; Kubernetes' Complete and Failed are mapped onto them."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


class Limit(StrEnum):
    """What of its platform ended a run that would have gone on."""

    RUNTIME = "runtime"
    WAIT = "wait"
    MEMORY = "memory"
    DISK = "disk"

    @property
    def what(self) -> str:
        """The limit in words."""
        return {Limit.RUNTIME: "time", Limit.WAIT: "time for waiting and running"}.get(self, self.value)

    @property
    def is_of_time(self) -> bool:
        """Whether a slower or a faster machine would have decided otherwise."""
        return self in {Limit.RUNTIME, Limit.WAIT}

    def key(self, target: str) -> str:
        """The key of a workload that raises it on this target."""
        keys = {
            Limit.RUNTIME: "`max_runtime_s`",
            Limit.WAIT: "`spot.max_wait_s`",
            Limit.MEMORY: "`memory_mib`" if target == "kubernetes" else "`instance_type`",
            Limit.DISK: "the volume's size (`kubernetes.volumes`)" if target == "kubernetes" else "`volume_gb`",
        }
        return keys[self]


@dataclass(frozen=True)
class Timings:
    """Seconds of each phase of one run. `startup_s` is from the container's start to the script's exec.

    `startup_s` is None where the shim wrote no observation; `script_s` then counts from the container's start.
    """

    prepare_s: float
    startup_s: float | None
    script_s: float
    collect_s: float

    @property
    def total_s(self) -> float:
        """From the first preparation to the last byte collected."""
        return self.prepare_s + (self.startup_s or 0.0) + self.script_s + self.collect_s


@dataclass(frozen=True)
class Trial:
    """One trial: its number from 0, what it tried, and the objective it reached, None where it failed or printed none."""

    number: int
    values: Mapping[str, Any]
    objective: float | None


@dataclass(frozen=True)
class Run:
    """What one execution left behind.

    `exit_code` is the container's own status (128 + signal for a killed one), None where the platform does not tell it: a job
    that SageMaker itself stopped, or ended for a reason of its own. `reason` is SageMaker's FailureReason or
    the pod's termination message, empty when there is none. `stdout` and `stderr` are files with the exact bytes.
    `artifacts` maps names (`model`, `output`; a processing job's output names) to unpacked directories. `metrics` are
    StatsD lines in the order of arrival. `observation` is the realised environment that the shim wrote. `final_metrics` are
    the last values that the metrics' regular expressions found in the log; `trials` are those of a tuning job. `notes` name
    what the run asked for and was not held to here: limits that are not enforced. `cut` says of what the run left more than
    is kept. `limit` is the one that ended it, None where none did, or the platform does not tell.
    """

    target: str
    job_name: str
    status: Status
    exit_code: int | None
    reason: str
    stdout: Path
    stderr: Path
    artifacts: Mapping[str, Path]
    observation: Mapping[str, Any] | None
    timings: Timings
    metrics: tuple[str, ...] = ()
    final_metrics: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    limit: Limit | None = None


@dataclass(frozen=True)
class StopRequest:
    """Ask for the job to be stopped, as a user would: as soon as a line of its stdout matches, or when `asked` is set.

    An interruption takes the host away instead: spot capacity on SageMaker, a node that is drained on Kubernetes. It comes
    once, and the job starts again where its platform says so.
    """

    when: re.Pattern[str] | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    is_interruption: bool = False

    def cancel(self) -> None:
        """Asks for the stop. A run that is to be interrupted goes on: it would start again."""
        if not self.is_interruption:
            self.asked.set()


@dataclass(frozen=True)
class State:
    """Where a job is. `status` is None while it is under way; `phase` is the service's own word for it.

    `is_waiting` is for a job of which nothing runs yet; `reason` then says what it waits for, as far as that is known.
    `attempt` is such as `attempt 2 of 3`, where a failed job was started again.
    """

    status: Status | None
    phase: str
    reason: str = ""
    exit_code: int | None = None
    is_waiting: bool = False
    attempt: str = ""
