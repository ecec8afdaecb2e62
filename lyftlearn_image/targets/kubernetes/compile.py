"""From a workload to a Job manifest and its ConfigMaps: pure, and the same for the same workload.

The pod keeps to Pod Security Standard "restricted", with a read-only root besides; what the contract needs to be
writable is an emptyDir.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.targets import bundle
from lyftlearn_image.targets.target import Compiled
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.targets.target import Launch
    from lyftlearn_image.workload import ConfigFile, Workload

# ConfigMap.Data: "the total bytes of the keys' values ... should not exceed 1 MiB" (k8s.io/docs/concepts/configuration).
CONFIG_MAP_BYTES = 1 << 20
_TRAINING_DIRS = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/checkpoints")
_PROCESSING_DIRS = ("/opt/ml/config", "/opt/ml/processing", "/opt/ml/output", "/opt/ml/input")
_GRACE_S = 30
_MEMORY_DIR = "/var/run/lyftlearn"
# The longest NAME=value string that a process can be started with, `=` and NUL included (recorded in pods, case 17).
LONGEST_STRING_BYTES = 131072


def compile_job(workload: Workload, launch: Launch) -> Compiled:
    """The Job and, before it, the ConfigMaps that it mounts; the launch bundle in S3 where no ConfigMap can hold it."""
    outputs = _outputs(workload, launch)
    mounted, by_shim = _divide_files(workload.files)
    data = bundle.to_bytes(_bundle(workload, launch, outputs, mounted, by_shim))
    config_maps = [
        _config_map(
            f"{launch.job_name}-{_short(directory)}",
            {path.rpartition("/")[2]: str(file.content) for path, file in files.items()},
        )
        for directory, files in sorted(mounted.items())
    ]
    objects: dict[str, bytes] = {}
    volumes, mounts = _scratch(workload)
    if len(data) <= CONFIG_MAP_BYTES:
        name = f"{launch.job_name}-bundle"
        config_maps.append(_config_map(name, {"bundle.json": data.decode()}))
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
    environment = _environment(workload, launch, bundle.reference(where, data))
    job = _job(workload, launch, environment, volumes, mounts)
    return Compiled("kubernetes", "Job", (*config_maps, job), objects, outputs)


def _bundle(
    workload: Workload,
    launch: Launch,
    outputs: Mapping[str, str],
    mounted: Mapping[str, Mapping[str, ConfigFile]],
    files: Mapping[str, ConfigFile],
) -> bundle.Bundle:
    is_training = workload.kind == "training"
    below = "/opt/ml/input/data" if is_training else f"{contract.PROCESSING_DIR}/input"
    paths = {"model": "/opt/ml/model", "output": "/opt/ml/output/data"} if is_training else _processing_paths(workload, launch)
    return bundle.of(
        workload,
        launch.job_name,
        environment={name: value for name, value in workload.environment.items() if not _fits(name, value)},
        hyperparameters=workload.hyperparameters,
        files=files,
        channels=workload.channels,
        mounted=tuple(path for inside in mounted.values() for path in inside),
        downloads=tuple((f"{below}/{name}", uri) for name, uri in sorted(workload.channels.items())),
        uploads=tuple((paths[name], uri) for name, uri in sorted(outputs.items())),
    )


def _outputs(workload: Workload, launch: Launch) -> dict[str, str]:
    place = f"{launch.s3_prefix}/{launch.job_name}"
    if workload.kind == "training":
        return {"model": f"{place}/output/model.tar.gz", "output": f"{place}/output/output.tar.gz"}
    return {name: f"{place}/{name}/" for name in _processing_paths(workload, launch)}


def _processing_paths(workload: Workload, launch: Launch) -> dict[str, str]:
    paths = dict(workload.outputs) or {"output": f"{contract.PROCESSING_DIR}/output"}
    if launch.observe_key:
        paths["lyftlearn"] = contract.PROCESSING_OBSERVATION.rpartition("/")[0]
    return paths


def _keeps_values(workload: Workload) -> bool:
    """Whether a restarted container is to find what the one before it knew: a container's own /dev/shm is gone with it."""
    references = (*workload.secrets.values(), *workload.secret_sets, *(file.secret or "" for file in workload.files.values()))
    return any("last-known-good" in one.partition("?")[2].partition("default=")[0] for one in references)


