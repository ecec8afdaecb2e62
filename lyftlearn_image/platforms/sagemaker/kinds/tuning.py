"""From a search to CreateHyperParameterTuningJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker import actions
from lyftlearn_image.platforms.sagemaker.kind import WorkloadKind
from lyftlearn_image.platforms.sagemaker.kinds.training import lint_duration, training_members
from lyftlearn_image.platforms.sagemaker.overflow import Slots
from lyftlearn_image.platforms.sagemaker.request_parts import request_parts, set_members
from lyftlearn_image.workload import Choice, FloatRange, IntegerRange
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Range, Tuning

_STRATEGIES = {"bayesian": "Bayesian", "random": "Random", "grid": "Grid"}


def compile_tuning(workload: Tuning, launch: Launch) -> Compiled:
    """CreateHyperParameterTuningJob. Its trials leave their archives under names that the tuner makes."""
    slots = Slots(
        actions.TUNING,
        environment="TrainingJobDefinition.Environment",
        hyperparameters="TrainingJobDefinition.StaticHyperParameters",
        observation=contract.TRAINING_OBSERVATION,
        # The tuner adds the ranges' hyperparameters and _tuning_objective_metric to the static ones; 100 is for all of them
        # (developer guide, automatic-model-tuning-define-metrics-variables).
        reserved_hyperparameters=len(workload.search_space) + 1,
    )
    parts = request_parts(workload, launch, slots)
    request = set_members(
        {
            "HyperParameterTuningJobName": launch.job_name,
            "HyperParameterTuningJobConfig": {
                "Strategy": _STRATEGIES[workload.strategy],
                "HyperParameterTuningJobObjective": {"Type": workload.goal.capitalize(), "MetricName": workload.objective},
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": workload.trials,
                    "MaxParallelTrainingJobs": workload.parallel_trials,
                },
                "ParameterRanges": _parameter_ranges(workload.search_space),
                "TrainingJobEarlyStoppingType": "Auto" if workload.early_stopping else "Off",
                "RandomSeed": workload.seed,
            },
            "TrainingJobDefinition": {
                **training_members(workload, launch, parts),
                "StaticHyperParameters": parts.hyperparameters,
                "Environment": parts.environment,
            },
            "Tags": parts.tags,
        }
    )
    return Compiled("sagemaker", actions.TUNING, (request,), parts.objects)


def _parameter_ranges(search_space: Mapping[str, Range]) -> dict[str, list[dict[str, Any]]]:
    """The search space in the API's words, with numbers as the strings that it takes."""
    ranges: dict[str, list[dict[str, Any]]] = {}
    for name, parameter in sorted(search_space.items()):
        values: dict[str, Any]
        match parameter:
            case FloatRange() | IntegerRange():
                member = "ContinuousParameterRanges" if isinstance(parameter, FloatRange) else "IntegerParameterRanges"
                scaling = "Logarithmic" if parameter.log else "Linear"
                values = {"MinValue": str(parameter.low), "MaxValue": str(parameter.high), "ScalingType": scaling}
            case Choice():
                member = "CategoricalParameterRanges"
                encoded = bundle.encode_hyperparameters({str(index): value for index, value in enumerate(parameter.values)})
                values = {"Values": list(encoded.values())}
            case _:  # pragma: no cover - these are all ranges
                raise TypeError(type(parameter))
        ranges.setdefault(member, []).append({"Name": name, **values})
    return ranges


KIND = WorkloadKind(
    compile=compile_tuning,
    log_group="TrainingJobs",
    metrics_namespace="/aws/sagemaker/TrainingJobs",
    reads=("channels",),
    synchronises=("checkpoints",),
    fields={
        "MetricName": ("objective",),
        "MaxNumberOfTrainingJobs": ("max_trials",),
        "MaxParallelTrainingJobs": ("parallel_trials",),
        "RandomSeed": ("seed",),
    },
    lint=lint_duration,
)
