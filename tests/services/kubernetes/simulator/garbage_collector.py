"""The garbage collector in small: what belongs to nothing any more goes, and what is deleted in the foreground goes last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.services.kubernetes.simulator.cluster import Cluster


def collect_garbage(cluster: Cluster) -> None:
    """One look at all objects and their owners."""
    for kind, one in cluster.objects.leaving():
        uid = one["metadata"]["uid"]
        for other, dependent in cluster.objects.dependents(uid):
            _release(cluster, other, dependent, uid)
        if not any(cluster.objects.dependents(uid)):
            cluster.objects.remove(kind, one["metadata"]["namespace"], one["metadata"]["name"])
    for kind, one in cluster.objects.orphans():
        _collect(cluster, kind, one)


def _release(cluster: Cluster, kind: str, dependent: dict[str, Any], uid: str) -> None:
    """What a dependent does whose owner leaves: it goes too, unless it has others."""
    metadata = dependent["metadata"]
    others = [owner for owner in metadata["ownerReferences"] if owner["uid"] != uid]
    if others:
        metadata["ownerReferences"] = others
        cluster.objects.replace(kind, dependent)
    elif kind != "replicasets":
        _collect(cluster, kind, dependent)
    elif "deletionTimestamp" not in metadata:
        # It waits for its pods in its turn.
        cluster.objects.delete(kind, metadata["namespace"], metadata["name"], "Foreground")


def _collect(cluster: Cluster, kind: str, one: dict[str, Any]) -> None:
    """A pod has its grace; all else goes at once."""
    if kind == "pods":
        cluster.pod(one["metadata"]["name"], one["metadata"]["namespace"]).delete()
    else:
        cluster.objects.remove(kind, one["metadata"]["namespace"], one["metadata"]["name"])
