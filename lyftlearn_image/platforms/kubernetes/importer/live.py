"""Manifests as people wrote them, of objects as `kubectl get -o yaml` prints them: without what the server added.

What the API server sets: kubernetes/kubernetes pkg/apis/{core,batch,apps}/v*/defaults.go, and ObjectMeta's system fields. What
admission adds to pods: plugin/pkg/admission/{serviceaccount,defaulttolerationseconds,priority} there, and
aws/amazon-eks-pod-identity-webhook.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.metadata import PENDING_TIMEOUT_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SYSTEM_FIELDS = (
    "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "ownerReferences",
    "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip
_LABEL = re.compile(r"controller-uid|job-name|pod-template-hash|batch\.kubernetes\.io/.*|apps\.kubernetes\.io/.*")
_ANNOTATION = re.compile(
    r"kubectl\.kubernetes\.io/.*|deployment\.kubernetes\.io/.*|batch\.kubernetes\.io/.*|cni\.projectcalico\.org/.*"
    rf"|(?!{re.escape(PENDING_TIMEOUT_ANNOTATION)}$)lyftlearn\.dev/.*"
)
_ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
# Fields with the value that stands for saying nothing, by level.
_JOB: Mapping[str, tuple[Any, ...]] = {
    "backoffLimit": (6,), "completions": (1,), "parallelism": (1,), "completionMode": ("NonIndexed",), "suspend": (False,),
    "manualSelector": (False,), "podReplacementPolicy": ("TerminatingOrFailed",),
}  # fmt: skip
_CRON: Mapping[str, tuple[Any, ...]] = {
    "concurrencyPolicy": ("Allow",), "suspend": (False,), "successfulJobsHistoryLimit": (3,), "failedJobsHistoryLimit": (1,),
}  # fmt: skip
_DEPLOYMENT: Mapping[str, tuple[Any, ...]] = {
    "replicas": (1,), "progressDeadlineSeconds": (600,), "revisionHistoryLimit": (10,), "minReadySeconds": (0,),
    "strategy": (_ROLLING, {"type": "RollingUpdate"}),
}  # fmt: skip
_POD: Mapping[str, tuple[Any, ...]] = {
    "dnsPolicy": ("ClusterFirst",), "schedulerName": ("default-scheduler",), "serviceAccountName": ("default",),
    "serviceAccount": ("default",), "enableServiceLinks": (True,), "preemptionPolicy": ("PreemptLowerPriority",),
    "hostNetwork": (False,), "hostPID": (False,), "hostIPC": (False,), "shareProcessNamespace": (False,),
}  # fmt: skip
_CONTAINER: Mapping[str, tuple[Any, ...]] = {
    "terminationMessagePath": ("/dev/termination-log",), "terminationMessagePolicy": ("File",),
    "stdin": (False,), "stdinOnce": (False,), "tty": (False,),
}  # fmt: skip
_NOT_READY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}|[a-z0-9.-]+-token-[a-z0-9]{5}|aws-iam-token|eks-pod-identity-token")
_TOKEN_DIRECTORIES = (
    "/var/run/secrets/kubernetes.io/serviceaccount", "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
)  # fmt: skip
_TOKEN_VARIABLES = (
    "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)  # fmt: skip
# What every namespace has by itself.
_OF_THE_CLUSTER = (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"), ("Service", "kubernetes"))


def is_made_by_the_cluster(document: Mapping[str, Any]) -> bool:
    """Whether a controller made an object, such as a Job's pod, or every namespace has it."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return False
    owners = metadata.get("ownerReferences")
    is_controlled = isinstance(owners, list) and any(isinstance(owner, dict) and owner.get("controller") for owner in owners)
    return is_controlled or (document.get("kind"), metadata.get("name")) in _OF_THE_CLUSTER


