"""Eviction of a pod that exceeds its local storage: the sizeLimit of an emptyDir, or its limits of ephemeral-storage.

Source: kubernetes.io/docs "Local ephemeral storage" and kubernetes/kubernetes pkg/kubelet/eviction (localStorageEviction).
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# What the kubelet gives a pod that it evicts for its storage (immediateEvictionGracePeriodSeconds).
EVICTION_GRACE_S = 1
_PERIOD_S = 1.0


class StorageUsage(NamedTuple):
    """Bytes on disk: of each emptyDir by its name, and of each container's writable layer and logs by its name."""

    empty_dirs: Mapping[str, int]
    containers: Mapping[str, int]


def has_storage_limits(spec: Mapping[str, Any]) -> bool:
    """Whether a pod has any limit of local storage."""
    return bool(_empty_dir_limits(spec)) or any(_container_limit(container) for container in spec["containers"])


def exceeded_limit(spec: Mapping[str, Any], usage: StorageUsage) -> str:
    """The kubelet's message about the first limit that is exceeded, empty for none."""
    for name, limit in _empty_dir_limits(spec).items():
        if usage.empty_dirs.get(name, 0) > parse_quantity(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    limits = {one["name"]: most for one in spec["containers"] if (most := _container_limit(one))}
    pod_limit = sum(map(parse_quantity, limits.values()))
    if limits and sum(usage.empty_dirs.values()) + sum(usage.containers.values()) > pod_limit:
        total = next(iter(limits.values())) if len(limits) == 1 else str(pod_limit)
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {total}. "
    for name, most in limits.items():
        if usage.containers.get(name, 0) > parse_quantity(most):
            return f'Container {name} exceeded its local ephemeral storage limit "{most}". '
    return ""


@contextlib.contextmanager
def monitor_storage(
    spec: Mapping[str, Any], measure: Callable[[], StorageUsage], evict: Callable[[str], None]
) -> Iterator[None]:
    """Measures a pod with limits every second until the block ends, and evicts it once when it exceeds one."""
    stopped = threading.Event()

    def monitor() -> None:
        while not stopped.wait(_PERIOD_S):
            if message := exceeded_limit(spec, measure()):
                evict(message)
                return

    thread = threading.Thread(target=monitor, name="eviction", daemon=True)
    if has_storage_limits(spec):
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        if thread.is_alive():
            thread.join()


def _empty_dir_limits(spec: Mapping[str, Any]) -> dict[str, str]:
    """The sizeLimits of emptyDirs on disk; one in memory cannot exceed its own."""
    return {
        volume["name"]: str(volume["emptyDir"]["sizeLimit"])
        for volume in spec.get("volumes") or ()
        if (volume.get("emptyDir") or {}).get("sizeLimit") and volume["emptyDir"].get("medium") != "Memory"
    }


def _container_limit(container: Mapping[str, Any]) -> str | None:
    return ((container.get("resources") or {}).get("limits") or {}).get("ephemeral-storage")
