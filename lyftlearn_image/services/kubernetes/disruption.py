"""Pods that were taken away from a Job: a drained or lost node, a preemption (kubernetes.io/docs "Disruptions").

Such a pod is deleted, its log and exit code with it, and without a failure policy it counts as failed: the Job's own words are
then those of any failure ("Job has reached the specified backoff limit").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.services.kubernetes.waiting import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_OUT_OF_RETRIES = "BackoffLimitExceeded"
_ADVICE = "`kubernetes.do_not_disrupt` asks that a job's node be left alone, and with `spot` it goes on from its checkpoints"


def disruption(pod: Any) -> Any:
    """The condition that says why a pod is taken away; None where it is not."""
    conditions = (pod.status.conditions if pod.status else None) or []
    return next((item for item in conditions if item.type == "DisruptionTarget" and item.status == "True"), None)


def describe_loss(reason: str, pods: Sequence[Any], deciding: Any) -> str:
    """What became of the pods of a Job that failed for `reason`; empty where the one that decides, if any, ended by itself."""
    if not pods and reason == _OUT_OF_RETRIES:
        return f"its pods are gone, as they are where a node is drained: {_ADVICE}"
    for pod in [deciding] if deciding else pods:
        if condition := disruption(pod):
            told = ": ".join(part for part in (condition.reason, one_line(condition.message)) if part)
            return f"pod {pod.metadata.name} was taken away ({told}): {_ADVICE}"
    return ""
