"""Files of a ConfigMap, Secret or projected volume: which, and swapped in as a whole as a kubelet does.

Source: kubernetes/kubernetes pkg/volume/util/atomic_writer.go; recorded in pods, cases 02, 03 and 18.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.emulation.kubernetes.environment import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_MODE = 0o644


class File(NamedTuple):
    """One file of a volume."""

    content: bytes
    mode: int


def chosen(name: str, source: Mapping[str, Any], content: Mapping[str, bytes] | None, default_mode: int) -> dict[str, File]:
    """Path → file of the keys that a source names, or of all; ConfigError for a key that is not there."""
    files = {}
    items = source.get("items")
    for item in items if items is not None else [{"key": key, "path": key} for key in content or {}]:
        if item["key"] not in (content or {}):
            if source.get("optional"):
                continue
            raise ConfigError(f"volume {name!r} references non-existent key {item['key']!r}")
        files[item["path"]] = File((content or {})[item["key"]], int(item.get("mode") or default_mode))
    return files


def write_atomically(top: Path, files: Mapping[str, File], fs_group: int | None) -> None:
    """Files in a timestamped directory, `..data` links to it, and each first part of a path links through `..data`.

    What was there before is replaced in one step, and its directory removed.
    """
    before = (top / "..data").resolve() if (top / "..data").is_symlink() else None
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.%f") + f"{os.getpid() % 1000:03d}"
    directory = top / stamp
    directory.mkdir()
    directory.chmod(0o755)
    for path, file in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
        _own(place, file.mode, fs_group)
    if fs_group is not None:
        for below in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
            os.chown(below, -1, fs_group)
            below.chmod(0o2755)
        os.chown(top, -1, fs_group)
        top.chmod(top.stat().st_mode & 0o1777 | 0o2000)
    (top / "..data_tmp").symlink_to(stamp)
    (top / "..data_tmp").rename(top / "..data")
    wanted = {path.split("/")[0] for path in files}
    for link in top.iterdir():
        if link.is_symlink() and not link.name.startswith("..") and link.name not in wanted:
            link.unlink()
    for first in sorted(wanted):
        if not (top / first).is_symlink():
            (top / first).symlink_to(f"..data/{first}")
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)


def _own(path: Path, mode: int, fs_group: int | None) -> None:
    """The file's mode; fsGroup gives it the group, and the group the right to read."""
    if fs_group is None:
        path.chmod(mode)
        return
    os.chown(path, -1, fs_group)
    path.chmod(mode | 0o040)
