"""The local control plane's hands: each of its jobs runs in the emulator, its log goes to CloudWatch Logs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import tuner
from lyftlearn_image.emulation.sagemaker.batch.transform import end_of
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import Status, StopRequest
from lyftlearn_image.runs.search import best_trial
from lyftlearn_image.runs.tuning import trial_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import boto3

    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record
    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind
    from lyftlearn_image.run import Run, Trial

_HOST = "algo-1"
_SOURCE = "aws.sagemaker"


class EmulatedJobs:
    """Runs records; see control_plane.Runner. Each has a directory of its own below `workspace`."""

    def __init__(
        self, emulator: SageMakerEmulator, session: boto3.Session, workspace: Path, hosting: Hosting | None = None
    ) -> None:
        self._hosting = hosting
        self._emulator = emulator
        self._logs: Any = session.client("logs")
        self._workspace = workspace

    def __call__(self, record: Record, tell: Callable[..., None]) -> None:
        """Runs one record to its end."""
        kind = record.kind
        name = record.request[kind.name_field]
        workspace = self._workspace / kind.name / name
        workspace.mkdir(parents=True)
        if kind.name == "training":
            tell(SecondaryStatus="Training", TrainingStartTime=time.time())
        models = self._hosting.models_of(record.request) if self._hosting and kind.name == "transform" else ()
        compiled = Compiled("sagemaker", kind.action, (*models, record.request))
        log = self._log(kind, name, _HOST)
        # Trials write their own logs, when they have ended.
        live = None if kind.name == "tuning" else log.add
        run = self._emulator.run(compiled, workspace=workspace, stop=StopRequest(asked=record.stop), on_line=live)
        if kind.name == "tuning":
            record.trials.extend(_trial_summary(run, one, record.request) for one in run.trials)
            for place in sorted((workspace / "trials").iterdir()):
                self._write(kind, place.name, place)
        else:
            # The service does not tell the two streams apart; which came first is not known any more.
            log.add_file(run.stderr)
            log.flush()
        for place in sorted((workspace / "hosts").glob("*")):
            self._write(kind, name, place)
        told = {kind.status_field: run.status.value, **_ENDS[kind.name](run, record.request)}
        tell(**{key: value for key, value in told.items() if value != ""})

    def _log(self, kind: Kind, name: str, host: str) -> Log:
        return Log(self._logs, kind.log_group, f"{name}/{host}-{int(time.time())}")

    def _write(self, kind: Kind, name: str, place: Path) -> None:
        """The streams of a host or a trial, in a stream of their own."""
        log = self._log(kind, name, place.name if place.parent.name == "hosts" else _HOST)
        for stream in ("stdout", "stderr"):
            log.add_file(place / stream)
        log.flush()


def _training_end(run: Run, _: Mapping[str, Any]) -> dict[str, Any]:
    now = time.time()
    metrics = [{"MetricName": name, "Value": value, "Timestamp": now} for name, value in run.final_metrics.items()]
    told = {"SecondaryStatus": run.status.value, "TrainingEndTime": now, "FailureReason": run.reason}
    return {**told, "FinalMetricDataList": metrics} if metrics else told


def _processing_end(run: Run, _: Mapping[str, Any]) -> dict[str, Any]:
    # The words of a real job (aws/sagemaker-python-sdk#1568).
    reason = f"AlgorithmError: See job logs for more information, exit code: {run.exit_code}" if run.exit_code else ""
    return {"ProcessingEndTime": time.time(), "ExitMessage": run.reason, "FailureReason": reason}


def _tuning_end(run: Run, request: Mapping[str, Any]) -> dict[str, Any]:
    told = sum(one.objective is not None for one in run.trials)
    lost = len(run.trials) - told
    found = {
        "HyperParameterTuningEndTime": time.time(),
        "FailureReason": run.reason,
        "TrainingJobStatusCounters": {"Completed": told, "InProgress": 0, "NonRetryableError": lost},
        "ObjectiveStatusCounters": {"Succeeded": told, "Pending": 0, "Failed": lost},
    }
    winner = best_trial(tuner.search_of(request).goal, run.trials)
    return {**found, "BestTrainingJob": _trial_summary(run, winner, request)} if winner else found


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
    reached = {"MetricName": tuner.objective_of(request)["MetricName"], "Value": trial.objective}
    return {**summary, "FinalHyperParameterTuningJobObjectiveMetric": reached}


def _transform_end(run: Run, _: Mapping[str, Any]) -> dict[str, Any]:
    return end_of(run)


_ENDS = {"transform": _transform_end, "training": _training_end, "processing": _processing_end, "tuning": _tuning_end}


class Publisher:
    """Tells EventBridge of a change, as the service does."""

    def __init__(self, session: boto3.Session) -> None:
        self._events: Any = session.client("events")

    def __call__(self, kind: Kind, told: Mapping[str, Any]) -> None:
        """Sends one event."""
        entry = {"Source": _SOURCE, "DetailType": kind.detail_type, "Detail": json.dumps(told)}
        self._events.put_events(Entries=[entry])
