"""The trials of a search, as far as they are known before it runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lyftlearn_image.workload import Choice, FloatRange, IntegerRange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.workload import Range, Training, Tuning


def search_space(workload: Tuning) -> dict[str, Any]:
    """What to search, towards what and how often, as data."""
    return {
        "objective": {"metric": workload.objective, "regex": workload.metrics[workload.objective], "goal": workload.goal},
        "ranges": {name: one.model_dump(mode="json") for name, one in sorted(workload.search_space.items())},
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
    return {name: _middle(one) for name, one in sorted(ranges.items())}


def _middle(one: Range) -> Any:
    match one:
        case FloatRange():
            return math.sqrt(one.low * one.high) if one.log else (one.low + one.high) / 2
        case IntegerRange():
            return round(math.sqrt(one.low * one.high)) if one.log else (one.low + one.high) // 2
        case Choice():
            return one.values[0]
    raise TypeError(type(one))  # pragma: no cover - these are all ranges