def without_server_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The object as it was sent. What is said, and is the default, is taken out like what is not said: they mean the same."""
    found = copy.deepcopy(dict(document))
    found.pop("status", None)
    _clean_metadata(found)
    spec = _mapping(found, "spec")
    kind = found.get("kind")
    if kind == "CronJob":
        _drop(spec, _CRON)
        template = _mapping(spec, "jobTemplate")
        _clean_metadata(template)
        _clean_job(_mapping(template, "spec"))
    elif kind == "Job":
        _clean_job(spec)
    elif kind == "Deployment":
        _drop(spec, _DEPLOYMENT)
        _clean_template(spec)
    elif kind == "Pod":
        _clean_pod(spec)
        _clean_bound_pod(spec)
    return found


def _clean_metadata(holder: dict[str, Any]) -> None:
    metadata = _mapping(holder, "metadata")
    for name in _SYSTEM_FIELDS:
        metadata.pop(name, None)
    if metadata.get("namespace") == "default":
        del metadata["namespace"]
    if metadata.get("generateName"):
        metadata.pop("name", None)
    for field, owned in (("labels", _LABEL), ("annotations", _ANNOTATION)):
        for name in [name for name in _mapping(metadata, field) if owned.fullmatch(str(name))]:
            del metadata[field][name]


def _clean_job(spec: dict[str, Any]) -> None:
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
    _drop(spec, _JOB)
    policy = spec.get("podFailurePolicy")
    if policy and spec.get("podReplacementPolicy") == "Failed":
        del spec["podReplacementPolicy"]
    for rule in _mappings(policy if isinstance(policy, dict) else {}, "rules"):
        for condition in _mappings(rule, "onPodConditions"):
            _drop(condition, {"status": ("True",)})
    _clean_template(spec)


def _clean_template(spec: dict[str, Any]) -> None:
    template = _mapping(spec, "template")
    _clean_metadata(template)
    _clean_pod(_mapping(template, "spec"))


def _clean_pod(pod: dict[str, Any]) -> None:
    if "serviceAccountName" in pod and pod.get("serviceAccount") == pod["serviceAccountName"]:
        del pod["serviceAccount"]
    _drop(pod, _POD)
    for container in (*_mappings(pod, "initContainers"), *_mappings(pod, "containers")):
        _drop(container, {**_CONTAINER, "imagePullPolicy": (_pull_policy(container.get("image")),)})
        for port in _mappings(container, "ports"):
            _drop(port, {"protocol": ("TCP",)})


def _clean_bound_pod(pod: dict[str, Any]) -> None:
    """What admission and the scheduler add to a pod itself."""
    for name in ("nodeName", "priority", "hostname"):
        pod.pop(name, None)
    _filter(pod, "tolerations", lambda one: not (one.get("key") in _NOT_READY and one.get("tolerationSeconds") == 300))  # noqa: PLR2004
    names = {volume.get("name") for volume in _mappings(pod, "volumes") if _is_token(volume)}
    _filter(pod, "volumes", lambda one: one.get("name") not in names)
    for container in (*_mappings(pod, "initContainers"), *_mappings(pod, "containers")):
        mounted = {mount.get("mountPath") for mount in _mappings(container, "volumeMounts") if mount.get("name") in names}
        _filter(container, "volumeMounts", lambda one: one.get("name") not in names)
        if mounted & set(_TOKEN_DIRECTORIES[1:]):
            _filter(container, "env", lambda one: one.get("name") not in _TOKEN_VARIABLES)


def _is_token(volume: Mapping[str, Any]) -> bool:
    return bool(_TOKEN_VOLUME.fullmatch(str(volume.get("name")))) and ("projected" in volume or "secret" in volume)


def _pull_policy(image: Any) -> str:
    """The default for an image: Always for the tag `latest`, and where none is said."""
    name, at, _ = str(image or "").partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    return "IfNotPresent" if at or (colon and tag != "latest") else "Always"


def _drop(fields: dict[str, Any], defaults: Mapping[str, tuple[Any, ...]]) -> None:
    for name, values in defaults.items():
        # 1 is no default of what is to be true.
        if any(type(fields.get(name)) is type(value) and fields[name] == value for value in values):
            del fields[name]


def _filter(holder: dict[str, Any], field: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
    if isinstance(holder.get(field), list):
        holder[field] = [one for one in holder[field] if not isinstance(one, dict) or wanted(one)]


def _mapping(holder: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A mapping below; an empty one, which nobody has, where there is something else: whoever reads it will say so."""
    found = holder.get(field)
    return found if isinstance(found, dict) else {}


def _mappings(holder: Mapping[str, Any], field: str) -> Iterator[dict[str, Any]]:
    found = holder.get(field)
    return (one for one in (found if isinstance(found, list) else ()) if isinstance(one, dict))
