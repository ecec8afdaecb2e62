"""What only Kubernetes has a word for: placement, queues, disks, and what stands around a server."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from lyftlearn_image.workload.parts import ContainerPath, Model, SecretKey, VariableName
from lyftlearn_image.workload.scheduling import Affinity, Toleration, TopologySpread

_LONGEST_S = 30 * 24 * 3600


def _count_or_percent(value: int | str) -> int | str:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}|(100|[0-9]{1,2})%", str(value)):
        raise ValueError("expected a number of pods, or a part of them such as 50%")
    return int(value) if str(value).isdecimal() else value


def _path(path: str) -> str:
    if not path.startswith("/") or "//" in path or re.search(r"\s", path):
        raise ValueError("expected a path of a URL that begins with `/`")
    return path


CountOrPercent = Annotated[int | str, AfterValidator(_count_or_percent)]
UrlPath = Annotated[str, AfterValidator(_path)]


class Requests(Model):
    """What the scheduler sets aside for the pod, where that is less than what it may use."""

    cpus: float | None = Field(
        default=None, gt=0, le=1_000_000, description="CPUs that the scheduler sets aside; else as many as the limit."
    )
    memory_mib: int | None = Field(
        default=None, gt=0, description="Memory that the scheduler sets aside; else as much as the limit."
    )


class Claim(Model):
    """A PersistentVolumeClaim that is there already: EBS, EFS, FSx, or whatever its storage class makes."""

    claim: str = Field(min_length=1, max_length=253, description="Name of the PersistentVolumeClaim.")
    sub_path: str | None = Field(default=None, min_length=1, description="A directory of the volume.")
    read_only: bool = Field(default=False, description="Mount it so that nothing can be written.")


class DisruptionBudget(Model):
    """PodDisruptionBudget: how many replicas a drain leaves, or takes."""

    min_available: CountOrPercent | None = Field(
        default=None, description="Replicas, or a part such as 50%, that a drain leaves."
    )
    max_unavailable: CountOrPercent | None = Field(
        default=None, description="Replicas, or a part such as 50%, that a drain may take at once."
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.min_available is None) == (self.max_unavailable is None):
            raise ValueError("expected either `min_available` or `max_unavailable`")
        return self


class Autoscaling(Model):
    """HorizontalPodAutoscaler: replicas by the use of what the pods request."""

    min_replicas: int = Field(default=1, ge=1, description="Never fewer replicas.")
    max_replicas: int = Field(ge=1, description="Never more replicas.")
    cpu_percent: int | None = Field(default=None, ge=1, description="Of the requested CPUs, on average.")
    memory_percent: int | None = Field(default=None, ge=1, description="Of the requested memory, on average.")

    @model_validator(mode="after")
    def _something_to_scale_by(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("expected `min_replicas` up to `max_replicas`")
        if self.cpu_percent is None and self.memory_percent is None:
            raise ValueError("expected `cpu_percent`, `memory_percent`, or both")
        return self


class Ingress(Model):
    """The Ingress of a server (k8s.io/docs/concepts/services-networking/ingress)."""

    host: str | None = Field(default=None, min_length=1, description="Host name that requests come to; else any.")
    path: UrlPath = Field(default="/", description="Prefix; the server gets it as it is.")
    class_name: str | None = Field(default=None, description="IngressClass; else the cluster's default.")
    certificate: str | None = Field(default=None, description="Secret with the certificate of `host`.")
    annotations: dict[str, str] = Field(default={}, description="For the controller.")

    @model_validator(mode="after")
    def _whose_certificate(self) -> Self:
        if self.certificate and not self.host:
            raise ValueError("`certificate` needs `host`: the certificate is for it")
        return self


class HTTPRoute(Model):
    """The HTTPRoute of a server (gateway-api.sigs.k8s.io/api-types/httproute)."""

    gateway: str = Field(
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="The Gateway's name, or namespace/name.",
    )
    listener: str | None = Field(default=None, description="sectionName: one listener of the Gateway.")
    hostnames: tuple[str, ...] = Field(default=(), description="Host names that requests come to; else the listener's.")
    path: UrlPath = Field(default="/", description="Prefix; the server gets it as it is.")


class Kubernetes(Model):
    """What only Kubernetes has a word for."""

    namespace: str | None = Field(default=None, description="Namespace of all that is made; else the context's.")
    service_account: str | None = Field(
        default=None, description="The pod's ServiceAccount. With EKS Pod Identity nothing else is needed here."
    )
    role_arn: str | None = Field(
        default=None, description="IAM role of the ServiceAccount (IRSA); the ServiceAccount is then part of the manifests."
    )
    secrets: dict[VariableName, SecretKey] = Field(
        default={}, description="Variable → `name#key` of a Kubernetes Secret; on Kubernetes it wins over `secrets`."
    )
    image_pull_secrets: tuple[str, ...] = Field(default=(), description="Secrets with logins of registries.")
    labels: dict[str, str] = Field(default={}, description="Labels of the Job or Deployment and its pods.")
    annotations: dict[str, str] = Field(default={}, description="Annotations of the pods.")
    node_selector: dict[str, str] = Field(default={}, description="Label → value that a node must have.")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="Taints that the pod may meet, as in a pod's spec.")
    affinity: Affinity | None = Field(default=None, description="As in a pod's spec.")
    topology_spread: tuple[TopologySpread, ...] = Field(default=(), description="topologySpreadConstraints of a pod's spec.")
    queue: str | None = Field(default=None, description="Kueue's LocalQueue; the job waits there for its quota.")
    priority_class: str | None = Field(default=None, description="The pod's PriorityClass.")
    do_not_disrupt: bool = Field(
        default=False, description="Karpenter and the cluster autoscaler leave the pod's node alone while it runs."
    )
    requests: Requests = Field(default=Requests(), description="Below `cpus` and `memory_mib`, which are limits.")
    shm_size_mib: int | None = Field(
        default=None, ge=1, description="Size of /dev/shm, else 64 MiB; what is in it counts as the pod's memory."
    )
    volumes: dict[ContainerPath, Claim] = Field(default={}, description="Directory in the container → a claim.")
    disruption_budget: DisruptionBudget | None = Field(default=None, description="Of a server.")
    autoscaling: Autoscaling | None = Field(default=None, description="Of a server; `replicas` has no effect then.")
    ingress: Ingress | None = Field(default=None, description="Of a server or a notebook.")
    http_route: HTTPRoute | None = Field(default=None, description="Of a server or a notebook, by the Gateway API.")
    retries: int = Field(default=0, ge=0, description="backoffLimit: how often a failed pod is started again.")
    deadline_s: int | None = Field(
        default=None, ge=1, le=_LONGEST_S,
        description="Of a batch transform's Job, else 5 days; other jobs have `max_runtime_s`.",
    )  # fmt: skip
    pending_timeout_s: int | None = Field(
        default=None, ge=1, le=_LONGEST_S,
        description="Seconds for which a pod may wait for a node, an image or a mount before the job ends with the reason.",
    )  # fmt: skip
    ttl_s: int = Field(default=7 * 24 * 3600, ge=0, description="Seconds until a finished Job and its pods' logs are removed.")
    grace_s: int | None = Field(
        default=None, ge=0, description="Seconds between SIGTERM and SIGKILL; else 120 for training, as on SageMaker, and 30."
    )

    read_only_root: bool = Field(
        default=True,
        description="A script may write beside itself and where it begins: an init container copies the image's own"
        " /opt/ml/code and home first, and any other working directory to its path below /mnt/lyftlearn/work, where the"
        " script then begins. Without a read-only root nothing is copied.",
    )

    @model_validator(mode="after")
    def _whose_role(self) -> Self:
        if self.role_arn and not self.service_account:
            raise ValueError("`role_arn` needs `service_account`: the role is an annotation of it")
        return self