def _fits(name: str, value: str) -> bool:
    """Whether execve takes it as a variable."""
    return len(name.encode()) + len(value.encode()) + 2 <= LONGEST_STRING_BYTES


def _divide_files(files: Mapping[str, ConfigFile]) -> tuple[dict[str, dict[str, ConfigFile]], dict[str, ConfigFile]]:
    """Files by directory that a ConfigMap volume can bring, and those that the shim must write.

    A directory with a secret or an owner in it, or with more than a ConfigMap holds, is written by the shim as a whole: a
    mounted ConfigMap is read-only and root's.
    """
    by_directory: dict[str, dict[str, ConfigFile]] = {}
    for path, file in sorted(files.items()):
        by_directory.setdefault(path.rpartition("/")[0], {})[path] = file
    mounted = {}
    by_shim: dict[str, ConfigFile] = {}
    for directory, inside in by_directory.items():
        size = sum(len((file.content or "").encode()) for file in inside.values())
        if all(file.content is not None and not file.owner for file in inside.values()) and size < CONFIG_MAP_BYTES:
            mounted[directory] = inside
        else:
            by_shim.update(inside)
    return mounted, by_shim


def _config_map(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}


def _config_volume(name: str, directory: str, files: Mapping[str, ConfigFile]) -> dict[str, Any]:
    items = [
        {"key": key, "path": key, "mode": int(file.mode, 8)}
        for path, file in files.items()
        for key in [path.rpartition("/")[2]]
    ]
    return {"name": f"config-{_short(directory)}", "configMap": {"name": name, "items": items}}


def _scratch(workload: Workload) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """An emptyDir for every directory that the contract says is writable."""
    paths = ("/tmp", contract.HOME, *(_TRAINING_DIRS if workload.kind == "training" else _PROCESSING_DIRS))  # noqa: S108
    names = {path: path.strip("/").replace("/", "-") for path in paths}
    return [{"name": names[path], "emptyDir": {}} for path in paths], [
        {"name": names[path], "mountPath": path} for path in paths
    ]


def _environment(workload: Workload, launch: Launch, reference: str) -> list[dict[str, str]]:
    variables = {name: value for name, value in workload.environment.items() if _fits(name, value)}
    variables.update(workload.secrets)
    variables[contract.BUNDLE] = reference
    variables.update(bundle.shim_variables(workload))
    if _keeps_values(workload):
        variables[contract.MEMORY_DIR] = _MEMORY_DIR
    if launch.observe_key:
        is_training = workload.kind == "training"
        place = contract.TRAINING_OBSERVATION if is_training else contract.PROCESSING_OBSERVATION
        variables[contract.OBSERVE] = f"{place}#{launch.observe_key}"
    if launch.statsd:
        variables[contract.STATSD] = f"udp://{launch.statsd}"
    # A dollar would start an expansion, and every `$$` becomes `$` (recorded in pods, case 03).
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in sorted(variables.items())]


def _job(
    workload: Workload,
    launch: Launch,
    environment: list[dict[str, str]],
    volumes: list[dict[str, Any]],
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    limits = {"cpu": f"{round(workload.cpus * 1000)}m", "memory": f"{workload.memory_mib}Mi"}
    container: dict[str, Any] = {
        "name": "main",
        "image": workload.image,
        # args alone keep the image's ENTRYPOINT, the shim.
        "args": [argument.replace("$", "$$") for argument in workload.command or ("train",)],
        "env": environment,
        "resources": {"limits": limits, "requests": dict(limits)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": mounts,
    }
    security = {
        "runAsNonRoot": True,
        "runAsUser": workload.run_as_user,
        "runAsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": security,
        "containers": [container],
        "volumes": volumes,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": launch.job_name, "labels": {"app.kubernetes.io/managed-by": "lyftlearn"}},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": workload.max_runtime_s, "template": {"spec": pod}},
    }


def _short(directory: str) -> str:
    return hashlib.sha256(directory.encode()).hexdigest()[:8]
