"""Runs the local API's jobs in the emulator; their logs go to CloudWatch Logs, their changes to EventBridge."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import tuner
from lyftlearn_image.emulation.sagemaker.batch.transform import describe_end
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker.outputs import training_outputs
from lyftlearn_image.run import Status, StopRequest
from lyftlearn_image.runs.search import best_trial
from lyftlearn_image.runs.tuning import trial_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record
    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind
    from lyftlearn_image.run import Run, Trial

_HOST = "algo-1"
_SOURCE = "aws.sagemaker"


class EmulatedJobs:
    """Runs records; see control_plane.JobRunner. Each has a directory of its own below `workspace`."""

    def __init__(
        self, emulator: SageMakerEmulator, endpoint: AwsEndpoint, workspace: Path, hosting: Hosting | None = None
    ) -> None:
        self._hosting = hosting
        self._emulator = emulator
        self._logs: Any = endpoint.client("logs")
        self._workspace = workspace

    def __call__(self, record: Record, update: Callable[..., None]) -> None:
        """Runs one record to its end."""
        kind = record.kind
        name = record.request[kind.name_field]
        workspace = self._workspace / kind.name / name
        workspace.mkdir(parents=True)
        if kind.name == "training":
            update(SecondaryStatus="Training", TrainingStartTime=time.time())
        models = self._hosting.model_requests(record.request) if self._hosting and kind.name == "transform" else ()
        compiled = Compiled("sagemaker", kind.action, (*models, record.request))
        log = self._log(kind, name, _HOST)
        # Trials write their own logs, when they have ended.
        live = None if kind.name == "tuning" else log.add
        run = self._emulator.run(compiled, workspace=workspace, stop=StopRequest(asked=record.stop), on_line=live)
        if kind.name == "tuning":
            record.trials.extend(_trial_summary(run, trial, record.request) for trial in run.trials)
            for directory in sorted((workspace / "trials").iterdir()):
                self._write_log(kind, directory.name, directory)
        else:
            # CloudWatch Logs has both streams in one; which line came first is not known any more.
            log.add_file(workspace / "stderr")
            log.flush()
        for directory in sorted((workspace / "hosts").glob("*")):
            self._write_log(kind, name, directory)
        description = {kind.status_field: run.status.value, **_DESCRIBE_END[kind.name](run, record.request)}
        update(**{field: value for field, value in description.items() if value != ""})

    def _log(self, kind: Kind, name: str, host: str) -> Log:
        return Log(self._logs, kind.log_group, f"{name}/{host}-{int(time.time())}")

    def _write_log(self, kind: Kind, name: str, directory: Path) -> None:
        """The streams of a host or a trial, in a stream of their own."""
        log = self._log(kind, name, directory.name if directory.parent.name == "hosts" else _HOST)
        for stream in ("stdout", "stderr"):
            log.add_file(directory / stream)
        log.flush()


def _training_end(run: Run, request: Mapping[str, Any]) -> dict[str, Any]:
    now = time.time()
    metrics = [{"MetricName": name, "Value": value, "Timestamp": now} for name, value in run.final_metrics.items()]
    description: dict[str, Any] = {
        "SecondaryStatus": run.status.value, "TrainingEndTime": now, "FailureReason": run.reason,
        "ModelArtifacts": {"S3ModelArtifacts": training_outputs(request)["model"]},
    }  # fmt: skip
    return {**description, "FinalMetricDataList": metrics} if metrics else description


def _processing_end(run: Run, _: Mapping[str, Any]) -> dict[str, Any]:
    # The words of a real job (aws/sagemaker-python-sdk#1568).
    reason = f"AlgorithmError: See job logs for more information, exit code: {run.exit_code}" if run.exit_code else ""
    return {"ProcessingEndTime": time.time(), "ExitMessage": run.reason, "FailureReason": reason}


def _tuning_end(run: Run, request: Mapping[str, Any]) -> dict[str, Any]:
    succeeded = sum(trial.objective is not None for trial in run.trials)
    failed = len(run.trials) - succeeded
    description = {
        "HyperParameterTuningEndTime": time.time(),
        "FailureReason": run.reason,
        "TrainingJobStatusCounters": {"Completed": succeeded, "InProgress": 0, "NonRetryableError": failed},
        "ObjectiveStatusCounters": {"Succeeded": succeeded, "Pending": 0, "Failed": failed},
    }
    winner = best_trial(tuner.parse_search(request).goal, run.trials)
    return {**description, "BestTrainingJob": _trial_summary(run, winner, request)} if winner else description


def _trial_summary(run: Run, trial: Trial, request: Mapping[str, Any]) -> dict[str, Any]:
    """HyperParameterTrainingJobSummary (API reference)."""
    values = {name: value if isinstance(value, str) else repr(value) for name, value in trial.values.items()}
    summary = {
        "TrainingJobName": trial_name(run.job_name, trial.number),
        "TrainingJobStatus": Status.FAILED if trial.objective is None else Status.COMPLETED,
        "CreationTime": time.time(),
        "TunedHyperParameters": values,
    }
    if trial.objective is None:
        return summary
    metric = {"MetricName": tuner.objective(request)["MetricName"], "Value": trial.objective}
    return {**summary, "FinalHyperParameterTuningJobObjectiveMetric": metric}


def _transform_end(run: Run, _: Mapping[str, Any]) -> dict[str, Any]:
    return describe_end(run)


_DESCRIBE_END = {
    "transform": _transform_end, "training": _training_end, "processing": _processing_end, "tuning": _tuning_end,
}  # fmt: skip


class Publisher:
    """Sends EventBridge an event of a change, as the service does."""

    def __init__(self, endpoint: AwsEndpoint) -> None:
        self._events: Any = endpoint.client("events")

    def __call__(self, kind: Kind, detail: Mapping[str, Any]) -> None:
        """Sends one event."""
        entry = {"Source": _SOURCE, "DetailType": kind.detail_type, "Detail": json.dumps(detail)}
        self._events.put_events(Entries=[entry])
