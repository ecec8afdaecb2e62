"""The volumes of a pod and where its container mounts them: ConfigMaps and Secrets as files, scratch as nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.disks import SHM_DIR
from lyftlearn_image.platforms.kubernetes.importer.documents import keys_of, texts_of
from lyftlearn_image.platforms.kubernetes.importer.fields import Left
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.platforms.kubernetes.importer.documents import Documents
    from lyftlearn_image.platforms.kubernetes.importer.fields import Fields

# ConfigMapVolumeSource and SecretVolumeSource: "Defaults to 0644" (kubernetes/api core/v1).
_MODE = 0o644
# Volumes of compiled containers beside the script's: an init container that unpacks, the client of batch transform.
_OWN = re.compile(r"model|client(-.*)?")
# Writable on both platforms, by the contract.
_WRITABLE = ("/tmp", "/var/tmp", "/opt/ml", contract.HOME, "/dev/shm", "/var/run/lyftlearn", contract.WORK_DIR)  # noqa: S108 - of the container


@dataclass
class Disks:
    """Volumes that are no files: claims by the paths where they are mounted, and the size of /dev/shm, "" where it has none."""

    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    shm_size: str | None = None


def read(
    pod: Fields, container: Fields, documents: Documents, disks: Disks, *, skip_own: bool = False
) -> dict[str, dict[str, Any]]:
    """The files of a workload by path. `disks` gets what else is mounted.

    `skip_own` leaves out the volumes of the containers that a compiler of ours adds.
    """
    volumes = {str(one.take("name", "")): one for one in pod.items("volumes")}
    volumes = {name: one for name, one in volumes.items() if not (skip_own and _OWN.fullmatch(name))}
    files: dict[str, dict[str, Any]] = {}
    mounted: set[str] = set()
    for mount in container.items("volumeMounts"):
        name, path = str(mount.take("name", "")), str(mount.take("mountPath", "")).rstrip("/")
        is_read_only = bool(mount.take("readOnly"))
        sub_path = str(mount.take("subPath", ""))
        mount.finish()
        if name not in volumes:
            mount.leave("name", f"there is no volume {name}", "Check the manifest.")
        elif claim := volumes[name].take("persistentVolumeClaim"):
            disks.claims[path] = _read_claim(volumes[name].below(claim, "persistentVolumeClaim"), sub_path, is_read_only)
        elif path == SHM_DIR and (memory := _memory(volumes[name])) is not None:
            disks.shm_size = str(memory.take("sizeLimit", ""))
        elif name not in mounted or sub_path:
            files.update(_read_volume(volumes[name], path, sub_path, documents))
        mounted.add(name)
    for volume in volumes.values():
        volume.finish()
    return files


def _read_claim(source: Fields, sub_path: str, is_read_only: bool) -> dict[str, Any]:  # noqa: FBT001 - as the mount says it
    claim: dict[str, Any] = {"claim": str(source.take("claimName", ""))}
    if sub_path:
        claim["sub_path"] = sub_path
    if source.take("readOnly") or is_read_only:
        claim["read_only"] = True
    source.finish()
    return claim


def _memory(volume: Fields) -> Fields | None:
    """An emptyDir in memory; None for any other volume."""
    empty = volume.peek("emptyDir")
    if not isinstance(empty, dict) or empty.get("medium") != "Memory":
        return None
    fields = volume.inside("emptyDir")
    fields.take("medium")
    return fields


def _read_volume(volume: Fields, path: str, sub_path: str, documents: Documents) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {}
    if config_map := volume.take("configMap"):
        source = volume.below(config_map, "configMap")
        for name, file in _read_config_map(source, documents):
            files |= _at_path(name, file, path, sub_path)
        source.finish()
    elif secret := volume.take("secret"):
        source = volume.below(secret, "secret")
        for name, file in _read_secret(source, documents):
            files |= _at_path(name, file, path, sub_path)
        source.finish()
    elif (empty := volume.take("emptyDir")) is not None:
        if not path.startswith(_WRITABLE) and not (isinstance(empty, dict) and empty.get("medium") == "Memory"):
            why = f"{path} is scratch of the pod; on SageMaker it is a directory of the image"
            volume.left.append(Left(f"{volume.place}.emptyDir", why, "Use /tmp, which is writable on both."))
        if isinstance(empty, dict) and empty.get("sizeLimit"):
            size = f"{volume.place}.emptyDir.sizeLimit"
            volume.left.append(Left(size, "scratch has no limit of its own", "Set `volume_gb` for SageMaker's disk."))
    return files


def _at_path(name: str, file: dict[str, Any], path: str, sub_path: str) -> dict[str, dict[str, Any]]:
    if not sub_path:
        return {f"{path}/{name}": file}
    if name == sub_path:
        return {path: file}
    below = name.removeprefix(f"{sub_path.rstrip('/')}/")
    return {f"{path}/{below}": file} if below != name else {}


def _read_config_map(source: Fields, documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    name = str(source.take("name", ""))
    mode = int(source.take("defaultMode", _MODE))
    is_optional = bool(source.take("optional"))
    config_map = documents.get("ConfigMap", name)
    items = _items(source, mode)
    if config_map is None:
        if not is_optional:
            source.leave("", f"the ConfigMap {name} is not in the file", "Add it to the file, and import again.")
        return
    texts = texts_of(config_map)
    for key, file_name, file_mode in items or [(key, key, mode) for key in texts]:
        if texts.get(key) is None:
            source.leave("", f"{key} of the ConfigMap {name} is no text", "Put it into S3, or into the image.")
        else:
            yield file_name, {"content": texts[key], "mode": f"0{file_mode:03o}"}


def _read_secret(source: Fields, documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    name = str(source.take("secretName") or source.take("name", ""))
    mode = int(source.take("defaultMode", _MODE))
    option = "?optional" if source.take("optional") else ""
    secret = documents.get("Secret", name)
    items = _items(source, mode) or [(key, key, mode) for key in (keys_of(secret) if secret else ())]
    if not items:
        source.leave(
            "", f"the keys of the Secret {name} are not in the file", "Name each file under `files`, with its `secret`."
        )
        return
    for key, file_name, file_mode in items:
        yield file_name, {"secret": f"aws-sm://{name}{option}#{key}", "mode": f"0{file_mode:03o}"}
    source.leave(
        "", f"SageMaker has no Kubernetes Secrets; the files of {name} are references",
        f"Put the secret {name} into Secrets Manager, as a JSON object with the keys {', '.join(key for key, _, _ in items)}.",
    )  # fmt: skip


def _items(source: Fields, mode: int) -> list[tuple[str, str, int]]:
    """Key, path and mode of each item; empty where all keys are meant."""
    files = []
    for item in source.items("items"):
        files.append((str(item.take("key", "")), str(item.take("path", "")), int(item.take("mode", mode))))
        item.finish()
    return files
