"""A CreateHyperParameterTuningJob request: its search, and the training job of each trial.

Sources: API reference, CreateHyperParameterTuningJob; developer guide, automatic-model-tuning-define-metrics-variables.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.runs.search import Search
from lyftlearn_image.runs.tuning import trial_name
from lyftlearn_image.workload import Choice, FloatRange, IntegerRange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.workload import Range

# What the tuner adds to every trial's hyperparameters: the name of the objective.
OBJECTIVE_METRIC = "_tuning_objective_metric"
# Fields of the definition that a training job's request does not have, or has by another name.
_NOT_OF_A_JOB = ("StaticHyperParameters", "AlgorithmSpecification", "DefinitionName")
_NOT_OF_AN_ALGORITHM = ("AlgorithmName",)


def search_of(request: Mapping[str, Any]) -> Search:
    """What the request wants to be tried. Without a seed the search begins at seed 0 here."""
    config = request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    ranges = _ranges(config.get("ParameterRanges", {}))
    strategy = config["Strategy"].lower()
    if strategy == "grid" and not all(isinstance(one, Choice) for one in ranges.values()):
        raise InvalidInputError("ParameterRanges: the strategy Grid takes categorical parameters only")
    # A grid has as many trials as combinations (API reference, ResourceLimits).
    grid = math.prod(len(one.values) for one in ranges.values() if isinstance(one, Choice))
    return Search(
        ranges=ranges,
        strategy=strategy,
        goal=objective_of(request)["Type"].lower(),
        seed=int(config.get("RandomSeed", 0)),
        trials=grid if strategy == "grid" else int(limits.get("MaxNumberOfTrainingJobs", 1)),
        parallel=int(limits["MaxParallelTrainingJobs"]),
    )


def objective_of(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """`Type` and `MetricName` of the objective."""
    found = request["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    if not found:
        raise InvalidInputError("HyperParameterTuningJobConfig: there is no HyperParameterTuningJobObjective")
    objective: Mapping[str, Any] = found
    return objective


def regex_of(request: Mapping[str, Any]) -> str:
    """The regular expression of the objective's metric."""
    wanted = objective_of(request)["MetricName"]
    definitions = request["TrainingJobDefinition"]["AlgorithmSpecification"].get("MetricDefinitions", [])
    found = next((one["Regex"] for one in definitions if one["Name"] == wanted), None)
    if found is None:
        raise InvalidInputError(f"MetricDefinitions has no {wanted}, which is the objective")
    return str(found)


def trial_request(request: Mapping[str, Any], number: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """The CreateTrainingJob request of one trial."""
    definition = request["TrainingJobDefinition"]
    algorithm = definition["AlgorithmSpecification"]
    return {
        "TrainingJobName": trial_name(request["HyperParameterTuningJobName"], number),
        "AlgorithmSpecification": {key: value for key, value in algorithm.items() if key not in _NOT_OF_AN_ALGORITHM},
        "HyperParameters": {
            **definition.get("StaticHyperParameters", {}),
            **{name: value if isinstance(value, str) else repr(value) for name, value in values.items()},
            OBJECTIVE_METRIC: objective_of(request)["MetricName"],
        },
        **{key: value for key, value in definition.items() if key not in _NOT_OF_A_JOB},
    }


def _ranges(said: Mapping[str, Any]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for one in said.get("ContinuousParameterRanges", []):
        found[one["Name"]] = FloatRange(low=float(one["MinValue"]), high=float(one["MaxValue"]), log=_is_log(one))
    for one in said.get("IntegerParameterRanges", []):
        found[one["Name"]] = IntegerRange(low=int(one["MinValue"]), high=int(one["MaxValue"]), log=_is_log(one))
    for one in said.get("CategoricalParameterRanges", []):
        found[one["Name"]] = Choice(values=tuple(one["Values"]))
    if not found:
        raise InvalidInputError("ParameterRanges: there is nothing to search")
    return found


def _is_log(one: Mapping[str, Any]) -> bool:
    return one.get("ScalingType") == "Logarithmic"
