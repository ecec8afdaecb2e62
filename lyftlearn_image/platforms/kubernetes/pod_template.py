"""The pod of a workload: what every Job and Deployment of ours has in its template.

The pod keeps to Pod Security Standard "restricted" (k8s.io/docs/concepts/security/pod-security-standards), with a read-only
root besides; what the contract needs to be writable is an emptyDir, and a script may write beside itself and where it begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.kubernetes.config_files import config_files
from lyftlearn_image.platforms.kubernetes.container_env import container_env, escape, fits_variable
from lyftlearn_image.platforms.kubernetes.disks import FOR_THE_GROUP, disks
from lyftlearn_image.platforms.kubernetes.metadata import config_map
from lyftlearn_image.platforms.kubernetes.object_limits import CONFIG_MAP_BYTES
from lyftlearn_image.platforms.kubernetes.writable_directories import SCRATCH, copies, copying_container, scratch
from lyftlearn_image.platforms.sagemaker.instance_choice import find_instance_type
from lyftlearn_image.workload import Job
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Workload

GPU = "nvidia.com/gpu"
# PodSpec.terminationGracePeriodSeconds: "Defaults to 30 seconds" (kubernetes/api core/v1).
DEFAULT_GRACE_S = 30
_MEMORY_DIR = "/var/run/lyftlearn"
BUNDLE_KEY = "bundle.json"
BUNDLE_VOLUME_MOUNT = {"name": "bundle", "mountPath": contract.BUNDLE_MOUNT, "readOnly": True}


@dataclass(frozen=True)
class PodDefaults:
    """What the pods of one kind of workload have in common.

    `writable` are directories below /opt/ml that a script of this kind writes. `grace_s` are the seconds between SIGTERM and
    SIGKILL of a workload that says none. `observation` is where the shim writes what it saw; None where nobody looks.
    """

    writable: tuple[str, ...] = ()
    grace_s: int = DEFAULT_GRACE_S
    observation: str | None = None


@dataclass(frozen=True)
class Transfers:
    """What the shim moves, because no service does: pairs of a path and a URI; and the hosts of a job on several."""

    downloads: tuple[tuple[str, str], ...] = ()
    uploads: tuple[tuple[str, str], ...] = ()
    checkpoints: tuple[str, str] | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class PodParts:
    """What a template is made of: the ConfigMaps to create first, the S3 objects, and the pod's own lists.

    `bundle_fields` are those of a bundle that containers beside the script's need, too: variables and files that no manifest
    can hold.
    """

    config_maps: list[dict[str, Any]]
    objects: dict[str, bytes]
    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]
    env: list[dict[str, Any]]
    grace_s: int
    bundle_fields: Mapping[str, Any]


def pod_parts(workload: Workload, launch: Launch, defaults: PodDefaults, transfers: Transfers) -> PodParts:
    """The pod's parts; the launch bundle is in S3 where no ConfigMap can hold it."""
    scratch_paths = (*SCRATCH, *defaults.writable)
    files = config_files(workload, frozenset({contract.CODE_DIR, *scratch_paths}))
    config_maps = files.config_maps(workload, launch.job_name)
    volumes = [scratch(path) for path in scratch_paths]
    if workload.kubernetes.read_only_root:
        volumes += copies()
    variables = {**workload.environment, **workload.secrets}
    bundle_fields = {
        "environment": {name: value for name, value in variables.items() if not fits_variable(name, value)},
        "files": files.by_shim,
        "mounted": files.mounted_paths,
    }
    data = bundle.to_bytes(_bundle(workload, launch, transfers, bundle_fields))
    objects: dict[str, bytes] = {}
    shim: dict[str, str] = {}
    if data != bundle.EMPTY:
        name = f"{launch.job_name}-bundle"
        location, objects = place_bundle(launch, data)
        shim[contract.BUNDLE] = bundle.reference(location, data)
        if not objects:
            config_maps.append(config_map(workload, launch.job_name, name, {BUNDLE_KEY: data.decode()}))
            volumes.append(({"name": "bundle", "configMap": {"name": name}}, BUNDLE_VOLUME_MOUNT))
    volumes += files.volumes(launch.job_name)
    volumes += disks(workload)
    shim |= _shim_variables(workload, launch, defaults)
    if transfers.uploads:
        shim[contract.RECORD] = f"{launch.s3_prefix}/{launch.job_name}/record/"
    if _keeps_values(workload):
        volumes.append(({"name": "memory", "emptyDir": {"medium": "Memory"}}, {"name": "memory", "mountPath": _MEMORY_DIR}))
        shim[contract.MEMORY_DIR] = _MEMORY_DIR
    return PodParts(
        config_maps=config_maps,
        objects=objects,
        volumes=[volume for volume, _ in {volume["name"]: (volume, mount) for volume, mount in volumes}.values()],
        mounts=[mount for _, mount in volumes],
        env=container_env(workload, shim),
        grace_s=_grace_s(workload, defaults),
        bundle_fields=bundle_fields,
    )


