"""What an ended job of a service has left, as a run: its log, its artifacts, its times."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lyftlearn_image.aws.s3_archives import download_outputs
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.run import Limit, Run, Status, Timings
from lyftlearn_image.runs.observation import read_observation
from lyftlearn_image.runs.told_limit import told_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from lyftlearn_image.run import State, Trial
    from lyftlearn_image.services.service import Service


# SecondaryStatus of DescribeTrainingJob (API reference), and the reason of a Job's condition (kubernetes.io/docs "Jobs").
_LIMITS = {
    "MaxRuntimeExceeded": Limit.RUNTIME,
    "MaxWaitTimeExceeded": Limit.WAIT,
    "DeadlineExceeded": Limit.RUNTIME,
}


@dataclass(frozen=True)
class EndedJob:
    """What a service says of a job. `outputs` maps the names of its artifacts to their S3 URIs; times are the service's own.

    `log` are the lines that tell how it ended: where it failed on one of several hosts, those of that host. `cut` says what
    is missing of them, and is complete when they were read.
    """

    job: str
    state: State
    log: Iterable[str]
    outputs: Mapping[str, str]
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    final_metrics: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    cut: Sequence[str] = ()


def collect_run(service: Service, ended: EndedJob, workspace: Path) -> Run:
    """Fetches artifacts and log below `workspace`. Raises InvalidInputError where the job has not ended.

    A service keeps no difference between stdout and stderr: all of the log is stdout.
    """
    job, state = ended.job, ended.state
    exit_code = 0 if state.status is Status.COMPLETED and state.exit_code is None else state.exit_code
    if state.status is None:
        raise InvalidInputError(f"{job} has not ended: {state.phase}", hint=f"Wait for it: lyftlearn-image wait {job}")
    began = time.monotonic()
    (workspace / "stderr").write_bytes(b"")
    with (workspace / "stdout").open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in ended.log)
    artifacts = download_outputs(service.s3, ended.outputs, workspace / "artifacts")
    return Run(
        target=service.name,
        job_name=job.rpartition("/")[2],
        status=state.status,
        exit_code=exit_code,
        reason=state.reason,
        stdout=workspace / "stdout",
        stderr=workspace / "stderr",
        artifacts=artifacts,
        observation=read_observation(artifacts),
        timings=Timings(
            prepare_s=_seconds(ended.created, ended.started),
            startup_s=None,
            script_s=_seconds(ended.started, ended.ended),
            collect_s=time.monotonic() - began,
        ),
        final_metrics=ended.final_metrics,
        trials=ended.trials,
        notes=(f"{service.name} does not tell the exit code of {job}",) if exit_code is None else (),
        cut=tuple(ended.cut),
        limit=_LIMITS.get(state.phase) or told_limit(state.reason),
    )


def _seconds(begin: datetime | None, end: datetime | None) -> float:
    return (end - begin).total_seconds() if begin and end else 0.0
