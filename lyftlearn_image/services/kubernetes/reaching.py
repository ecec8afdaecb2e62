"""Where a Deployment's Service is reached: from other pods, and from the machine of who asks."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from lyftlearn_image.services.kubernetes.main_container import MAIN
from lyftlearn_image.services.service import Address

if TYPE_CHECKING:
    from lyftlearn_image.services.kubernetes.job_id import JobId


def service_address(job: JobId, deployment: Any, context: str | None) -> Address:
    """The address of the Service beside a Deployment: it has the same name, and the port of our container.

    A Service's name is complete without the cluster's domain, which is not the same in every cluster
    (kubernetes.io/docs "DNS for Services and Pods").
    """
    containers = deployment.spec.template.spec.containers
    main = next((one for one in containers if one.name == MAIN), containers[0])
    port = main.ports[0].containerPort
    chosen = ["--context", context] if context else []
    forward = ["kubectl", *chosen, "--namespace", job.namespace, "port-forward", f"service/{job.name}", f"{port}:{port}"]
    return Address(f"http://{job.name}.{job.namespace}.svc:{port}", shlex.join(forward), f"http://localhost:{port}")
