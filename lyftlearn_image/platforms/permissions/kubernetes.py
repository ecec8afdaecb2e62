"""The pod's IAM role and the submitter's Role of a workload on Kubernetes. The pod asks the API for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.compile import launch_for
from lyftlearn_image.platforms.kubernetes.all_kinds import workload_kind
from lyftlearn_image.platforms.kubernetes.compile import compile_manifests
from lyftlearn_image.platforms.kubernetes.metadata import metadata
from lyftlearn_image.platforms.permissions import account as accounts, data
from lyftlearn_image.platforms.permissions.account import statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.platforms.permissions.account import Account, Statement
    from lyftlearn_image.workload import Workload

# Kind → its API group and resource.
_RESOURCES: Mapping[str, tuple[str, str]] = {
    "ConfigMap": ("", "configmaps"), "Service": ("", "services"), "ServiceAccount": ("", "serviceaccounts"),
    "PersistentVolumeClaim": ("", "persistentvolumeclaims"), "Job": ("batch", "jobs"), "Deployment": ("apps", "deployments"),
    "PodDisruptionBudget": ("policy", "poddisruptionbudgets"), "Ingress": ("networking.k8s.io", "ingresses"),
    "HorizontalPodAutoscaler": ("autoscaling", "horizontalpodautoscalers"),
    "HTTPRoute": ("gateway.networking.k8s.io", "httproutes"),
}  # fmt: skip
# What is done with a resource besides creating, patching and deleting. A ServiceAccount is looked at before it is owned.
_MORE_VERBS: Mapping[str, tuple[str, ...]] = {
    "jobs": ("get", "list", "watch"), "deployments": ("get",), "serviceaccounts": ("get",),
}  # fmt: skip


def permissions(workload: Workload, account: Account) -> dict[str, Any]:
    """The pod's policy; and of whoever submits it the Role in the cluster, and the policy for its S3."""
    return {
        "pod_role": accounts.policy(_pod(workload, account)),
        "submitter": _role(workload),
        "submitter_policy": accounts.policy(_submitter(workload, account)),
    }


def _submitter(workload: Workload, account: Account) -> Iterator[Statement]:
    """What `submit` puts, and `collect` reads."""
    launch = launch_for(workload)
    compiled = compile_manifests(workload, launch)
    yield from accounts.send_bundle(account, workload, launch.s3_prefix, compiled.objects)
    if workload_kind(workload.kind).is_job:
        yield from accounts.read_prefixes(account, [f"{launch.s3_prefix}/"])


def _pod(workload: Workload, account: Account) -> Iterator[Statement]:
    launch, kind = launch_for(workload), workload_kind(workload.kind)
    compiled = compile_manifests(workload, launch)
    checkpoints = accounts.field_uris(workload, kind.synchronises)
    reads = accounts.field_uris(workload, kind.reads)
    yield from accounts.read_prefixes(account, [*reads, *accounts.prefixes(checkpoints)])
    yield statement("Bundle", ["s3:GetObject"], accounts.bundles(account, workload, launch.s3_prefix, compiled.objects))
    yield from accounts.write_prefixes(account, [launch.s3_prefix] if kind.is_job else [])
    yield from accounts.write_prefixes(account, checkpoints, deletes=True)
    # What a Kubernetes Secret brings is not asked for.
    resolved = {name: text for name, text in workload.secrets.items() if name not in workload.kubernetes.secrets}
    yield from data.statements(workload.with_(secrets=resolved), account)


def _names(workload: Workload, job_name: str) -> dict[tuple[str, str], list[str]]:
    """API group and resource → the names of such objects, where the job has this one."""
    compiled = compile_manifests(workload, launch_for(workload, job_name=job_name))
    names: dict[tuple[str, str], list[str]] = {}
    for document in compiled.documents:
        names.setdefault(_RESOURCES[document["kind"]], []).append(document["metadata"]["name"])
    return names


def _role(workload: Workload) -> dict[str, Any]:
    """What `submit` and its siblings do with each resource, in the Role's namespace.

    Creating cannot be limited to names, and names have no wildcards (k8s.io/docs/reference/access-authn-authz/rbac). A job's
    name is made of its content, so only what is not named after it can be limited.
    """
    names, others = _names(workload, workload.name), _names(workload, f"{workload.name}-other")
    rules: list[dict[str, Any]] = []
    for (group, resource), objects in sorted(names.items()):
        # What is refused is taken back, and what is made gets its owner.
        verbs = ["delete", "patch", *_MORE_VERBS.get(resource, ())]
        if objects != others[group, resource]:
            rules.append({"apiGroups": [group], "resources": [resource], "verbs": ["create", *verbs]})
            continue
        rules.append({"apiGroups": [group], "resources": [resource], "verbs": ["create"]})
        rules.append({"apiGroups": [group], "resources": [resource], "resourceNames": sorted(objects), "verbs": verbs})
    rules.append({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]})
    rules.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    rules.append({"apiGroups": [""], "resources": ["events"], "verbs": ["list"]})
    if workload_kind(workload.kind).is_job:
        # `stop` sends SIGTERM in the container; without this the pod is deleted, and its log with it. The API asks for
        # `create` since Kubernetes 1.35, and for `get` before (AuthorizePodWebsocketUpgradeCreatePermission).
        rules.append({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]})
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(workload, workload.name, f"{workload.name}-submitter"),
        "rules": rules,
    }
