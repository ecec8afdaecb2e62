"""What EKS' webhook adds to a pod (aws/amazon-eks-pod-identity-webhook pkg/handler/handler.go, and its README)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lyftlearn_image.emulation.aws.credentials import ContainerCredentials
from lyftlearn_image.emulation.kubernetes.admission import admit
from lyftlearn_image.emulation.kubernetes.cluster import Pod
from lyftlearn_image.emulation.place import Place

ROLE = "arn:aws:iam::111122223333:role/etl"
POD_TOKEN = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
WEB_TOKEN = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
POD_VARIABLES = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": POD_TOKEN,
}


def account(**annotations: str) -> dict[str, Any]:
    """The ServiceAccount `etl`; `role_arn` and its like are EKS' annotations."""
    named = {f"eks.amazonaws.com/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return {"etl": {"kind": "ServiceAccount", "metadata": {"name": "etl", "annotations": named}}}


def after(
    accounts: dict[str, Any], *, env: tuple[str, ...] = (), annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """The spec of an admitted pod of two containers; the first has the variables `env`."""
    mains = [{"name": "main", "env": [{"name": name, "value": "own"} for name in env]}, {"name": "beside"}]
    metadata: dict[str, Any] = {"name": "demo", "annotations": annotations or {}}
    given = Pod(metadata, {"serviceAccountName": "etl", "containers": mains, **spec}, "10.0.0.1")
    before = repr(given)
    # It asks no endpoint, only where that is.
    credentials = ContainerCredentials(SimpleNamespace(place=Place()), 60)  # type: ignore[arg-type]
    found = dict(admit(given, accounts, credentials).spec)
    assert repr(given) == before, "what was given is left as it was"
    return found


def variables(container: dict[str, Any]) -> dict[str, str]:
    """The variables of a container."""
    return {one["name"]: one["value"] for one in container.get("env", ())}


def test_a_service_account_without_a_role_has_pod_identity() -> None:
    """Every container, an init container too, has the variables and the token."""
    spec = after({}, initContainers=[{"name": "first"}])
    for one in (*spec["containers"], *spec["initContainers"]):
        assert variables(one) == POD_VARIABLES
        mount = {"name": "eks-pod-identity-token", "mountPath": POD_TOKEN.rpartition("/")[0], "readOnly": True}
        assert one["volumeMounts"] == [mount]
    token = {"audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": "eks-pod-identity-token"}
    assert spec["volumes"] == [{"name": "eks-pod-identity-token", "projected": {"sources": [{"serviceAccountToken": token}]}}]


def test_a_role_s_annotation_gives_web_identity() -> None:
    """IRSA, with the audience, the lifetime and the kind of endpoint that the ServiceAccount says."""
    spec = after(account(role_arn=ROLE))
    assert variables(spec["containers"][0]) == {
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": WEB_TOKEN,
    }  # fmt: skip
    asked = {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}
    assert spec["volumes"] == [{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": asked}]}}]
    spec = after(account(role_arn=ROLE, audience="own", token_expiration="600", sts_regional_endpoints="false"))
    assert variables(spec["containers"][0])["AWS_STS_REGIONAL_ENDPOINTS"] == "legacy"
    asked = {"audience": "own", "expirationSeconds": 600, "path": "token"}
    assert spec["volumes"][0]["projected"]["sources"] == [{"serviceAccountToken": asked}]


@pytest.mark.parametrize(
    ("own", "missing"),
    [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"}),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", {"AWS_CONTAINER_CREDENTIALS_FULL_URI"}),
        ("AWS_REGION", {"AWS_DEFAULT_REGION"}),
        ("AWS_DEFAULT_REGION", {"AWS_REGION"}),
        ("OTHER", set()),
    ],
)
def test_nothing_is_added_to_half_a_pair(own: str, missing: set[str]) -> None:
    """A container that says one of a pair by itself is given none of that pair, and its own value stays."""
    found = variables(after({}, env=(own,))["containers"][0])
    assert found[own] == "own"
    assert found.keys() == (POD_VARIABLES.keys() | {own}) - missing


def test_a_pod_may_leave_containers_out() -> None:
    """The annotation skip-containers, with names and commas."""
    spec = after({}, annotations={"eks.amazonaws.com/skip-containers": "beside, other"})
    assert variables(spec["containers"][0]) == POD_VARIABLES
    assert spec["containers"][1] == {"name": "beside"}


@pytest.mark.parametrize(("of_pod", "wanted"), [(None, False), (True, True), (False, False)])
def test_the_pod_decides_about_its_token_before_its_account(of_pod: bool | None, wanted: bool) -> None:  # noqa: FBT001
    """AutomountServiceAccountToken of the pod, else of its ServiceAccount (kubernetes.io, configure-service-account)."""
    accounts = {"etl": {"metadata": {"name": "etl"}, "automountServiceAccountToken": False}}
    setting = {} if of_pod is None else {"automountServiceAccountToken": of_pod}
    assert after(accounts, **setting)["automountServiceAccountToken"] is wanted


def test_a_cluster_off_aws_has_no_webhook() -> None:
    """Without an identity a pod comes to the node as it is."""
    pod = Pod({"name": "demo"}, {"containers": [{"name": "main"}]}, "10.0.0.1")
    assert admit(pod, account(role_arn=ROLE), None) == pod
