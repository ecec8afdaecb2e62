"""Disks of a pod that are not its own: claims that are there already, and a larger /dev/shm."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lyftlearn_image.workload import Workload

SHM_DIR = "/dev/shm"  # noqa: S108 - of the container
SHM_VOLUME = "shm"
# A disk is root's otherwise; with these, it is the pod's group's.
FOR_THE_GROUP = {"fsGroup": 0, "fsGroupChangePolicy": "OnRootMismatch"}


def disks(workload: Workload) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Volumes with their mounts; a claim that is mounted at several places stands for one volume."""
    options = workload.kubernetes
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
    if options.shm_size_mib:
        memory = {"medium": "Memory", "sizeLimit": f"{options.shm_size_mib}Mi"}
        pairs.append(({"name": SHM_VOLUME, "emptyDir": memory}, {"name": SHM_VOLUME, "mountPath": SHM_DIR}))
    for path, claim in sorted(options.volumes.items()):
        name = f"claim-{hashlib.sha256(claim.claim.encode()).hexdigest()[:8]}"
        mount: dict[str, Any] = {"name": name, "mountPath": path}
        if claim.sub_path:
            mount["subPath"] = claim.sub_path
        if claim.read_only:
            mount["readOnly"] = True
        pairs.append(({"name": name, "persistentVolumeClaim": {"claimName": claim.claim}}, mount))
    return pairs
