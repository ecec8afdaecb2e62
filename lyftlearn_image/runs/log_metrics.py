"""Metrics that are read from a job's log by regular expressions: the expression's group is the value.

Source: SageMaker developer guide, automatic-model-tuning-define-metrics-variables and training-metrics.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def last_value(regex: str, lines: Iterable[str]) -> float | None:
    """The last value that the lines have for a metric; None when there is none. What is no number is passed over."""
    pattern = re.compile(regex)
    last = None
    for line in lines:
        for match in pattern.finditer(line):
            try:
                last = float(match[1])
            except ValueError:
                continue
    return last


def final_metrics(regexes: Mapping[str, str], lines: Iterable[str]) -> dict[str, float]:
    """The last value of each metric that the lines have one for."""
    kept = list(lines) if regexes else []
    values = {name: last_value(regex, kept) for name, regex in regexes.items()}
    return {name: value for name, value in values.items() if value is not None}
