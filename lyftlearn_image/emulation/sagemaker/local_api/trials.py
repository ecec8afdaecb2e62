"""A tuning job's trials as the API tells of them: their summaries, the counters, and the best one so far. Pure.

Source: API reference, DescribeHyperParameterTuningJob, ListTrainingJobsForHyperParameterTuningJob and their data types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import tuner
from lyftlearn_image.run import Trial
from lyftlearn_image.runs.search import best_trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_image.emulation.sagemaker.local_api.record import Record

# A word of SortBy, and the member that it means.
BY_OBJECTIVE = "FinalObjectiveMetricValue"
_OBJECTIVE = "FinalHyperParameterTuningJobObjectiveMetric"
_COUNTED = {"Completed": "Completed", "Failed": "NonRetryableError", "Stopped": "Stopped"}
_SUMMARY_MEMBERS = (
    "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime", "TrainingJobStatus",
    "FailureReason",
)  # fmt: skip


def trial_summary(tuning: Record, trial: Record) -> dict[str, Any]:
    """HyperParameterTrainingJobSummary."""
    description = trial.description
    summary = {name: description[name] for name in _SUMMARY_MEMBERS if name in description}
    summary |= {"TuningJobName": tuning.name, "TunedHyperParameters": dict(trial.tuned)}
    if definition := tuning.request["TrainingJobDefinition"].get("DefinitionName"):
        summary["TrainingJobDefinitionName"] = definition
    objective = tuner.objective(tuning.request)
    value = _reached(tuning, trial)
    summary["ObjectiveStatus"] = _objective_status(trial, value)
    if value is not None:
        metric = {"Type": objective["Type"], "MetricName": objective["MetricName"], "Value": value}
        summary[_OBJECTIVE] = metric
    return summary


def sort_value(summary: Mapping[str, Any], name: str) -> Any:
    """What a list of trials is sorted by, for a member of a summary or BY_OBJECTIVE."""
    return summary.get(_OBJECTIVE, {}).get("Value") if name == BY_OBJECTIVE else summary.get(name)


def progress(tuning: Record) -> dict[str, Any]:
    """What DescribeHyperParameterTuningJob says of the trials so far."""
    statuses = [_COUNTED.get(trial.status, "InProgress") for trial in tuning.trials]
    names = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
    objectives = [_objective_status(trial, _reached(tuning, trial)) for trial in tuning.trials]
    told: dict[str, Any] = {
        "TrainingJobStatusCounters": {name: statuses.count(name) for name in names},
        "ObjectiveStatusCounters": {name: objectives.count(name) for name in ("Succeeded", "Pending", "Failed")},
        "ConsumedResources": {
            "RuntimeInSeconds": sum(trial.description.get("TrainingTimeInSeconds", 0) for trial in tuning.trials)
        },
    }
    best = _best(tuning, tuning.trials)
    return {**told, "BestTrainingJob": trial_summary(tuning, best)} if best else told


def _best(tuning: Record, trials: Sequence[Record]) -> Record | None:
    reached = [Trial(number, trial.tuned, _reached(tuning, trial)) for number, trial in enumerate(trials)]
    best = best_trial(tuner.objective(tuning.request)["Type"].lower(), reached)
    return trials[best.number] if best else None


def _reached(tuning: Record, trial: Record) -> float | None:
    """The objective of a trial that has completed."""
    name = tuner.objective(tuning.request)["MetricName"]
    metrics: Sequence[Mapping[str, Any]] = trial.description.get("FinalMetricDataList", [])
    value = next((metric["Value"] for metric in metrics if metric["MetricName"] == name), None)
    return value if trial.status == "Completed" else None


def _objective_status(trial: Record, value: float | None) -> str:
    if trial.status not in _COUNTED:
        return "Pending"
    return "Failed" if value is None else "Succeeded"
