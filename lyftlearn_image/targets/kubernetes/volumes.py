"""Volumes as a kubelet lays them out, on directories of this machine.

Source: kubernetes/kubernetes pkg/volume/util/atomic_writer.go, and pods of a real cluster (recorded cases 02, 03, 06).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.targets.containers import Mount
from lyftlearn_image.targets.kubernetes.environment import ConfigError
from lyftlearn_image.targets.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.targets.kubernetes.environment import Objects

_DEFAULT_MODE = 0o644
_MEMORY = Path("/dev/shm")  # noqa: S108 - where a secret never reaches a disk


@dataclass
class Volumes:
    """The volumes of one pod. Directories on a disk are below `workspace`, those of secrets on a tmpfs if there is one."""

    workspace: Path
    objects: Objects
    fs_group: int | None
    memory_limit_bytes: int | None
    _made: list[Path] = field(default_factory=list)
    _by_name: dict[str, Path | Mount] = field(default_factory=dict)
    _read_only: set[str] = field(default_factory=set)

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
                    else self._directory(f"sub-{mount['name']}", 0o755)
                )
                inside.mkdir(parents=True, exist_ok=True)
            return Mount(target, inside, read_only)
        return Mount(target, volume, read_only)

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
        files = {}
        items = source.get("items")
        for item in items if items is not None else [{"key": key, "path": key} for key in content or {}]:
            if item["key"] not in (content or {}):
                if source.get("optional"):
                    continue
                raise ConfigError(f"volume {name!r} references non-existent key {item['key']!r}")
            files[item["path"]] = (
                (content or {})[item["key"]],
                int(item.get("mode") or source.get("defaultMode") or _DEFAULT_MODE),
            )
        self._write_atomically(top, files)
        return top

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
            os.chown(directory, -1, self.fs_group)
            directory.chmod(0o2755)
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