def place_bundle(launch: Launch, data: bytes, beside: str = "", s3_name: str = BUNDLE_KEY) -> tuple[str, dict[str, bytes]]:
    """Where a bundle is for its container, a file of a ConfigMap or an object; and the object, where it is one.

    `beside` is the text that is in the ConfigMap too.
    """
    if len(data) + len(beside.encode()) <= CONFIG_MAP_BYTES:
        return f"{contract.BUNDLE_MOUNT}/{BUNDLE_KEY}", {}
    location = f"{launch.s3_prefix}/{launch.job_name}/{s3_name}"
    return location, {location: data}


def pod_spec(workload: Workload, parts: PodParts, arguments: Sequence[str], **container: Any) -> dict[str, Any]:
    """A pod's spec, without a restart policy. `container` are further fields of its one container."""
    main: dict[str, Any] = {
        "name": "main",
        "image": workload.image,
        # args alone keep the image's ENTRYPOINT, the shim.
        "args": [escape(argument) for argument in arguments],
        "env": parts.env,
        "resources": _resources(workload),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": workload.kubernetes.read_only_root,
        },
        "volumeMounts": parts.mounts,
        **container,
    }
    security = {
        "runAsNonRoot": True,
        "runAsUser": workload.run_as_user,
        "runAsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
        **(FOR_THE_GROUP if workload.kubernetes.volumes else {}),
    }
    init_containers = [copying_container(main, parts.volumes)] if workload.kubernetes.read_only_root else []
    return {
        # IRSA and Pod Identity bring tokens of their own; the API's token is for programs that ask the API.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": parts.grace_s,
        **_placement(workload),
        "securityContext": security,
        **({"initContainers": init_containers} if init_containers else {}),
        "containers": [main],
        "volumes": parts.volumes,
    }


def _resources(workload: Workload) -> dict[str, Any]:
    limits = {"cpu": _millicores(workload.cpus), "memory": f"{workload.memory_mib}Mi"}
    if workload.gpus:
        limits[GPU] = str(workload.gpus)
    asked, requests = workload.kubernetes.requests, dict(limits)
    if asked.cpus:
        requests["cpu"] = _millicores(asked.cpus)
    if asked.memory_mib:
        requests["memory"] = f"{asked.memory_mib}Mi"
    return {"limits": limits, "requests": requests}


def _millicores(cpus: float) -> str:
    return f"{round(cpus * 1000)}m"


def _placement(workload: Workload) -> dict[str, Any]:
    """Who the pod is, and where it may run; nothing of what the workload does not say."""
    options = workload.kubernetes
    said = options.model_dump(mode="json", exclude_defaults=True, include={"affinity", "topology_spread", "tolerations"})
    fields = {
        "serviceAccountName": options.service_account,
        "priorityClassName": options.priority_class,
        "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
        "nodeSelector": dict(options.node_selector),
        "tolerations": said.get("tolerations"),
        "affinity": said.get("affinity"),
        "topologySpreadConstraints": said.get("topology_spread"),
    }
    return {name: value for name, value in fields.items() if value}


def _grace_s(workload: Workload, defaults: PodDefaults) -> int:
    grace_s = workload.kubernetes.grace_s
    return defaults.grace_s if grace_s is None else grace_s


def _bundle(workload: Workload, launch: Launch, transfers: Transfers, fields: Mapping[str, Any]) -> bundle.Bundle:
    job = {"hyperparameters": workload.hyperparameters, "channels": workload.channels} if isinstance(workload, Job) else {}
    return bundle.bundle_for(
        workload,
        launch.job_name,
        find_instance_type(workload),
        **fields,
        **job,
        hosts=transfers.hosts,
        downloads=transfers.downloads,
        uploads=transfers.uploads,
        checkpoints=transfers.checkpoints,
    )


def _shim_variables(workload: Workload, launch: Launch, defaults: PodDefaults) -> dict[str, str]:
    variables = bundle.shim_variables(workload)
    if workload.kubernetes.secrets:
        # They come as values: without a word nobody would keep them out of logs and observations.
        variables[contract.SECRETS] = ",".join(sorted(workload.kubernetes.secrets))
    grace_s = _grace_s(workload, defaults)
    # What the shim assumes by itself, and what leaves no time at all, is not said.
    if grace_s not in (DEFAULT_GRACE_S, 0):
        variables[contract.GRACE] = str(grace_s)
    if launch.observe_key and defaults.observation:
        variables[contract.OBSERVE] = f"{defaults.observation}#{launch.observe_key}"
    if launch.statsd:
        variables[contract.STATSD] = f"udp://{launch.statsd}"
    return variables


def _keeps_values(workload: Workload) -> bool:
    """Whether a restarted container is to find what the one before it knew: a container's own /dev/shm is gone with it."""
    references = (*workload.secrets.values(), *workload.secret_sets, *(file.secret or "" for file in workload.files.values()))
    return any("last-known-good" in reference.partition("?")[2].partition("default=")[0] for reference in references)
