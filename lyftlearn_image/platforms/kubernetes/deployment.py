"""A Deployment with its Service, for what runs until it is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.metadata import (
    MANAGED_BY,
    NAME_LABEL,
    main_annotations,
    metadata,
    service_account,
)
from lyftlearn_image.platforms.launch import Compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.kubernetes.pod_template import PodParts
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Workload


@dataclass(frozen=True)
class DeploymentPlan:
    """What the Deployments of one kind have of their own. `documents` are created before the Service."""

    pod: Mapping[str, Any]
    port: int
    replicas: int
    strategy: Mapping[str, Any]
    documents: list[dict[str, Any]] = field(default_factory=list)


def compile_deployment(workload: Workload, launch: Launch, parts: PodParts, plan: DeploymentPlan) -> Compiled:
    """The Deployment after the ServiceAccount, the ConfigMaps, the plan's own documents and the Service."""
    name = launch.job_name
    selector = {NAME_LABEL: workload.name, "app.kubernetes.io/instance": name}
    inner: dict[str, Any] = {"labels": {**workload.kubernetes.labels, **selector, **MANAGED_BY}}
    if workload.kubernetes.annotations:
        inner["annotations"] = dict(workload.kubernetes.annotations)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(workload, name, main_annotations(workload)),
        "spec": {
            "replicas": plan.replicas,
            "strategy": plan.strategy,
            "selector": {"matchLabels": selector},
            "template": {"metadata": inner, "spec": plan.pod},
        },
    }
    port = {"name": "http", "port": plan.port, "targetPort": "http", "protocol": "TCP"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(workload, name),
        "spec": {"selector": selector, "ports": [port]},
    }
    documents = (*service_account(workload), *parts.config_maps, *plan.documents, service, deployment)
    return Compiled("kubernetes", "Deployment", documents, parts.objects)


def http_port(port: int) -> dict[str, Any]:
    """The one port of a server's container."""
    return {"ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}]}
