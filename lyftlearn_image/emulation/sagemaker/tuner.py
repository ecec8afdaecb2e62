"""A CreateHyperParameterTuningJob request: its search, and the training job of each trial.

Sources: API reference, CreateHyperParameterTuningJob; developer guide, automatic-model-tuning-define-metrics-variables.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.runs.search import Search
from lyftlearn_image.runs.tuning import trial_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.workload import Range

# What the tuner adds to every trial's hyperparameters: the name of the objective.
OBJECTIVE_METRIC = "_tuning_objective_metric"
# Fields of the definition that a training job's request does not have, or has by another name.
_RESOURCES = "HyperParameterTuningResourceConfig"
_TUNING_ONLY_FIELDS = ("StaticHyperParameters", "AlgorithmSpecification", "DefinitionName", _RESOURCES)
_TUNING_ONLY_ALGORITHM_FIELDS = ("AlgorithmName",)


def parse_search(request: Mapping[str, Any]) -> Search:
    """The search that the request describes. Without a seed the search begins at seed 0 here."""
    from lyftlearn_image.workload import Choice  # noqa: PLC0415 - see `_ranges`

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
        goal=objective(request)["Type"].lower(),
        seed=int(config.get("RandomSeed", 0)),
        trials=grid if strategy == "grid" else int(limits.get("MaxNumberOfTrainingJobs", 1)),
        parallel=int(limits["MaxParallelTrainingJobs"]),
    )


def objective(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """`Type` and `MetricName` of the objective."""
    declared: Mapping[str, Any] | None = request["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    if not declared:
        raise InvalidInputError("HyperParameterTuningJobConfig: there is no HyperParameterTuningJobObjective")
    return declared


def objective_regex(request: Mapping[str, Any]) -> str:
    """The regular expression of the objective's metric."""
    name = objective(request)["MetricName"]
    definitions = _definition(request)["AlgorithmSpecification"].get("MetricDefinitions", [])
    regex = next((metric["Regex"] for metric in definitions if metric["Name"] == name), None)
    if regex is None:
        raise InvalidInputError(f"MetricDefinitions has no {name}, which is the objective")
    return str(regex)


def written(values: Mapping[str, Any]) -> dict[str, str]:
    """A trial's values as the API has them: strings."""
    return {name: value if isinstance(value, str) else repr(value) for name, value in values.items()}


def _definition(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if "TrainingJobDefinition" not in request:
        raise UnsupportedError("the embedded target needs a TrainingJobDefinition, one for all trials")
    return cast("Mapping[str, Any]", request["TrainingJobDefinition"])


def trial_request(request: Mapping[str, Any], number: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """The CreateTrainingJob request of one trial."""
    definition = _definition(request)
    algorithm = definition["AlgorithmSpecification"]
    return {
        "TrainingJobName": trial_name(request["HyperParameterTuningJobName"], number),
        "AlgorithmSpecification": {key: value for key, value in algorithm.items() if key not in _TUNING_ONLY_ALGORITHM_FIELDS},
        "HyperParameters": {
            **definition.get("StaticHyperParameters", {}),
            **written(values),
            OBJECTIVE_METRIC: objective(request)["MetricName"],
        },
        # The one stands for the other (API reference, HyperParameterTuningResourceConfig); SDK v2 sends none but the second.
        **({"ResourceConfig": definition[_RESOURCES]} if _RESOURCES in definition else {}),
        **{key: value for key, value in definition.items() if key not in _TUNING_ONLY_FIELDS},
    }


def _ranges(declared: Mapping[str, Any]) -> dict[str, Range]:
    from lyftlearn_image.workload import Choice, FloatRange, IntegerRange  # noqa: PLC0415 - 200 ms, for who searches

    ranges: dict[str, Range] = {}
    for parameter in declared.get("ContinuousParameterRanges", []):
        ranges[parameter["Name"]] = FloatRange(
            low=float(parameter["MinValue"]), high=float(parameter["MaxValue"]), log=_is_log(parameter)
        )
    for parameter in declared.get("IntegerParameterRanges", []):
        ranges[parameter["Name"]] = IntegerRange(
            low=int(parameter["MinValue"]), high=int(parameter["MaxValue"]), log=_is_log(parameter)
        )
    for parameter in declared.get("CategoricalParameterRanges", []):
        ranges[parameter["Name"]] = Choice(values=tuple(parameter["Values"]))
    if not ranges:
        raise InvalidInputError("ParameterRanges: there is nothing to search")
    return ranges


def _is_log(parameter: Mapping[str, Any]) -> bool:
    return parameter.get("ScalingType") == "Logarithmic"
