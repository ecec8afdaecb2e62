"""Eviction of a pod that writes more than its limits allow: emptyDir sizeLimit and ephemeral-storage.

Source: kubernetes.io/docs "Local ephemeral storage" and kubernetes/kubernetes pkg/kubelet/eviction (localStorageEviction).
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# What the kubelet leaves a pod that it evicts for its storage (immediateEvictionGracePeriodSeconds).
EVICTION_GRACE_S = 1
_PERIOD_S = 1.0


class Usage(NamedTuple):
    """Bytes on disk: of each emptyDir by its name, of each container's own files and logs by its name."""

    empty_dirs: Mapping[str, int]
    containers: Mapping[str, int]


def is_limited(spec: Mapping[str, Any]) -> bool:
    """Whether anything in a pod has a limit that can be exceeded."""
    return bool(_empty_dir_limits(spec)) or any(_container_limit(one) for one in spec["containers"])


def exceeded(spec: Mapping[str, Any], usage: Usage) -> str:
    """The kubelet's message about the first limit that is exceeded, empty where none is."""
    for name, limit in _empty_dir_limits(spec).items():
        if usage.empty_dirs.get(name, 0) > parse_quantity(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    limits = [_container_limit(one) for one in spec["containers"]]
    known = [one for one in limits if one]
    if known and sum(usage.empty_dirs.values()) + sum(usage.containers.values()) > sum(map(parse_quantity, known)):
        total = known[0] if len(known) == 1 else str(sum(map(parse_quantity, known)))
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {total}. "
    for container, most in zip(spec["containers"], limits, strict=True):
        if most and usage.containers.get(container["name"], 0) > parse_quantity(most):
            return f'Container {container["name"]} exceeded its local ephemeral storage limit "{most}". '
    return ""


@contextlib.contextmanager
def watching(spec: Mapping[str, Any], measure: Callable[[], Usage], evict: Callable[[str], None]) -> Iterator[None]:
    """Looks every second at a pod with limits, and evicts it once."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PERIOD_S):
            if message := exceeded(spec, measure()):
                evict(message)
                return

    thread = threading.Thread(target=watch, name="eviction", daemon=True)
    if is_limited(spec):
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.is_alive():
            thread.join()


def _empty_dir_limits(spec: Mapping[str, Any]) -> dict[str, str]:
    """Limits of emptyDirs on disk; one in memory cannot grow over its own."""
    found = {}
    for volume in spec.get("volumes") or ():
        source = volume.get("emptyDir") or {}
        if source.get("sizeLimit") and source.get("medium") != "Memory":
            found[volume["name"]] = str(source["sizeLimit"])
    return found


def _container_limit(container: Mapping[str, Any]) -> str | None:
    return ((container.get("resources") or {}).get("limits") or {}).get("ephemeral-storage")
