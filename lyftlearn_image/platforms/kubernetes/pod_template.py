"""The pod of a workload: what every Job and Deployment of ours has in its template.

The pod keeps to Pod Security Standard "restricted" (k8s.io/docs/concepts/security/pod-security-standards), with a read-only
root besides; what the contract needs to be writable is an emptyDir.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.kubernetes.object_limits import CONFIG_MAP_BYTES
from lyftlearn_image.platforms.sagemaker.api_model import LONGEST_STRING_BYTES
from lyftlearn_image.workload import Job, Notebook, Processing
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import ConfigFile, Workload

_GRACE_S = 30
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_FILE_KEY = re.compile(r"(?!\.\.)[-._a-zA-Z0-9]{1,253}")
_TRAINING_DIRS = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/checkpoints")
_PROCESSING_DIRS = ("/opt/ml/config", "/opt/ml/processing", "/opt/ml/output", "/opt/ml/input")
_SERVING_DIRS = ("/opt/ml/model",)
_MEMORY_DIR = "/var/run/lyftlearn"
GPU = "nvidia.com/gpu"
# The scheme of what the downward API tells; on SageMaker the shim answers.
DOWNWARD = "downward://"
MANAGED_BY = {"app.kubernetes.io/managed-by": "lyftlearn"}
NAME_LABEL = "app.kubernetes.io/name"


@dataclass(frozen=True)
class Transfers:
    """What the shim moves, because no service does: pairs of a path and a URI; and the hosts of a job on several."""

    downloads: tuple[tuple[str, str], ...] = ()
    uploads: tuple[tuple[str, str], ...] = ()
    checkpoints: tuple[str, str] | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """What a template is made of: the ConfigMaps to create first, the S3 objects, and the pod's own lists."""

    config_maps: list[dict[str, Any]]
    objects: dict[str, bytes]
    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]
    environment: list[dict[str, Any]] = field(default_factory=list)


