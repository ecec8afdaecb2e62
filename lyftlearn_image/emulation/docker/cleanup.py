"""What a killed harness has left on the engine: found by its owner, which runs no more, and removed by the next one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker import link_local
from lyftlearn_image.emulation.docker.network import interface_of
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, _boot, _started, owner

if TYPE_CHECKING:
    import docker


def remove(client: docker.DockerClient) -> int:
    """Removes containers, volumes and networks of owners that are gone, with the networks' rules; how many there were.

    Only those of this boot of this machine: an engine may be shared with others, whose processes cannot be seen from here.
    """
    wanted: Any = {"label": OWNER_LABEL}
    # Other harnesses come and go: what is listed may be gone before it is looked at.
    found: list[tuple[Any, Any]] = [
        *((one, one.labels) for one in client.containers.list(all=True, filters=wanted, ignore_removed=True)),
        *((one, one.attrs.get("Labels") or {}) for one in client.volumes.list(filters=wanted)),
        *((one, one.attrs.get("Labels") or {}) for one in client.networks.list(filters=wanted)),
    ]
    left: list[Any] = [one for one, labels in found if _is_gone(labels[OWNER_LABEL])]
    bridges = {interface_of(str(one.id)) for one in left if hasattr(one, "connect")}
    link_local.forget(client, bridges, {OWNER_LABEL: owner()})
    for one in left:
        # Another harness may be removing it in this very moment.
        with contextlib.suppress(Exception):
            one.remove(**({"force": True, "v": True} if hasattr(one, "exec_run") else {}))
    return len(left)


def _is_gone(text: str) -> bool:
    boot, _, rest = text.partition("/")
    number, _, started = rest.partition("/")
    return boot == _boot() and number.isdigit() and _started(int(number)) != started
