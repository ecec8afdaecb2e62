"""The files of ConfigMap, Secret, downwardAPI and projected volumes, replaced all at once as a kubelet does.

Source: kubernetes/kubernetes pkg/volume/util/atomic_writer.go; recorded in pods, cases 02, 03 and 18.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.emulation.kubernetes.errors import ContainerConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_MODE = 0o644


class VolumeFile(NamedTuple):
    """Content and mode of a file in a volume."""

    content: bytes
    mode: int


def project_keys(
    volume_name: str, source: Mapping[str, Any], data: Mapping[str, bytes] | None, default_mode: int
) -> dict[str, VolumeFile]:
    """Path → file for the keys in the `items` of a source, or for all keys; ContainerConfigError for a missing key."""
    files = {}
    items = source.get("items")
    for item in items if items is not None else [{"key": key, "path": key} for key in data or {}]:
        if item["key"] not in (data or {}):
            if source.get("optional"):
                continue
            raise ContainerConfigError(f"volume {volume_name!r} references non-existent key {item['key']!r}")
        files[item["path"]] = VolumeFile((data or {})[item["key"]], int(item.get("mode") or default_mode))
    return files


def write_atomically(top: Path, files: Mapping[str, VolumeFile], fs_group: int | None) -> None:
    """Writes files to a timestamped directory that `..data` links to; each top-level name links through `..data`.

    Moving `..data` replaces all earlier files at once; their directory is then removed.
    """
    previous = (top / "..data").resolve() if (top / "..data").is_symlink() else None
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.%f") + f"{os.getpid() % 1000:03d}"
    directory = top / stamp
    directory.mkdir()
    directory.chmod(0o755)
    for path, file in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        _set_mode(target, file.mode, fs_group)
    if fs_group is not None:
        for inner in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
            os.chown(inner, -1, fs_group)
            inner.chmod(0o2755)
        os.chown(top, -1, fs_group)
        top.chmod(top.stat().st_mode & 0o1777 | 0o2000)
    (top / "..data_tmp").symlink_to(stamp)
    (top / "..data_tmp").rename(top / "..data")
    names = {path.split("/")[0] for path in files}
    for link in top.iterdir():
        if link.is_symlink() and not link.name.startswith("..") and link.name not in names:
            link.unlink()
    for name in sorted(names):
        if not (top / name).is_symlink():
            (top / name).symlink_to(f"..data/{name}")
    if previous is not None:
        shutil.rmtree(previous, ignore_errors=True)


def _set_mode(path: Path, mode: int, fs_group: int | None) -> None:
    """Sets the mode of a file; with an fsGroup also its group, which may read it."""
    if fs_group is None:
        path.chmod(mode)
        return
    os.chown(path, -1, fs_group)
    path.chmod(mode | 0o040)