def parts_of(workload: Workload, launch: Launch, transfers: Transfers) -> Parts:
    """The pod's parts; the launch bundle is in S3 where no ConfigMap can hold it."""
    mounted, by_shim = _divide_files(workload.files)
    data = bundle.to_bytes(_bundle(workload, launch, transfers, mounted, by_shim))
    config_maps = [
        config_map(
            workload,
            f"{launch.job_name}-{_short(directory)}",
            {path.rpartition("/")[2]: str(file.content) for path, file in files.items()},
        )
        for directory, files in sorted(mounted.items())
    ]
    objects: dict[str, bytes] = {}
    volumes, mounts = _scratch(workload)
    if data == bundle.NOTHING:
        where = ""
    elif len(data) <= CONFIG_MAP_BYTES:
        name = f"{launch.job_name}-bundle"
        config_maps.append(config_map(workload, name, {"bundle.json": data.decode()}))
        volumes.append({"name": "bundle", "configMap": {"name": name}})
        mounts.append({"name": "bundle", "mountPath": contract.BUNDLE_MOUNT, "readOnly": True})
        where = f"{contract.BUNDLE_MOUNT}/bundle.json"
    else:
        where = f"{launch.s3_prefix}/{launch.job_name}/bundle.json"
        objects[where] = data
    for directory, files in sorted(mounted.items()):
        volumes.append(_config_volume(f"{launch.job_name}-{_short(directory)}", directory, files))
        mounts.append({"name": f"config-{_short(directory)}", "mountPath": directory, "readOnly": True})
    for directory in sorted({path.rpartition("/")[0] for path in by_shim} - set(mounted)):
        volumes.append({"name": f"files-{_short(directory)}", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": f"files-{_short(directory)}", "mountPath": directory})
    if _keeps_values(workload):
        volumes.append({"name": "memory", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": "memory", "mountPath": _MEMORY_DIR})
    reference = bundle.reference(where, data) if where else ""
    return Parts(config_maps, objects, volumes, mounts, _environment(workload, launch, reference))


def pod_spec(workload: Workload, parts: Parts, arguments: tuple[str, ...], **container: Any) -> dict[str, Any]:
    """A pod's spec, without a restart policy. `container` are further fields of its one container."""
    limits = {"cpu": f"{round(workload.cpus * 1000)}m", "memory": f"{workload.memory_mib}Mi"}
    if workload.gpus:
        limits[GPU] = str(workload.gpus)
    main: dict[str, Any] = {
        "name": "main",
        "image": workload.image,
        # args alone keep the image's ENTRYPOINT, the shim.
        "args": [_literal(argument) for argument in arguments],
        "env": parts.environment,
        "resources": {"limits": limits, "requests": dict(limits)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": parts.mounts,
        **container,
    }
    security = {
        "runAsNonRoot": True,
        "runAsUser": workload.run_as_user,
        "runAsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    mine = workload.kubernetes
    placed = {
        "serviceAccountName": mine.service_account,
        "imagePullSecrets": [{"name": name} for name in mine.image_pull_secrets],
        "nodeSelector": dict(mine.node_selector),
        "tolerations": [one.model_dump(exclude_none=True) for one in mine.tolerations],
    }
    return {
        # IRSA and Pod Identity bring tokens of their own; the API's token is for programs that ask the API.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s(workload),
        **{name: value for name, value in placed.items() if value},
        "securityContext": security,
        "containers": [main],
        "volumes": parts.volumes,
    }


def grace_s(workload: Workload) -> int:
    """Seconds between SIGTERM and SIGKILL."""
    said = workload.kubernetes.grace_s
    return usual_grace_s(workload.kind) if said is None else said


def usual_grace_s(kind: str) -> int:
    """Those of a workload that says none: what a training job has on SageMaker (StopTrainingJob), else Kubernetes' own."""
    return 120 if kind in ("training", "tuning") else _GRACE_S


def metadata(workload: Workload, name: str, **annotations: str) -> dict[str, Any]:
    """Name, namespace, labels and annotations of an object of this workload."""
    mine = workload.kubernetes
    found: dict[str, Any] = {"name": name, "labels": {**mine.labels, NAME_LABEL: workload.name, **MANAGED_BY}}
    if mine.namespace:
        found["namespace"] = mine.namespace
    if said := {**mine.annotations, **annotations}:
        found["annotations"] = said
    return found


def template_metadata(workload: Workload) -> dict[str, Any]:
    """The `metadata` of a template: the labels and annotations that a workload says; nothing where it says none."""
    mine = workload.kubernetes
    found = {name: dict(value) for name, value in (("labels", mine.labels), ("annotations", mine.annotations)) if value}
    return {"metadata": found} if found else {}


def service_account(workload: Workload) -> list[dict[str, Any]]:
    """The ServiceAccount with its role (EKS user guide, iam-roles-for-service-accounts); none where no role is named."""
    mine = workload.kubernetes
    if not (mine.service_account and mine.role_arn):
        return []
    named = metadata(workload, mine.service_account)
    named["annotations"] = {**named.get("annotations", {}), "eks.amazonaws.com/role-arn": mine.role_arn}
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named, "automountServiceAccountToken": False}]


def fits_variable(name: str, value: str) -> bool:
    """Whether the API takes the name (kubernetes/apimachinery, IsEnvVarName) and execve the whole."""
    return bool(_VARIABLE.fullmatch(name)) and len(name.encode()) + len(value.encode()) + 2 <= LONGEST_STRING_BYTES


def _bundle(
    workload: Workload,
    launch: Launch,
    transfers: Transfers,
    mounted: Mapping[str, Mapping[str, ConfigFile]],
    files: Mapping[str, ConfigFile],
) -> bundle.Bundle:
    variables = {**workload.environment, **workload.secrets}
    job = {"hyperparameters": workload.hyperparameters, "channels": workload.channels} if isinstance(workload, Job) else {}
    return bundle.of(
        workload,
        launch.job_name,
        environment={name: value for name, value in variables.items() if not fits_variable(name, value)},
        files=files,
        **job,
        hosts=transfers.hosts,
        mounted=tuple(path for inside in mounted.values() for path in inside),
        downloads=transfers.downloads,
        uploads=transfers.uploads,
        checkpoints=transfers.checkpoints,
    )


def _keeps_values(workload: Workload) -> bool:
    """Whether a restarted container is to find what the one before it knew: a container's own /dev/shm is gone with it."""
    references = (*workload.secrets.values(), *workload.secret_sets, *(file.secret or "" for file in workload.files.values()))
    return any("last-known-good" in one.partition("?")[2].partition("default=")[0] for one in references)


def _divide_files(files: Mapping[str, ConfigFile]) -> tuple[dict[str, dict[str, ConfigFile]], dict[str, ConfigFile]]:
    """Files by directory that a ConfigMap volume can bring, and those that the shim must write.

    A directory with a secret, an owner or a name in it that is no key of a ConfigMap, or with more than a ConfigMap holds, is
    written by the shim as a whole: a mounted ConfigMap is read-only and root's.
    """
    by_directory: dict[str, dict[str, ConfigFile]] = {}
    for path, file in sorted(files.items()):
        by_directory.setdefault(path.rpartition("/")[0], {})[path] = file
    mounted = {}
    by_shim: dict[str, ConfigFile] = {}
    for directory, inside in by_directory.items():
        size = sum(len((file.content or "").encode()) for file in inside.values())
        names = [path.rpartition("/")[2] for path in inside]
        is_plain = all(file.content is not None and not file.owner for file in inside.values())
        if is_plain and size < CONFIG_MAP_BYTES and all(_FILE_KEY.fullmatch(name) for name in names):
            mounted[directory] = inside
        else:
            by_shim.update(inside)
    return mounted, by_shim


def config_map(workload: Workload, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    """A ConfigMap in the workload's namespace."""
    namespace = workload.kubernetes.namespace
    named = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": dict(data)}


def _config_volume(name: str, directory: str, files: Mapping[str, ConfigFile]) -> dict[str, Any]:
    items = [
        {"key": key, "path": key, "mode": int(file.mode, 8)}
        for path, file in files.items()
        for key in [path.rpartition("/")[2]]
    ]
    return {"name": f"config-{_short(directory)}", "configMap": {"name": name, "items": items}}


def _scratch(workload: Workload) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """An emptyDir for every directory that the contract says is writable."""
    paths = ("/tmp", contract.HOME, *_writable(workload))  # noqa: S108 - of the container
    names = {path: path.strip("/").replace("/", "-") for path in paths}
    return [{"name": names[path], "emptyDir": {}} for path in paths], [
        {"name": names[path], "mountPath": path} for path in paths
    ]


def _writable(workload: Workload) -> tuple[str, ...]:
    """What of /opt/ml a script of this kind writes."""
    if isinstance(workload, Processing):
        return _PROCESSING_DIRS
    if isinstance(workload, Job):
        return _TRAINING_DIRS
    return () if isinstance(workload, Notebook) else _SERVING_DIRS


def _environment(workload: Workload, launch: Launch, reference: str) -> list[dict[str, Any]]:
    wanted = {**workload.environment, **workload.secrets}
    variables = {name: value for name, value in wanted.items() if fits_variable(name, value)}
    if reference:
        variables[contract.BUNDLE] = reference
    variables.update(bundle.shim_variables(workload))
    if _keeps_values(workload):
        variables[contract.MEMORY_DIR] = _MEMORY_DIR
    if grace_s(workload) not in (_GRACE_S, 0):
        variables[contract.GRACE] = str(grace_s(workload))
    if launch.observe_key and isinstance(workload, Job):
        is_processing = isinstance(workload, Processing)
        place = contract.PROCESSING_OBSERVATION if is_processing else contract.TRAINING_OBSERVATION
        variables[contract.OBSERVE] = f"{place}#{launch.observe_key}"
    if launch.statsd:
        variables[contract.STATSD] = f"udp://{launch.statsd}"
    # A dollar would start an expansion, and every `$$` becomes `$` (recorded in pods, case 03).
    listed: dict[str, dict[str, Any]] = {name: {"name": name, "value": _literal(value)} for name, value in variables.items()}
    for name, text in workload.secrets.items():
        if text.startswith(DOWNWARD):
            listed[name] = {"name": name, "valueFrom": _downward(text.removeprefix(DOWNWARD))}
    for name, place in workload.kubernetes.secrets.items():
        secret, _, key = place.partition("#")
        listed[name] = {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
    return [listed[name] for name in sorted(listed)]


def _downward(field: str) -> dict[str, Any]:
    """The cluster's own answer to what `downward://` asks (k8s.io/docs/concepts/workloads/pods/downward-api)."""
    if field.startswith(("limits.", "requests.")):
        return {"resourceFieldRef": {"containerName": "main", "resource": field}}
    return {"fieldRef": {"fieldPath": field}}


def _short(directory: str) -> str:
    return hashlib.sha256(directory.encode()).hexdigest()[:8]


def _literal(text: str) -> str:
    """A text of which the kubelet makes this one again.

    It expands `$(NAME)`, and makes `$` of `$$` (kubernetes.io/docs "Define Dependent Environment Variables"). Nothing else
    is touched, for other programs that read manifests know less.
    """
    return re.sub(r"\$(?=[$(])", "$$", text)
