"""How many replicas a server has: by its use, and while nodes are drained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.metadata import INSTANCE_LABEL, NAME_LABEL, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.workload import Workload
    from lyftlearn_image.workload.kubernetes import Autoscaling


def replica_policies(workload: Workload, name: str) -> Iterator[dict[str, Any]]:
    """The PodDisruptionBudget and the HorizontalPodAutoscaler of the Deployment of this name, as far as they are wanted."""
    if budget := workload.kubernetes.disruption_budget:
        bounds = {"minAvailable": budget.min_available, "maxUnavailable": budget.max_unavailable}
        selector = {"matchLabels": {NAME_LABEL: workload.name, INSTANCE_LABEL: name}}
        yield {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(workload, name),
            "spec": {**{key: value for key, value in bounds.items() if value is not None}, "selector": selector},
        }
    if scaling := workload.kubernetes.autoscaling:
        yield {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata(workload, name),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": scaling.min_replicas,
                "maxReplicas": scaling.max_replicas,
                "metrics": _metrics(scaling),
            },
        }


def _metrics(scaling: Autoscaling) -> list[dict[str, Any]]:
    percents = {"cpu": scaling.cpu_percent, "memory": scaling.memory_percent}
    return [
        {"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": percent}}}
        for name, percent in percents.items()
        if percent is not None
    ]
