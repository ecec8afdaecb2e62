"""Admission of a pod: what it inherits from its ServiceAccount, and the AWS credentials that the webhook of EKS adds.

A ServiceAccount with the annotation of a role has web identity (IRSA). Every other one has EKS Pod Identity: associations are
not manifests, so there is none to read. Sources: aws/amazon-eks-pod-identity-webhook pkg/handler/handler.go; EKS user guide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.aws.credentials import ContainerCredentials
    from lyftlearn_image.emulation.kubernetes.cluster import Pod

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
POD_IDENTITY_AUDIENCE = "pods.eks.amazonaws.com"
_PREFIX = ROLE_ANNOTATION.rpartition("/")[0]
_WEB_IDENTITY_AUDIENCE = "sts.amazonaws.com"
_TOKENS = "/var/run/secrets"
_TOKEN_LIFETIME_S = 86400
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class _TokenVolume:
    """The projected volume of a token, and where containers mount it."""

    volume: str
    directory: str
    file: str
    audience: str
    lifetime_s: int = _TOKEN_LIFETIME_S

    @property
    def path(self) -> str:
        return f"{self.directory}/{self.file}"


_POD_IDENTITY_TOKEN = _TokenVolume(
    "eks-pod-identity-token",
    f"{_TOKENS}/{POD_IDENTITY_AUDIENCE}/serviceaccount",
    "eks-pod-identity-token",
    POD_IDENTITY_AUDIENCE,
)
_WEB_IDENTITY_TOKEN = _TokenVolume(
    "aws-iam-token", f"{_TOKENS}/eks.amazonaws.com/serviceaccount", "token", _WEB_IDENTITY_AUDIENCE
)


def admit(pod: Pod, service_accounts: Mapping[str, Mapping[str, Any]], credentials: ContainerCredentials | None) -> Pod:
    """The pod as the API stores it. `service_accounts` are by name; without `credentials` the cluster has no webhook."""
    account = service_accounts.get(str(pod.spec.get("serviceAccountName") or pod.spec.get("serviceAccount") or "default"), {})
    spec = dict(pod.spec)
    if spec.get("automountServiceAccountToken") is None and "automountServiceAccountToken" in account:
        spec["automountServiceAccountToken"] = account["automountServiceAccountToken"]
    if credentials is None:
        return replace(pod, spec=spec)
    annotations = (account.get("metadata") or {}).get("annotations") or {}
    role_arn = annotations.get(ROLE_ANNOTATION)
    if role_arn:
        token = _web_identity_token(annotations)
        variables = {
            "AWS_STS_REGIONAL_ENDPOINTS": _sts_endpoints(annotations),
            "AWS_ROLE_ARN": str(role_arn),
            "AWS_WEB_IDENTITY_TOKEN_FILE": token.path,
        }
    else:
        token = _POD_IDENTITY_TOKEN
        variables = credentials.pod_environment(pod.name, token.path)
    skipped = str((pod.metadata.get("annotations") or {}).get(f"{_PREFIX}/skip-containers") or "").replace(" ", "").split(",")
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [
                container
                if container["name"] in skipped
                else _add_credentials(container, variables, credentials.place.region, token)
                for container in spec[kind]
            ]
    volumes = [*(spec.get("volumes") or ())]
    if all(volume["name"] != token.volume for volume in volumes):
        volumes.append(_volume_manifest(token))
    return replace(pod, spec={**spec, "volumes": volumes})


def _web_identity_token(annotations: Mapping[str, Any]) -> _TokenVolume:
    """The token with the audience and lifetime of the ServiceAccount's annotations (the webhook's README)."""
    audience = str(annotations.get(f"{_PREFIX}/audience") or _WEB_IDENTITY_AUDIENCE)
    return replace(
        _WEB_IDENTITY_TOKEN,
        audience=audience,
        lifetime_s=int(annotations.get(f"{_PREFIX}/token-expiration") or _TOKEN_LIFETIME_S),
    )


def _sts_endpoints(annotations: Mapping[str, Any]) -> str:
    """`regional` as the webhook of EKS is configured, unless an annotation of the ServiceAccount turns it off."""
    return "legacy" if str(annotations.get(f"{_PREFIX}/sts-regional-endpoints")).lower() == "false" else "regional"


def _add_credentials(
    container: Mapping[str, Any], variables: Mapping[str, str], region: str, token: _TokenVolume
) -> dict[str, Any]:
    """A container with the variables and the token. Variables of `env` count as set, those of `envFrom` do not.

    Where a container sets one of the credentials' variables, none of them is added; the same goes for the two of the region.
    """
    existing = {entry["name"] for entry in container.get("env") or ()}
    added: dict[str, str] = {}
    if not existing & set(_REGIONS):
        added |= dict.fromkeys(_REGIONS, region)
    if not existing & variables.keys() - {"AWS_STS_REGIONAL_ENDPOINTS"}:
        added |= {name: value for name, value in variables.items() if name not in existing}
    mounts = [*(container.get("volumeMounts") or ())]
    if all(mount["name"] != token.volume for mount in mounts):
        mounts.append({"name": token.volume, "mountPath": token.directory, "readOnly": True})
    env = [*(container.get("env") or ()), *({"name": name, "value": value} for name, value in added.items())]
    return {**container, "env": env, "volumeMounts": mounts}


def _volume_manifest(token: _TokenVolume) -> dict[str, Any]:
    source = {"audience": token.audience, "expirationSeconds": token.lifetime_s, "path": token.file}
    return {"name": token.volume, "projected": {"sources": [{"serviceAccountToken": source}]}}
