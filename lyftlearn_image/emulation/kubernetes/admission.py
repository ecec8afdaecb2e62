"""What EKS' webhook adds to a pod for its AWS identity, and what the API server takes from its ServiceAccount.

A ServiceAccount with a role's annotation gives web identity (IRSA); any other one has Pod Identity, for an association is no
manifest that could be read. Sources: aws/amazon-eks-pod-identity-webhook pkg/handler/handler.go; EKS user guide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.aws.credentials import ContainerCredentials
    from lyftlearn_image.emulation.kubernetes.cluster import Pod

ROLE = "eks.amazonaws.com/role-arn"
POD_AUDIENCE = "pods.eks.amazonaws.com"
_PREFIX = ROLE.rpartition("/")[0]
_WEB_AUDIENCE = "sts.amazonaws.com"
_TOKENS = "/var/run/secrets"
_LIFETIME_S = 86400
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class _Token:
    """The projected volume of one token, and where it is mounted."""

    volume: str
    directory: str
    file: str
    audience: str
    lifetime_s: int = _LIFETIME_S

    @property
    def path(self) -> str:
        return f"{self.directory}/{self.file}"


_POD_TOKEN = _Token(
    "eks-pod-identity-token", f"{_TOKENS}/{POD_AUDIENCE}/serviceaccount", "eks-pod-identity-token", POD_AUDIENCE
)
_WEB_TOKEN = _Token("aws-iam-token", f"{_TOKENS}/eks.amazonaws.com/serviceaccount", "token", _WEB_AUDIENCE)


def admitted(pod: Pod, accounts: Mapping[str, Mapping[str, Any]], identity: ContainerCredentials | None) -> Pod:
    """The pod as it comes to the node. `accounts` are ServiceAccounts by name; without `identity` there is no webhook."""
    account = accounts.get(str(pod.spec.get("serviceAccountName") or pod.spec.get("serviceAccount") or "default"), {})
    spec = dict(pod.spec)
    if spec.get("automountServiceAccountToken") is None and "automountServiceAccountToken" in account:
        spec["automountServiceAccountToken"] = account["automountServiceAccountToken"]
    if identity is None:
        return replace(pod, spec=spec)
    annotations = (account.get("metadata") or {}).get("annotations") or {}
    role_arn = annotations.get(ROLE)
    if role_arn:
        token = _web_token(annotations)
        own = {
            "AWS_STS_REGIONAL_ENDPOINTS": _endpoints(annotations),
            "AWS_ROLE_ARN": str(role_arn),
            "AWS_WEB_IDENTITY_TOKEN_FILE": token.path,
        }
    else:
        token = _POD_TOKEN
        own = identity.pod_environment(pod.name, token.path)
    skipped = str((pod.metadata.get("annotations") or {}).get(f"{_PREFIX}/skip-containers") or "").replace(" ", "").split(",")
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [one if one["name"] in skipped else _given(one, own, identity.region, token) for one in spec[kind]]
    volumes = [*(spec.get("volumes") or ())]
    if all(one["name"] != token.volume for one in volumes):
        volumes.append(_volume(token))
    return replace(pod, spec={**spec, "volumes": volumes})


def _web_token(annotations: Mapping[str, Any]) -> _Token:
    """With the audience and the lifetime that the ServiceAccount says (the webhook's README)."""
    audience = str(annotations.get(f"{_PREFIX}/audience") or _WEB_AUDIENCE)
    return replace(_WEB_TOKEN, audience=audience, lifetime_s=int(annotations.get(f"{_PREFIX}/token-expiration") or _LIFETIME_S))


def _endpoints(annotations: Mapping[str, Any]) -> str:
    """EKS' own webhook is set to regional ones; a ServiceAccount may say otherwise."""
    return "legacy" if str(annotations.get(f"{_PREFIX}/sts-regional-endpoints")).lower() == "false" else "regional"


def _given(container: Mapping[str, Any], own: Mapping[str, str], region: str, token: _Token) -> dict[str, Any]:
    """A container with the variables and the token. It looks at `env` alone: what `envFrom` brings is overridden.

    Where either of a pair is there already, neither is added.
    """
    there = {one["name"] for one in container.get("env") or ()}
    added = {} if there & own.keys() - {"AWS_STS_REGIONAL_ENDPOINTS"} else {k: v for k, v in own.items() if k not in there}
    if not there & set(_REGIONS):
        added = {**dict.fromkeys(_REGIONS, region), **added}
    mounts = [*(container.get("volumeMounts") or ())]
    if all(one["name"] != token.volume for one in mounts):
        mounts.append({"name": token.volume, "mountPath": token.directory, "readOnly": True})
    env = [*(container.get("env") or ()), *({"name": name, "value": value} for name, value in added.items())]
    return {**container, "env": env, "volumeMounts": mounts}


def _volume(token: _Token) -> dict[str, Any]:
    asked = {"audience": token.audience, "expirationSeconds": token.lifetime_s, "path": token.file}
    return {"name": token.volume, "projected": {"sources": [{"serviceAccountToken": asked}]}}
