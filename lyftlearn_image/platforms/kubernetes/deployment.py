"""A Deployment with its Service, for what runs until it is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.metadata import (
    INSTANCE_LABEL,
    NAME_LABEL,
    main_metadata,
    metadata,
    service_account,
    template_metadata,
)
from lyftlearn_image.platforms.kubernetes.routes import routes
from lyftlearn_image.platforms.launch import Compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.kubernetes.pod_template import PodParts
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Workload


# What a pod has before its own start counts: for a node, the image and the model (the API's default, apps/v1 DeploymentSpec).
_BEFORE_START_S = 600


@dataclass(frozen=True)
class DeploymentPlan:
    """What the Deployments of one kind have of their own.

    `documents` are created before the Service; `objects` are S3 objects. `startup_s` are the seconds that a container has for
    its start. `replicas` is None where an autoscaler counts them.
    """

    pod: Mapping[str, Any]
    port: int
    replicas: int | None
    startup_s: int
    strategy: Mapping[str, Any]
    documents: list[dict[str, Any]] = field(default_factory=list)
    objects: Mapping[str, bytes] = field(default_factory=dict)


def compile_deployment(workload: Workload, launch: Launch, parts: PodParts, plan: DeploymentPlan) -> Compiled:
    """The Deployment after the ServiceAccount, the ConfigMaps, the plan's own documents, the Service and what leads to it."""
    name = launch.job_name
    selector = {NAME_LABEL: workload.name, INSTANCE_LABEL: name}
    before_s = workload.kubernetes.pending_timeout_s or _BEFORE_START_S
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": main_metadata(workload, name),
        "spec": {
            **({} if plan.replicas is None else {"replicas": plan.replicas}),
            "strategy": plan.strategy,
            "progressDeadlineSeconds": before_s + plan.startup_s,
            "selector": {"matchLabels": selector},
            "template": {"metadata": template_metadata(workload, name), "spec": plan.pod},
        },
    }
    port = {"name": "http", "port": plan.port, "targetPort": "http", "protocol": "TCP"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(workload, name),
        "spec": {"selector": selector, "ports": [port]},
    }
    documents = (
        *service_account(workload, name),
        *parts.config_maps,
        *plan.documents,
        service,
        *routes(workload, name, plan.port),
        deployment,
    )
    return Compiled("kubernetes", "Deployment", documents, {**parts.objects, **plan.objects})


def http_port(port: int) -> dict[str, Any]:
    """The one port of a server's container."""
    return {"ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}]}
