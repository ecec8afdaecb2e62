"""Volumes as a kubelet lays them out, on directories of this machine.

Source: kubernetes/kubernetes pkg/volume/util/atomic_writer.go, and pods of a real cluster (recorded cases 02, 03, 06).
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.targets.containers import Mount
from lyftlearn_image.targets.kubernetes.environment import ConfigError
from lyftlearn_image.targets.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lyftlearn_image.targets.kubernetes.environment import Objects

_DEFAULT_MODE = 0o644
# Nobody answers at the API's address, so nobody can be verified with it.
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nbm8gY2x1c3Rlcg==\n-----END CERTIFICATE-----\n"
_MEMORY = Path("/dev/shm")  # noqa: S108 - where a secret never reaches a disk


@dataclass
class Volumes:
    """The volumes of one pod. Directories on a disk are below `workspace`, those of secrets on a tmpfs if there is one."""

    workspace: Path
    objects: Objects
    fs_group: int | None
    memory_limit_bytes: int | None
    # What a projected volume asks of the pod: its one UID, a value of a field, a token for a source.
    user: int | None
    field: Callable[[str], str]
    token: Callable[[Mapping[str, Any]], bytes]
    _made: list[Path] = dataclasses.field(default_factory=list)
    _by_name: dict[str, Path | Mount] = dataclasses.field(default_factory=dict)
    _read_only: set[str] = dataclasses.field(default_factory=set)

    def make(self, volume: Mapping[str, Any]) -> None:
        """Lays one volume of the pod out."""
        name = volume["name"]
        if "emptyDir" in volume:
            self._by_name[name] = self._empty_dir(name, volume["emptyDir"] or {})
            return
        self._read_only.add(name)
        if "configMap" in volume:
            source = volume["configMap"]
            self._by_name[name] = self._config(name, source, source["name"], self.objects.config_maps, in_memory=False)
        elif "projected" in volume:
            self._by_name[name] = self._projected(name, volume["projected"])
        else:
            source = volume["secret"]
            self._by_name[name] = self._config(name, source, source["secretName"], self.objects.secrets, in_memory=True)

    def mount(self, mount: Mapping[str, Any]) -> Mount:
        """One volumeMount of a container."""
        volume = self._by_name[mount["name"]]
        read_only = bool(mount.get("readOnly")) or mount["name"] in self._read_only
        target = mount["mountPath"]
        if isinstance(volume, Mount):
            return Mount(target, None, read_only, volume.size_bytes, volume.mode, volume.gid)
        if sub_path := mount.get("subPath"):
            inside = (volume / sub_path).resolve()
            if not inside.exists():
                # A missing key is no error: an empty directory is there (recorded in pods, case 16).
                inside = (
                    volume / sub_path
                    if mount["name"] not in self._read_only
                    else self._directory(f"sub-{mount['name']}", 0o777)
                )
                inside.mkdir(parents=True, exist_ok=True)
            return Mount(target, inside, read_only)
        return Mount(target, volume, read_only)

    def service_account(self, namespace: str, token: bytes) -> Path:
        """The ServiceAccount directory: token, ca.crt, namespace on a tmpfs (recorded in pods, cases 01 and 06).

        The token is 0644 for root, 0600 and the user's own where all containers share a UID; fsGroup may read it.
        """
        top = self._in_memory("service-account")
        files = {
            "ca.crt": (_CERTIFICATE, 0o644),
            "namespace": (namespace.encode(), 0o644),
            "token": (token, 0o644 if self.user is None else 0o600),
        }
        self._write_atomically(top, files)
        self._own_token(top / "token", self.user)
        return top

    def _own_token(self, link: Path, user: int | None) -> None:
        """Gives a token to the containers' one UID, and fsGroup the right to read it."""
        if user is not None or self.fs_group is not None:
            path = link.resolve()
            os.chown(path, user or 0, -1)
            path.chmod(0o600 if self.fs_group is None else 0o640)
            os.chown(link, user or 0, -1, follow_symlinks=False)

    def remove(self) -> None:
        """Removes what is not below the workspace."""
        for path in self._made:
            shutil.rmtree(path, ignore_errors=True)

    def _empty_dir(self, name: str, source: Mapping[str, Any]) -> Path | Mount:
        """On disk 0777, in memory 1777; with fsGroup setgid and its group (recorded in pods, case 02)."""
        if source.get("medium") == "Memory":
            limit = source.get("sizeLimit")
            size = int(parse_quantity(limit)) if limit else self.memory_limit_bytes
            return Mount("", None, size_bytes=size, mode=0o3777 if self.fs_group is not None else 0o1777, gid=self.fs_group)
        path = self._directory(name, 0o777)
        if self.fs_group is not None:
            os.chown(path, -1, self.fs_group)
            path.chmod(0o2777)
        return path

    def _config(
        self,
        name: str,
        source: Mapping[str, Any],
        object_name: str,
        known: Mapping[str, Mapping[str, bytes]],
        *,
        in_memory: bool,
    ) -> Path:
        content = known.get(object_name)
        if content is None and not source.get("optional"):
            raise ConfigError(f"volume {name!r}: {'secret' if in_memory else 'configmap'} {object_name!r} not found")
        top = self._in_memory(name) if in_memory else self._directory(name, 0o777)
        self._write_atomically(top, self._chosen(name, source, content, int(source.get("defaultMode") or _DEFAULT_MODE)))
        return top

    def _projected(self, name: str, volume: Mapping[str, Any]) -> Path:
        """ConfigMaps, Secrets, fields of the pod and tokens in one directory, on a tmpfs."""
        files: dict[str, tuple[bytes, int]] = {}
        mode = int(volume.get("defaultMode") or _DEFAULT_MODE)
        for source in volume["sources"]:
            for kind, known in (("configMap", self.objects.config_maps), ("secret", self.objects.secrets)):
                if kind in source:
                    files.update(self._chosen(name, source[kind], known.get(source[kind]["name"]), mode))
            for item in source.get("downwardAPI", {}).get("items", ()):
                files[item["path"]] = (self.field(item["fieldRef"]["fieldPath"]).encode(), int(item.get("mode") or mode))
            if "serviceAccountToken" in source:
                files[source["serviceAccountToken"]["path"]] = (self.token(source["serviceAccountToken"]), mode)
        top = self._in_memory(name)
        self._write_atomically(top, files)
        for source in volume["sources"]:
            if "serviceAccountToken" in source:
                self._own_token(top / source["serviceAccountToken"]["path"], self.user)
        return top

    def _chosen(
        self, name: str, source: Mapping[str, Any], content: Mapping[str, bytes] | None, default_mode: int
    ) -> dict[str, tuple[bytes, int]]:
        """Path → content and mode of the keys that a source names, or of all."""
        files = {}
        items = source.get("items")
        for item in items if items is not None else [{"key": key, "path": key} for key in content or {}]:
            if item["key"] not in (content or {}):
                if source.get("optional"):
                    continue
                raise ConfigError(f"volume {name!r} references non-existent key {item['key']!r}")
            files[item["path"]] = ((content or {})[item["key"]], int(item.get("mode") or default_mode))
        return files

    def _write_atomically(self, top: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
        """Files in a timestamped directory, `..data` links to it, and each first part of a path links through `..data`."""
        stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.") + f"{os.getpid() % 10**9:09d}"
        directory = top / stamp
        directory.mkdir()
        directory.chmod(0o755)
        for path, (content, mode) in files.items():
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            self._own(place, mode)
        if self.fs_group is not None:
            for below in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
                os.chown(below, -1, self.fs_group)
                below.chmod(0o2755)
            os.chown(top, -1, self.fs_group)
            top.chmod(top.stat().st_mode & 0o1777 | 0o2000)
        (top / "..data").symlink_to(stamp)
        for first in sorted({path.split("/")[0] for path in files}):
            (top / first).symlink_to(f"..data/{first}")

    def _own(self, path: Path, mode: int) -> None:
        """The file's mode; fsGroup gives it the group, and the group the right to read."""
        if self.fs_group is None:
            path.chmod(mode)
            return
        os.chown(path, -1, self.fs_group)
        path.chmod(mode | 0o040)

    def _directory(self, name: str, mode: int) -> Path:
        path = self.workspace / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path

    def _in_memory(self, name: str) -> Path:
        """A directory on a tmpfs, mode 1777 as the kubelet's; on disk where this machine has no tmpfs."""
        if not os.access(_MEMORY, os.W_OK):
            return self._directory(name, 0o1777)
        path = Path(tempfile.mkdtemp(prefix="lyftlearn-", dir=_MEMORY))
        self._made.append(path)
        path.chmod(0o1777)
        return path
