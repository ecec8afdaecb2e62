"""The exponential back-off of Kubernetes' controllers.

Its waits end early when a pod is deleted or another pod changes, so they are waits on events, not a retry library's sleeps.
"""

from __future__ import annotations


def backoff_s(initial_s: float, failures: int, *, maximum_s: float) -> float:
    """Seconds to wait after so many failures in a row: none without a failure, then doubled each time up to a maximum."""
    return min(initial_s * 2 ** (failures - 1), maximum_s) if failures else 0.0
