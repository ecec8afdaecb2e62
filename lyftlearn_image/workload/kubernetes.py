"""What only Kubernetes has a word for: who a pod is, where it may run, how long it may wait and stay."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from lyftlearn_image.workload.parts import Model, SecretKey, VariableName
from lyftlearn_image.workload.scheduling import Toleration

_LONGEST_S = 30 * 24 * 3600


class Kubernetes(Model):
    """What only Kubernetes has a word for."""

    namespace: str | None = None
    service_account: str | None = Field(
        default=None, description="The pod's ServiceAccount. With EKS Pod Identity nothing else is needed here."
    )
    role_arn: str | None = Field(
        default=None, description="IAM role of the ServiceAccount (IRSA); the ServiceAccount is then part of the manifests."
    )
    secrets: dict[VariableName, SecretKey] = Field(
        default={}, description="Variable → `name#key` of a Kubernetes Secret; on Kubernetes it wins over `secrets`."
    )
    image_pull_secrets: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    node_selector: dict[str, str] = Field(default={})
    tolerations: tuple[Toleration, ...] = ()
    retries: int = Field(default=0, ge=0, description="backoffLimit: how often a failed pod is started again.")
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
