"""A training job's metrics as CloudWatch has them: a value for each match of a metric's expression in the job's log.

Source: developer guide, training-metrics: the namespace, the dimension; CloudWatch API reference, PutMetricData: 1,000 values a
request.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_BATCH = 500
_FLUSH_S = 1.0


class MetricSeries:
    """Values of one job, sent in batches. The local endpoint has them in memory: after `limit` no more are kept."""

    def __init__(self, client: Callable[[], Any], job_name: str, regexes: Mapping[str, str], limit: int = 20_000) -> None:
        self._client = client
        self._dimensions = [{"Name": "TrainingJobName", "Value": job_name}]
        self._patterns = {name: re.compile(regex) for name, regex in regexes.items()}
        self._left = limit
        self._waiting: list[dict[str, Any]] = []
        self._flushed_at = time.monotonic()
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """The values in one line of the log; what is no number is passed over."""
        for name, pattern in self._patterns.items():
            for match in pattern.finditer(line):
                with contextlib.suppress(ValueError):
                    self._add(name, float(match[1]))

    def _add(self, name: str, value: float) -> None:
        with self._lock:
            if not math.isfinite(value) or self._left <= 0:
                return
            self._left -= 1
            datum = {"MetricName": name, "Dimensions": self._dimensions, "Value": value, "Timestamp": time.time()}
            self._waiting.append(datum)
            is_due = len(self._waiting) >= _BATCH or time.monotonic() - self._flushed_at > _FLUSH_S
        if is_due:
            self.flush()

    def flush(self) -> None:
        """Sends the values that wait."""
        with self._lock:
            values, self._waiting = self._waiting, []
            self._flushed_at = time.monotonic()
        if values:
            self._client().put_metric_data(Namespace=NAMESPACE, MetricData=values)
