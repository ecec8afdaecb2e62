"""What a killed harness has left on the engine: found by its owner, which runs no more, and removed by the next one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.targets import redirect
from lyftlearn_image.targets.network import interface_of

if TYPE_CHECKING:
    import docker

OWNER_LABEL = "dev.lyftlearn.owner"


def owner() -> str:
    """This process: the boot of its machine, its ID, and when it began, for an ID is used again."""
    return f"{_boot()}/{os.getpid()}/{_started(os.getpid())}"


def remove(client: docker.DockerClient) -> int:
    """Removes containers, volumes and networks of owners that are gone, with the networks' rules; how many there were.

    Only those of this boot of this machine: an engine may be shared with others, whose processes cannot be seen from here.
    """
    wanted: Any = {"label": OWNER_LABEL}
    found: list[tuple[Any, Any]] = [
        *((one, one.labels) for one in client.containers.list(all=True, filters=wanted)),
        *((one, one.attrs.get("Labels") or {}) for one in client.volumes.list(filters=wanted)),
        *((one, one.attrs.get("Labels") or {}) for one in client.networks.list(filters=wanted)),
    ]
    left: list[Any] = [one for one, labels in found if _is_gone(labels[OWNER_LABEL])]
    bridges = {interface_of(str(one.id)) for one in left if hasattr(one, "connect")}
    redirect.forget(client, bridges, {OWNER_LABEL: owner()})
    for one in left:
        # Another harness may be removing it in this very moment.
        with contextlib.suppress(Exception):
            one.remove(**({"force": True, "v": True} if hasattr(one, "image") else {}))
    return len(left)


def _is_gone(text: str) -> bool:
    boot, _, rest = text.partition("/")
    number, _, started = rest.partition("/")
    return boot == _boot() and number.isdigit() and _started(int(number)) != started


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot (proc(5), field 22 of stat); empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
