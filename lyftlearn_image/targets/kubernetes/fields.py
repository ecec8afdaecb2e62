"""Which fields of a Job or Pod the emulator implements, which have no effect in a container; it refuses the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAPS = ("labels", "annotations", "limits", "requests", "matchLabels", "nodeSelector")
# Fields with no effect on what a container sees, and why.
INEFFECTIVE: Mapping[str, str] = {
    "ttlSecondsAfterFinished": "nothing is kept after a run here",
    "finalizers": "nothing is kept after a run here",
    "nodeSelector": "there is one node",
    "tolerations": "there is one node",
    "affinity": "there is one node",
    "priorityClassName": "nothing competes for the node",
    "imagePullPolicy": "images are on this engine",
    "imagePullSecrets": "images are on this engine",
    "schedulerName": "there is one node",
}
_METADATA = {"name", "namespace", "labels", "annotations"}
_POD = {
    "restartPolicy": ("Never",), "automountServiceAccountToken": None, "enableServiceLinks": None, "containers": None,
    "terminationGracePeriodSeconds": None, "securityContext": None, "volumes": None, "hostname": None, "subdomain": None,
    "setHostnameAsFQDN": None, "hostAliases": None, "dnsConfig": None, "dnsPolicy": ("ClusterFirst",),
    "serviceAccountName": None, "activeDeadlineSeconds": None,
}  # fmt: skip
_CONTAINER = {
    "name", "image", "command", "args", "workingDir", "env", "envFrom", "resources", "securityContext", "volumeMounts", "tty",
    "terminationMessagePath", "terminationMessagePolicy",
}  # fmt: skip
_NESTED: Mapping[str, set[str]] = {
    "securityContext": {
        "runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "supplementalGroups", "seccompProfile", "readOnlyRootFilesystem",
        "allowPrivilegeEscalation", "capabilities",
    },
    "capabilities": {"add", "drop"},
    "seccompProfile": {"type"},
    "resources": {"limits", "requests"},
    "env": {"name", "value", "valueFrom"},
    "valueFrom": {"configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"},
    "configMapKeyRef": {"name", "key", "optional"},
    "secretKeyRef": {"name", "key", "optional"},
    "fieldRef": {"fieldPath", "apiVersion"},
    "resourceFieldRef": {"resource", "divisor", "containerName"},
    "envFrom": {"prefix", "configMapRef", "secretRef"},
    "configMapRef": {"name", "optional"},
    "secretRef": {"name", "optional"},
    "volumeMounts": {"name", "mountPath", "readOnly", "subPath"},
    "volumes": {"name", "configMap", "secret", "emptyDir", "projected"},
    "projected": {"sources", "defaultMode"},
    "sources": {"configMap", "secret", "downwardAPI", "serviceAccountToken"},
    "downwardAPI": {"items"},
    "serviceAccountToken": {"audience", "expirationSeconds", "path"},
    "configMap": {"name", "items", "defaultMode", "optional"},
    "secret": {"secretName", "name", "items", "defaultMode", "optional"},
    "emptyDir": {"medium", "sizeLimit"},
    "items": {"key", "path", "mode", "fieldRef"},
    "dnsConfig": {"nameservers", "searches", "options"},
    "options": {"name", "value"},
    "hostAliases": {"ip", "hostnames"},
}  # fmt: skip
_JOB = {"backoffLimit": (0,), "activeDeadlineSeconds": None, "completions": (1,), "parallelism": (1,), "template": None}


def refuse_unknown(manifest: Mapping[str, Any]) -> None:
    """UnsupportedError that names every field, with its path, which the emulator does not implement."""
    kind = manifest["kind"]
    if kind not in ("Job", "Pod"):
        raise UnsupportedError(f"the embedded target does not implement the kind {kind}")
    refused = [*_keys(manifest["metadata"], _METADATA, "metadata")]
    spec = manifest["spec"]
    if kind == "Job":
        refused += _known(spec, _JOB, "spec")
        template = spec["template"]
        refused += _keys(template.get("metadata") or {}, _METADATA, "spec.template.metadata")
        refused += _pod(template["spec"], "spec.template.spec")
    else:
        refused += _pod(spec, "spec")
    if refused:
        raise UnsupportedError(
            f"the embedded target does not implement {', '.join(refused)}",
            hint="Leave it out, or run the manifest on a cluster.",
        )


def _pod(spec: Mapping[str, Any], path: str) -> Iterator[str]:
    effective = {key: value for key, value in spec.items() if key != "containers"}
    # What is not said has a default, and restarting is not implemented. Service links need Services, which are refused.
    if "restartPolicy" not in spec:
        yield f"{path}.restartPolicy (its default, Always)"
    yield from _known(effective, _POD, path)
    for key in ("securityContext", "volumes", "dnsConfig", "hostAliases"):
        if spec.get(key):
            yield from _nested(spec[key], key, f"{path}.{key}")
    if len(spec["containers"]) > 1:
        yield f"{path}.containers[1]"
    container = spec["containers"][0]
    yield from _keys(container, _CONTAINER, f"{path}.containers[0]")
    for key in ("securityContext", "resources", "env", "envFrom", "volumeMounts"):
        if container.get(key):
            yield from _nested(container[key], key, f"{path}.containers[0].{key}")


def _known(values: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in values.items():
        if key in INEFFECTIVE:
            continue
        if key not in known:
            yield f"{path}.{key}"
        elif known[key] is not None and value not in known[key]:
            yield f"{path}.{key} = {value}"


def _keys(values: Mapping[str, Any], known: set[str], path: str) -> Iterator[str]:
    yield from (f"{path}.{key}" for key in values if key not in known and key not in INEFFECTIVE)


def _nested(value: Any, name: str, path: str) -> Iterator[str]:
    """Every unknown key below a field whose keys are in _NESTED."""
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from _nested(item, name, f"{path}[{position}]")
    elif isinstance(value, dict) and name in _NESTED:
        yield from _keys(value, _NESTED[name], path)
        for key, inner in value.items():
            if key in _NESTED[name] and key not in _MAPS:
                yield from _nested(inner, key, f"{path}.{key}")
