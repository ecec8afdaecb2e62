"""Metrics that are read from a job's log by regular expressions: the expression's group is the value.

Source: SageMaker developer guide, automatic-model-tuning-define-metrics-variables and training-metrics.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def last_value(regex: str, lines: Iterable[str]) -> float | None:
    """The last value that the lines have for a metric; None when there is none. What is no number is passed over."""
    return final_metrics({"": regex}, lines).get("")


def final_metrics(regexes: Mapping[str, str], lines: Iterable[str]) -> dict[str, float]:
    """The last value of each metric that the lines have one for."""
    patterns = {name: re.compile(regex) for name, regex in regexes.items()}
    last: dict[str, float] = {}
    for line in lines if patterns else ():
        for name, pattern in patterns.items():
            for match in pattern.finditer(line):
                with contextlib.suppress(ValueError):
                    last[name] = float(match[1])
    return {name: last[name] for name in regexes if name in last}
