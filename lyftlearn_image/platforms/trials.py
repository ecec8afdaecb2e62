"""The trials of a search, as far as they are known before it runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeGuard

from lyftlearn_image.workload import Choice, FloatRange, IntegerRange, Tuning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.launch import TargetName
    from lyftlearn_image.workload import Range, Training, Workload


def is_driven_from_here(workload: Workload, target: TargetName) -> TypeGuard[Tuning]:
    """Whether the trials are started one by one from where the workload is sent: Kubernetes has no tuner."""
    return target == "kubernetes" and isinstance(workload, Tuning)


def search_space(workload: Tuning) -> dict[str, Any]:
    """What to search, towards what and how often, as data."""
    return {
        "objective": {"metric": workload.objective, "regex": workload.metrics[workload.objective], "goal": workload.goal},
        "ranges": {name: values.model_dump(mode="json") for name, values in sorted(workload.search_space.items())},
        "strategy": workload.strategy,
        "early_stopping": workload.early_stopping,
        "seed": workload.seed,
        "max_trials": workload.max_trials,
        "parallel_trials": workload.parallel_trials,
    }


def first_trial(workload: Tuning) -> Training:
    """The training with which the search begins."""
    return workload.as_trial(first_values(workload.search_space))


def first_values(ranges: Mapping[str, Range]) -> dict[str, Any]:
    """Where the search begins: the middle of every range, the first of every choice."""
    return {name: _middle(values) for name, values in sorted(ranges.items())}


def _middle(values: Range) -> Any:
    match values:
        case FloatRange():
            return math.sqrt(values.low * values.high) if values.log else (values.low + values.high) / 2
        case IntegerRange():
            return round(math.sqrt(values.low * values.high)) if values.log else (values.low + values.high) // 2
        case Choice():
            return values.values[0]
    raise TypeError(type(values))  # pragma: no cover - these are all ranges
