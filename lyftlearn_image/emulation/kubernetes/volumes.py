"""The volumes of a pod as a kubelet sets them up: directories of this machine, and tmpfs volumes of the engine.

Sources: kubernetes.io/docs "Volumes", kubernetes/kubernetes pkg/volume/util/subpath; recorded in pods, cases 02, 03, 04, 06,
18, p01, p02 and p21.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.container_spec import Mount
from lyftlearn_image.emulation.kubernetes.cluster import TOKEN_LIFETIME_S
from lyftlearn_image.emulation.kubernetes.environment import resource_field_value
from lyftlearn_image.emulation.kubernetes.errors import ContainerConfigError
from lyftlearn_image.emulation.kubernetes.projection import DEFAULT_MODE, VolumeFile, project_keys, write_atomically
from lyftlearn_image.emulation.kubernetes.resources import memory_volume_bytes
from lyftlearn_image.emulation.kubernetes.sub_paths import SubPath
from lyftlearn_image.emulation.private_directories import MEMORY, private_directory
from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.kubernetes.expansion import expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects

# No API server listens, so there is none to verify.
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nbm8gY2x1c3Rlcg==\n-----END CERTIFICATE-----\n"
_API_ACCESS = "kube-api-access"


class PodVolumes:
    """The volumes of one pod: directories in `workspace`, and in memory what a kubelet has there.

    A tmpfs volume of the engine has the size that it has in a cluster. Where this process cannot write into those, what it has
    to write into (Secrets, tokens) is on a tmpfs of this machine, as large as that is.
    """

    def __init__(self, workspace: Path, pod: Pod, cluster: Cluster, objects: NamespaceObjects) -> None:
        self._workspace = workspace
        self._pod = pod
        self._cluster = cluster
        self._objects = objects
        self._fs_group: int | None = (pod.spec.get("securityContext") or {}).get("fsGroup")
        self._stack = contextlib.ExitStack()
        self._containers: Containers | None = None
        # Of every volume that this process can write into, and of those the ones that count as storage.
        self._directories: dict[str, Path] = {}
        self._on_disk: set[str] = set()
        self._tmpfs_volumes: dict[str, str] = {}
        self._projected: dict[str, Mapping[str, Any]] = {}

    @contextlib.contextmanager
    def set_up(self, containers: Containers, *, with_token: bool) -> Iterator[tuple[str, ...]]:
        """Makes every volume, which is there until the block ends; gives the names of the tmpfs volumes.

        They are there when a container has mounted them: then `write_files`.
        """
        self._containers = containers
        with self._stack:
            for volume in self._pod.spec.get("volumes") or ():
                self._make(volume, containers)
            if with_token:
                self._projected[_API_ACCESS] = {"name": _API_ACCESS, "serviceAccount": {}}
                self._make_in_memory(_API_ACCESS, containers)
            yield tuple(self._tmpfs_volumes.values())

    def write_files(self) -> None:
        """Writes the files of ConfigMaps, Secrets, tokens and the downward API.

        ContainerConfigError for a ConfigMap, Secret or key that does not exist, which leaves a pod in ContainerCreating.
        """
        for name, volume in self._tmpfs_volumes.items():
            if self._containers and (directory := self._containers.volume_directory(volume)):
                self._directories[name] = directory
        for name in self._projected:
            if name not in self._directories:
                self._directories[name] = self._memory_directory(name)
                del self._tmpfs_volumes[name]
            self._write(name, self._directories[name])

    def mount(self, volume_mount: Mapping[str, Any], environment: Mapping[str, str]) -> Mount | SubPath:
        """The mount for a volumeMount of a container, whose environment is for subPathExpr."""
        name, target = volume_mount["name"], volume_mount["mountPath"]
        read_only = bool(volume_mount.get("readOnly")) or name in self._projected
        sub_path = volume_mount.get("subPath") or expand(volume_mount.get("subPathExpr") or "", environment)
        if name in self._tmpfs_volumes and not sub_path:
            return Mount(target, read_only=read_only, volume=self._tmpfs_volumes[name])
        if name not in self._directories:
            if name in self._tmpfs_volumes:
                raise UnsupportedError(f"volumeMounts of {target}: the engine cannot mount a subPath of a volume in memory")
            raise ContainerConfigError(f"volumeMounts of {target}: there is no volume {name!r}")
        directory = self._directories[name]
        if sub_path:
            return SubPath(target, name, directory, sub_path, read_only)
        return Mount(target, directory, read_only)

    def resolve(self, sub_path: SubPath) -> Mount:
        """The mount of a part of a volume, as it is now."""
        source = self._sub_path(sub_path.volume, sub_path.directory, sub_path.path)
        return Mount(sub_path.target, source, sub_path.read_only)

    def token_mount(self, target: str) -> Mount | SubPath:
        """The mount of the ServiceAccount directory."""
        return self.mount({"name": _API_ACCESS, "mountPath": target}, {})

    def update(self, objects: NamespaceObjects) -> None:
        """Writes changed ConfigMaps and Secrets into their volumes. The mount of a subPath keeps the old content (case 18)."""
        self._objects = objects
        for name in self._projected:
            self._write(name, self._directories[name])

    def used_bytes(self) -> dict[str, int]:
        """The bytes of every emptyDir on disk."""
        return {name: _disk_usage(self._directories[name]) for name in self._on_disk}

    def _make(self, volume: Mapping[str, Any], containers: Containers) -> None:
        """An emptyDir has mode 0777, in memory 1777; an fsGroup sets its group and setgid bit (recorded in pods, case 02)."""
        name = volume["name"]
        is_empty_dir = "emptyDir" in volume or not volume.keys() - {"name"}
        if not is_empty_dir:
            self._projected[name] = volume
        source = volume.get("emptyDir") or {}
        if source.get("medium") == "Memory" or not (is_empty_dir or "configMap" in volume):
            self._make_in_memory(name, containers, source.get("sizeLimit"))
            return
        path = self._directories[name] = self._disk_directory(name, 0o777)
        if is_empty_dir:
            self._on_disk.add(name)
            if self._fs_group is not None:
                os.chown(path, -1, self._fs_group)
                path.chmod(0o2777)

    def _make_in_memory(self, name: str, containers: Containers, size_limit: str | float | None = None) -> None:
        volume = containers.tmpfs_volume(
            f"{containers.run_id}-{self._pod.uid[:8]}-{name}",
            size_bytes=memory_volume_bytes(self._pod.spec, self._cluster.node, size_limit),
            mode=0o1777 if self._fs_group is None else 0o3777,
            gid=self._fs_group,
        )
        self._tmpfs_volumes[name] = self._stack.enter_context(volume)

    def _write(self, name: str, top: Path) -> None:
        files = self._volume_files(name, self._projected[name])
        write_atomically(top, files, self._fs_group)
        for source in (self._projected[name].get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                self._set_token_owner(top / source["serviceAccountToken"]["path"])
        if name == _API_ACCESS:
            self._set_token_owner(top / "token")

    def _volume_files(self, name: str, volume: Mapping[str, Any]) -> dict[str, VolumeFile]:
        if "configMap" in volume:
            source = volume["configMap"]
            return self._object_files(name, source, "configMap", source["name"], _mode(source))
        if "secret" in volume:
            source = volume["secret"]
            return self._object_files(name, source, "secret", source["secretName"], _mode(source))
        if "downwardAPI" in volume:
            return self._downward_files(volume["downwardAPI"], _mode(volume["downwardAPI"]))
        if "projected" in volume:
            return self._projected_files(name, volume["projected"])
        return {
            "ca.crt": VolumeFile(_CERTIFICATE, DEFAULT_MODE),
            "namespace": VolumeFile(self._pod.namespace(self._cluster).encode(), DEFAULT_MODE),
            "token": VolumeFile(self._pod.service_account_token(self._cluster), DEFAULT_MODE),
        }

    def _projected_files(self, name: str, volume: Mapping[str, Any]) -> dict[str, VolumeFile]:
        """The files of a projected volume: of ConfigMaps, Secrets, the downward API and tokens."""
        files: dict[str, VolumeFile] = {}
        mode = _mode(volume)
        for source in volume.get("sources") or ():
            for kind in ("configMap", "secret"):
                if kind in source:
                    files |= self._object_files(name, source[kind], kind, source[kind]["name"], mode)
            files |= self._downward_files(source.get("downwardAPI") or {}, mode)
            if "serviceAccountToken" in source:
                request = source["serviceAccountToken"]
                lifetime_s = request.get("expirationSeconds") or TOKEN_LIFETIME_S
                token = self._pod.service_account_token(self._cluster, request.get("audience"), lifetime_s)
                files[request["path"]] = VolumeFile(token, mode)
        return files

    def _object_files(
        self, name: str, source: Mapping[str, Any], kind: str, object_name: str, mode: int
    ) -> dict[str, VolumeFile]:
        objects = self._objects.config_maps if kind == "configMap" else self._objects.secrets
        data = objects.get(object_name)
        if data is None and not source.get("optional"):
            raise ContainerConfigError(f"volume {name!r}: {kind.lower()} {object_name!r} not found")
        return project_keys(name, source, data, mode)

    def _downward_files(self, source: Mapping[str, Any], mode: int) -> dict[str, VolumeFile]:
        """The files of the downward API, without a newline at their end (recorded in pods, case 04)."""
        files = {}
        for item in source.get("items") or ():
            if "fieldRef" in item:
                text = self._pod.volume_field_value(item["fieldRef"]["fieldPath"], self._cluster)
            else:
                reference = item["resourceFieldRef"]
                container = self._container(reference["containerName"])
                text = resource_field_value(reference, container, self._cluster.node)
            files[item["path"]] = VolumeFile(text.encode(), int(item.get("mode") or mode))
        return files

    def _container(self, name: str) -> Mapping[str, Any]:
        for container in self._pod.containers:
            if container["name"] == name:
                return container
        raise ContainerConfigError(f"resourceFieldRef: there is no container {name!r}")

    def _set_token_owner(self, link: Path) -> None:
        """Root's with mode 0644; with a common runAsUser that user's with 0600, with an fsGroup 0640 (case 06)."""
        if os.geteuid() != 0:
            return  # only root can change an owner; with 0644 everyone may read the token
        user = self._pod.common_run_as_user()
        if user is not None or self._fs_group is not None:
            path = link.resolve()
            os.chown(path, user or 0, -1)
            path.chmod(0o600 if self._fs_group is None else 0o640)
            os.chown(link, user or 0, -1, follow_symlinks=False)

    def _sub_path(self, name: str, directory: Path, sub_path: str) -> Path:
        """The path of a subPath. What does not exist of it becomes directories with the volume's mode (cases 16 and p02)."""
        inside = (directory / sub_path).resolve()
        if not inside.is_relative_to(directory.resolve()):
            raise ContainerConfigError(f"subPath {sub_path!r}: it leads out of the volume {name!r}")
        if inside.exists():
            return inside
        if name in self._projected:
            return self._disk_directory(f"sub-{name}", 0o777)
        status = directory.stat()
        for path in reversed([inside, *inside.parents]):
            if not path.exists():
                path.mkdir()
                os.chown(path, -1, status.st_gid)
                path.chmod(status.st_mode & ~stat.S_ISVTX & 0o7777)
        return inside

    def _disk_directory(self, name: str, mode: int) -> Path:
        path = self._workspace / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path

    def _memory_directory(self, name: str) -> Path:
        """A directory on a tmpfs with mode 1777, as the kubelet's, in one that no other user of this machine may enter.

        On disk where this machine has no tmpfs.
        """
        if not os.access(MEMORY, os.W_OK):
            return self._disk_directory(name, 0o1777)
        path = self._stack.enter_context(private_directory(MEMORY)) / "volume"
        path.mkdir()
        path.chmod(0o1777)
        return path


def _mode(source: Mapping[str, Any]) -> int:
    return int(source.get("defaultMode") or DEFAULT_MODE)


def _disk_usage(directory: Path) -> int:
    """The bytes of the disk blocks of a directory tree, as `du` counts them."""
    used = 0
    for top, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                used += (Path(top) / name).lstat().st_blocks * 512
    return used
