"""What Describe says of a job: at its creation, at each change, and at its end. Pure: who calls brings the time.

Source: API reference, Describe…Job; the members are those of the installed botocore model. Times are seconds of the epoch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.job_plan import DEFAULT_RUNTIME_S
from lyftlearn_image.platforms.sagemaker.api_model import output_members
from lyftlearn_image.platforms.sagemaker.outputs import training_outputs
from lyftlearn_image.run import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind
    from lyftlearn_image.run import Run

# What the service says in SecondaryStatusTransitions (DescribeTrainingJob; of `Failed` and `Interrupted` it says its own).
_MESSAGES: Mapping[str, str] = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job interrupted: the spot capacity was taken away",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "Completed": "Training job completed",
    "MaxRuntimeExceeded": "Training job stopped: it exceeded its maximum runtime",
    "MaxWaitTimeExceeded": "Training job stopped: it exceeded its maximum wait time",
    "Failed": "Training job failed",
}
# Those of a reason that are a SecondaryStatus of their own: the emulator's reason begins with them.
_OVERRUNS = ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")
_STARTS = {"training": "TrainingStartTime", "processing": "ProcessingStartTime", "transform": "TransformStartTime"}
_ENDS = {
    "training": "TrainingEndTime",
    "processing": "ProcessingEndTime",
    "transform": "TransformEndTime",
    "tuning": "HyperParameterTuningEndTime",
}


def created(kind: Kind, request: Mapping[str, Any], arn: str, now: float) -> dict[str, Any]:
    """The description of a job that has just been created."""
    times = {"CreationTime": now, "LastModifiedTime": now}
    description = {**_answered(kind, request), f"{kind.stem}Arn": arn, kind.status_field: "InProgress", **times}
    if kind.name != "training":
        return description
    return {**description, **_training_members(request), **entered({}, "Starting", now)}


def _answered(kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
    """What of the request is told again: tags, for one, are not."""
    members = output_members(f"Describe{kind.stem}")
    return {name: value for name, value in request.items() if name in members}


def _training_members(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the service says of every training job, whatever its request says; clients read it (`KmsKeyId`: SDK v2, attach)."""
    return {
        "ModelArtifacts": {"S3ModelArtifacts": training_outputs(request)["model"]},
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **request["OutputDataConfig"]},
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_RUNTIME_S, **request.get("StoppingCondition", {})},
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "EnableInterContainerTrafficEncryption": request.get("EnableInterContainerTrafficEncryption", False),
        "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
        "ProfilingStatus": "Disabled",
    }


def entered(description: Mapping[str, Any], status: str, now: float, message: str = "") -> dict[str, Any]:
    """The fields that a training job's SecondaryStatus changes. The transition before ends where this one begins."""
    *before, last = description.get("SecondaryStatusTransitions", []) or [None]
    if last is not None:
        before.append({**last, "EndTime": last.get("EndTime", now)})
    transition = {"Status": status, "StartTime": now, "StatusMessage": message or _MESSAGES[status]}
    is_start = status == "Downloading" and "TrainingStartTime" not in description
    return {
        "SecondaryStatus": status,
        "SecondaryStatusTransitions": [*before, transition],
        **({"TrainingStartTime": now} if is_start else {}),
    }


def started(kind: Kind, now: float) -> dict[str, Any]:
    """The fields that the start of a job changes, where it is no training job, whose phases say more."""
    return {_STARTS[kind.name]: now} if kind.name in ("processing", "transform") else {}


def ended(kind: Kind, description: Mapping[str, Any], run: Run, now: float) -> dict[str, Any]:
    """The fields that the end of a run changes."""
    changes = _end(kind, description, run.status.value, _failure(kind, run), now)
    if kind.name == "training":
        metrics = [{"MetricName": name, "Value": value, "Timestamp": now} for name, value in _finite(run.final_metrics)]
        changes |= _training_end(description, _secondary_status(run), now, changes.get("FailureReason", ""))
        return {**changes, "FinalMetricDataList": metrics} if metrics else changes
    return {**changes, "ExitMessage": run.reason} if kind.name == "processing" and run.reason else changes


def broken_off(kind: Kind, description: Mapping[str, Any], status: Status, reason: str, now: float) -> dict[str, Any]:
    """The fields of a tuning job that has no result of its own."""
    return _end(kind, description, status.value, reason, now)


def failed(kind: Kind, description: Mapping[str, Any], reason: str, now: float) -> dict[str, Any]:
    """The fields of a job that broke off; `reason` begins with the service's word for whose fault it was."""
    changes = _end(kind, description, Status.FAILED.value, reason, now)
    return {**changes, **_training_end(description, "Failed", now, reason)} if kind.name == "training" else changes


def _end(kind: Kind, description: Mapping[str, Any], status: str, reason: str, now: float) -> dict[str, Any]:
    failure = {"FailureReason": reason} if reason else {}
    return {kind.status_field: status, _ENDS[kind.name]: max(now, description["CreationTime"]), **failure}


def _training_end(description: Mapping[str, Any], status: str, now: float, message: str) -> dict[str, Any]:
    """The last transition, which begins and ends at once, and the times: nothing is billed here but what a clock shows."""
    changes = entered(description, status, now, message)
    changes["SecondaryStatusTransitions"][-1]["EndTime"] = now
    begun = description.get("TrainingStartTime")
    if begun is None:
        return changes
    seconds = max(1, round(now - begun))
    return {**changes, "TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}


def _finite(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """JSON has no other numbers."""
    return [(name, value) for name, value in metrics.items() if math.isfinite(value)]


def _secondary_status(run: Run) -> str:
    return next((word for word in _OVERRUNS if run.reason.startswith(word)), run.status.value)


def _failure(kind: Kind, run: Run) -> str:
    """FailureReason. A processing job's own words are its ExitMessage; a stopped training job has no reason."""
    if kind.name == "processing":
        # The words of a real job (aws/sagemaker-python-sdk#1568).
        return f"AlgorithmError: See job logs for more information, exit code: {run.exit_code}" if run.exit_code else ""
    return run.reason if run.status is Status.FAILED else ""
