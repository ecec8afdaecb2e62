"""Files at fixed paths: which of them a ConfigMap volume can bring, and which the shim must write."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.metadata import config_map
from lyftlearn_image.platforms.kubernetes.object_limits import CONFIG_MAP_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.workload import ConfigFile, Workload

_KEY = re.compile(r"(?!\.\.)[-._a-zA-Z0-9]{1,253}")


@dataclass(frozen=True)
class ConfigFiles:
    """A workload's files: those that are mounted, by directory, and those that the shim writes, by path.

    `writable` are the directories that are writable in the pod anyhow.
    """

    mounted: Mapping[str, Mapping[str, ConfigFile]]
    by_shim: Mapping[str, ConfigFile]
    writable: frozenset[str] = frozenset()

    @property
    def mounted_paths(self) -> tuple[str, ...]:
        """The paths of the files that are mounted."""
        return tuple(path for files in self.mounted.values() for path in files)

    def config_maps(self, workload: Workload, job_name: str) -> list[dict[str, Any]]:
        """A ConfigMap for each directory."""
        return [
            config_map(
                workload,
                job_name,
                _map_name(job_name, directory),
                {_name(path): str(file.content) for path, file in files.items()},
            )
            for directory, files in sorted(self.mounted.items())
        ]

    def volumes(self, job_name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Volumes with their mounts: the ConfigMaps, then a directory in memory for what the shim writes."""
        pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for directory, files in sorted(self.mounted.items()):
            name = f"config-{_digest(directory)}"
            items = [{"key": _name(path), "path": _name(path), "mode": int(file.mode, 8)} for path, file in files.items()]
            volume = {"name": name, "configMap": {"name": _map_name(job_name, directory), "items": items}}
            pairs.append((volume, {"name": name, "mountPath": directory, "readOnly": True}))
        for directory in sorted({_directory(path) for path in self.by_shim} - self.mounted.keys() - self.writable):
            name = f"files-{_digest(directory)}"
            pairs.append(({"name": name, "emptyDir": {"medium": "Memory"}}, {"name": name, "mountPath": directory}))
        return pairs


def config_files(workload: Workload, writable: frozenset[str] = frozenset()) -> ConfigFiles:
    """The workload's files, divided. `writable` are directories that have a volume already, or that no volume may hide.

    A directory with a secret, an owner or a name in it that is no key of a ConfigMap, or with more than a ConfigMap holds, is
    written by the shim as a whole: a mounted ConfigMap is read-only and root's. So is one that is `writable`.
    """
    directories: dict[str, dict[str, ConfigFile]] = {}
    for path, file in sorted(workload.files.items()):
        directories.setdefault(_directory(path), {})[path] = file
    mounted = {
        directory: files for directory, files in directories.items() if _is_mountable(files) and directory not in writable
    }
    by_shim = {path: file for path, file in workload.files.items() if _directory(path) not in mounted}
    return ConfigFiles(mounted, by_shim, writable)


def _is_mountable(files: Mapping[str, ConfigFile]) -> bool:
    size = sum(len((file.content or "").encode()) for file in files.values())
    is_plain = all(file.content is not None and not file.owner for file in files.values())
    return is_plain and size < CONFIG_MAP_BYTES and all(_KEY.fullmatch(_name(path)) for path in files)


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _map_name(job_name: str, directory: str) -> str:
    return f"{job_name}-{_digest(directory)}"


def _digest(directory: str) -> str:
    return hashlib.sha256(directory.encode()).hexdigest()[:8]
