"""Volumes as a kubelet lays them out, on directories of this machine and in the engine's memory.

Source: kubernetes.io/docs "Volumes", and pods of a real cluster (recorded cases 02, 03, 04, 06, 18).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.container_spec import Mount
from lyftlearn_image.emulation.kubernetes.cluster import TOKEN_LIFETIME_S
from lyftlearn_image.emulation.kubernetes.environment import ConfigError, resource_field
from lyftlearn_image.emulation.kubernetes.projection import DEFAULT_MODE, File, chosen, write_atomically
from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.environment import Objects

# Nobody answers at the API's address, so nobody can be verified with it.
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nbm8gY2x1c3Rlcg==\n-----END CERTIFICATE-----\n"
_MEMORY = Path("/dev/shm")  # noqa: S108 - where a secret never reaches a disk
_SERVICE_ACCOUNT = "kube-api-access"


class Volumes:
    """The volumes of one pod. Directories on a disk are below `workspace`, those of secrets on a tmpfs if there is one."""

    def __init__(self, workspace: Path, pod: Pod, cluster: Cluster, objects: Objects) -> None:
        self._workspace = workspace
        self._pod = pod
        self._cluster = cluster
        self._objects = objects
        self._fs_group: int | None = (pod.spec.get("securityContext") or {}).get("fsGroup")
        self._directories: dict[str, Path] = {}
        self._in_memory: dict[str, str] = {}
        self._projected: dict[str, Mapping[str, Any]] = {}

    @contextlib.contextmanager
    def laid_out(self, containers: Containers, *, with_token: bool) -> Iterator[tuple[str, ...]]:
        """Every volume of the pod, for as long as it lives; gives the names of those in the engine's memory.

        ConfigError for what leaves a pod in ContainerCreating: a ConfigMap, Secret or key that is not there.
        """
        with contextlib.ExitStack() as stack:
            for volume in self._pod.spec.get("volumes") or ():
                self._make(volume, containers, stack)
            if with_token:
                self._projected[_SERVICE_ACCOUNT] = {"name": _SERVICE_ACCOUNT, "serviceAccount": {}}
                self._write(_SERVICE_ACCOUNT, self._memory_directory(_SERVICE_ACCOUNT, containers.run_id, stack))
            yield tuple(self._in_memory.values())

    def mount(self, mount: Mapping[str, Any], known: Mapping[str, str]) -> Mount:
        """One volumeMount of a container; `known` are its variables, for subPathExpr."""
        name, target = mount["name"], mount["mountPath"]
        read_only = bool(mount.get("readOnly")) or name in self._projected
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", known)
        if name in self._in_memory:
            if sub_path:
                raise UnsupportedError(f"volumeMounts of {target}: the engine cannot mount a subPath of a volume in memory")
            return Mount(target, read_only=read_only, volume=self._in_memory[name])
        if name not in self._directories:
            raise ConfigError(f"volumeMounts of {target}: there is no volume {name!r}")
        directory = self._directories[name]
        return Mount(target, self._below(name, directory, sub_path) if sub_path else directory, read_only)

    def token_mount(self, target: str) -> Mount:
        """The ServiceAccount directory."""
        return Mount(target, self._directories[_SERVICE_ACCOUNT], read_only=True)

    def update(self, objects: Objects) -> None:
        """Writes changed ConfigMaps and Secrets into the volumes that show them. A subPath keeps what it was (case 18)."""
        self._objects = objects
        for name in self._projected:
            self._write(name, self._directories[name])

    def used_bytes(self) -> dict[str, int]:
        """Bytes used of every emptyDir on disk."""
        return {name: _used_bytes(path) for name, path in self._directories.items() if name not in self._projected}

    def _make(self, volume: Mapping[str, Any], containers: Containers, stack: contextlib.ExitStack) -> None:
        name = volume["name"]
        if "emptyDir" in volume or not volume.keys() - {"name"}:
            self._empty_dir(name, volume.get("emptyDir") or {}, containers, stack)
            return
        self._projected[name] = volume
        if "configMap" in volume:
            self._directories[name] = self._disk_directory(name, 0o777)
        else:
            self._memory_directory(name, containers.run_id, stack)
        self._write(name, self._directories[name])

    def _empty_dir(self, name: str, source: Mapping[str, Any], containers: Containers, stack: contextlib.ExitStack) -> None:
        """On disk 0777, in memory 1777; with fsGroup setgid and its group (recorded in pods, case 02)."""
        if source.get("medium") == "Memory":
            limit = source.get("sizeLimit")
            volume = containers.tmpfs_volume(
                f"{containers.run_id}-{self._pod.uid[:8]}-{name}",
                size_bytes=int(parse_quantity(limit)) if limit else self._memory_limit(),
                mode=0o1777 if self._fs_group is None else 0o3777,
                gid=self._fs_group,
            )
            self._in_memory[name] = stack.enter_context(volume)
            return
        path = self._directories[name] = self._disk_directory(name, 0o777)
        if self._fs_group is not None:
            os.chown(path, -1, self._fs_group)
            path.chmod(0o2777)

    def _memory_limit(self) -> int | None:
        """The sum of the containers' memory limits, None where one has none (kubernetes.io/docs "Volumes", emptyDir)."""
        limits = [((one.get("resources") or {}).get("limits") or {}).get("memory") for one in self._pod.spec["containers"]]
        known = [parse_quantity(limit) for limit in limits if limit]
        return int(sum(known)) if len(known) == len(limits) else None

    def _write(self, name: str, top: Path) -> None:
        files = self._files(name, self._projected[name])
        write_atomically(top, files, self._fs_group)
        for source in (self._projected[name].get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                self._own_token(top / source["serviceAccountToken"]["path"])
        if name == _SERVICE_ACCOUNT:
            self._own_token(top / "token")

    def _files(self, name: str, volume: Mapping[str, Any]) -> dict[str, File]:
        if "configMap" in volume:
            source = volume["configMap"]
            return self._object_files(name, source, "configMap", source["name"], _mode(source))
        if "secret" in volume:
            source = volume["secret"]
            return self._object_files(name, source, "secret", source["secretName"], _mode(source))
        if "downwardAPI" in volume:
            return self._pod_files(volume["downwardAPI"], _mode(volume["downwardAPI"]))
        if "projected" in volume:
            return self._projected_files(name, volume["projected"])
        return {
            "ca.crt": File(_CERTIFICATE, DEFAULT_MODE),
            "namespace": File(self._pod.namespace(self._cluster).encode(), DEFAULT_MODE),
            "token": File(self._pod.token(self._cluster), DEFAULT_MODE),
        }

    def _projected_files(self, name: str, volume: Mapping[str, Any]) -> dict[str, File]:
        """ConfigMaps, Secrets, fields of the pod and tokens in one directory."""
        files: dict[str, File] = {}
        mode = _mode(volume)
        for source in volume.get("sources") or ():
            for kind in ("configMap", "secret"):
                if kind in source:
                    files |= self._object_files(name, source[kind], kind, source[kind]["name"], mode)
            files |= self._pod_files(source.get("downwardAPI") or {}, mode)
            if "serviceAccountToken" in source:
                asked = source["serviceAccountToken"]
                token = self._pod.token(
                    self._cluster, asked.get("audience"), asked.get("expirationSeconds") or TOKEN_LIFETIME_S
                )
                files[asked["path"]] = File(token, mode)
        return files

    def _object_files(self, name: str, source: Mapping[str, Any], kind: str, object_name: str, mode: int) -> dict[str, File]:
        known = self._objects.config_maps if kind == "configMap" else self._objects.secrets
        content = known.get(object_name)
        if content is None and not source.get("optional"):
            raise ConfigError(f"volume {name!r}: {kind.lower()} {object_name!r} not found")
        return chosen(name, source, content, mode)

    def _pod_files(self, source: Mapping[str, Any], mode: int) -> dict[str, File]:
        """The downward API as files, without a newline at the end (recorded in pods, case 04)."""
        files = {}
        for item in source.get("items") or ():
            if "fieldRef" in item:
                text = self._pod.volume_field(item["fieldRef"]["fieldPath"], self._cluster)
            else:
                reference = item["resourceFieldRef"]
                text = resource_field(reference, self._container(reference["containerName"]), self._cluster)
            files[item["path"]] = File(text.encode(), int(item.get("mode") or mode))
        return files

    def _container(self, name: str) -> Mapping[str, Any]:
        for one in (*self._pod.spec["containers"], *(self._pod.spec.get("initContainers") or ())):
            if one["name"] == name:
                return dict(one)
        raise ConfigError(f"resourceFieldRef: there is no container {name!r}")

    def _own_token(self, link: Path) -> None:
        """0644 and root's; where all containers share a UID 0600 and its own, and fsGroup may read it (case 06)."""
        if os.geteuid() != 0:
            return  # only root can give a file away; with 0644 everyone may read it
        user = self._pod.shared_user()
        if user is not None or self._fs_group is not None:
            path = link.resolve()
            os.chown(path, user or 0, -1)
            path.chmod(0o600 if self._fs_group is None else 0o640)
            os.chown(link, user or 0, -1, follow_symlinks=False)

    def _below(self, name: str, directory: Path, sub_path: str) -> Path:
        """A subPath; what is not there is an empty directory (recorded in pods, case 16), with the volume's own rights."""
        inside = (directory / sub_path).resolve()
        if not inside.is_relative_to(directory.resolve()):
            raise ConfigError(f"subPath {sub_path!r}: must not contain '..'")
        if inside.exists():
            return inside
        if name in self._projected:
            return self._disk_directory(f"sub-{name}", 0o777)
        inside.mkdir(parents=True)
        inside.chmod(directory.stat().st_mode & 0o7777)
        os.chown(inside, -1, directory.stat().st_gid)
        return inside

    def _disk_directory(self, name: str, mode: int) -> Path:
        path = self._workspace / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path

    def _memory_directory(self, name: str, run_id: str, stack: contextlib.ExitStack) -> Path:
        """A directory on a tmpfs, mode 1777 as the kubelet's; on disk where this machine has no tmpfs."""
        if not os.access(_MEMORY, os.W_OK):
            path = self._disk_directory(name, 0o1777)
        else:
            path = Path(tempfile.mkdtemp(prefix=f"lyftlearn-{run_id}-", dir=_MEMORY))
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            path.chmod(0o1777)
        self._directories[name] = path
        return path


def _mode(source: Mapping[str, Any]) -> int:
    return int(source.get("defaultMode") or DEFAULT_MODE)


def _used_bytes(directory: Path) -> int:
    """Disk blocks below a directory, as `du` counts them."""
    used = 0
    for top, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                used += (Path(top) / name).lstat().st_blocks * 512
    return used
