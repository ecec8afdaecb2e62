"""The Job and the Deployment controller in small: what they make of the world at each tick."""

from __future__ import annotations

import calendar
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.refusal import Refusal

_INDEX = "batch.kubernetes.io/job-completion-index"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def seconds(text: str) -> int:
    """A time of the API, as seconds since the epoch."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class JobController:
    """Makes a Job's pods, counts how they ended, and tells its end."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        # The last that was seen of each pod of a Job, by the Job: one that is gone still counts (in a real cluster a finalizer
        # keeps it until it was counted).
        self._seen: dict[str, dict[str, dict[str, Any]]] = {}
        self._changes = 0

    def reconcile(self, job: dict[str, Any]) -> None:
        """One look at a Job."""
        status = job["status"]
        self._look()
        seen = self._seen.get(job["metadata"]["uid"], {})
        there = [one for kind, one in self._cluster.objects.dependents(job["metadata"]["uid"]) if kind == "pods"]
        uids = {one["metadata"]["uid"] for one in there}
        active = [one for one in there if not _has_ended(one)]
        if _is_true(job, "Complete") or _is_true(job, "Failed"):
            self._expire(job)
            return
        failed = [one for uid, one in seen.items() if _failed(one, is_there=uid in uids)]
        succeeded = [one for one in seen.values() if one["status"].get("phase") == "Succeeded"]
        status["succeeded"], status["failed"] = len(succeeded), sum(_action(job, one) == "Count" for one in failed)
        leaving = [one for one in active if "deletionTimestamp" in one["metadata"]]
        status["active"], status["terminating"] = len(active) - len(leaving), len(leaving)
        if end := self._end(job, failed, succeeded):
            self._finish(job, end, active)
        elif job["spec"].get("suspend"):
            status.pop("startTime", None)
            _set_condition(job, "Suspended", "True", self._cluster.api_now(), "JobSuspended", "Job suspended")
            self._delete(active)
        else:
            if _is_true(job, "Suspended"):
                _set_condition(job, "Suspended", "False", self._cluster.api_now(), "JobResumed", "Job resumed")
            status.setdefault("startTime", self._cluster.api_now())
            self._make_pods(job, active, succeeded)
        status["ready"] = sum(_is_ready(one) for one in active)
        self._cluster.objects.replace("jobs", job)

    def _look(self) -> None:
        changes = self._cluster.objects.changes
        for change in changes[self._changes :]:
            if change.resource == "pods":
                for owner in change.document["metadata"].get("ownerReferences") or ():
                    self._seen.setdefault(owner["uid"], {})[change.document["metadata"]["uid"]] = change.document
        self._changes = len(changes)

    def _end(self, job: dict[str, Any], failed: list[Any], succeeded: list[Any]) -> tuple[str, str, str] | None:
        """Type, reason and message of the condition that ends the Job; None where it goes on."""
        spec = job["spec"]
        if _is_true(job, "FailureTarget"):
            found = _condition(job, "FailureTarget")
            return "Failed", found["reason"], found["message"]
        policies = [_action(job, one) for one in failed]
        if "FailJob" in policies:
            name = failed[policies.index("FailJob")]["metadata"]["name"]
            return "Failed", "PodFailurePolicy", f"Container main for pod {name} failed with exit code matching FailJob rule"
        if policies.count("Count") > spec["backoffLimit"]:
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        begun, deadline = job["status"].get("startTime"), spec.get("activeDeadlineSeconds")
        if begun and deadline is not None and self._cluster.now - seconds(begun) >= deadline:
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        done = {_index(one) for one in succeeded} if _is_indexed(job) else succeeded
        if len(done) >= spec["completions"]:
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        return None

    def _finish(self, job: dict[str, Any], end: tuple[str, str, str], active: list[dict[str, Any]]) -> None:
        """The terminal condition comes when no pod is left to end, and another one announces it."""
        kind, reason, message = end
        now = self._cluster.api_now()
        target = "FailureTarget" if kind == "Failed" else "SuccessCriteriaMet"
        if not _is_true(job, target):
            _set_condition(job, target, "True", now, reason, message)
        self._delete(active)
        if not active:
            _set_condition(job, kind, "True", now, reason, message)
            if kind == "Complete":
                job["status"]["completionTime"] = now

    def _make_pods(self, job: dict[str, Any], active: list[Any], succeeded: list[Any]) -> None:
        wanted = job["spec"]["completions"] - len(succeeded) - len(active)
        free = job["spec"]["parallelism"] - len(active)
        taken = {_index(one) for one in (*active, *succeeded)}
        indexes = [index for index in range(job["spec"]["completions"]) if index not in taken]
        for number in range(max(0, min(wanted, free))):
            index = indexes[number] if _is_indexed(job) else None
            self._cluster.make_pod("Job", "jobs", job, "" if index is None else f"-{index}", index)

    def _delete(self, pods: Iterable[dict[str, Any]]) -> None:
        for one in pods:
            if "deletionTimestamp" not in one["metadata"]:
                self._cluster.pod(one["metadata"]["name"], one["metadata"]["namespace"]).delete()

    def _expire(self, job: dict[str, Any]) -> None:
        """A Job with a TTL goes after its end, with all that it owns."""
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        ended = max(seconds(one["lastTransitionTime"]) for one in job["status"]["conditions"])
        if ttl is not None and self._cluster.now - ended >= ttl:
            where = job["metadata"]
            self._cluster.objects.delete("jobs", where["namespace"], where["name"], "Background")


class DeploymentController:
    """Keeps as many pods as a Deployment wants, and tells whether they serve."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._progressed: dict[str, tuple[int, float]] = {}

    def reconcile(self, deployment: dict[str, Any]) -> None:
        """One look at a Deployment."""
        uid, wanted = deployment["metadata"]["uid"], deployment["spec"].get("replicas", 1)
        pods = [one for set_ in self._sets(deployment) for _, one in self._cluster.objects.dependents(set_["metadata"]["uid"])]
        pods = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
        for one in pods[wanted:]:
            self._cluster.pod(one["metadata"]["name"], one["metadata"]["namespace"]).delete()
        refused = [
            self._cluster.make_pod("ReplicaSet", "replicasets", self._replica_set(deployment))
            for _ in range(wanted - len(pods))
        ]  # fmt: skip
        ready = sum(_is_ready(one) for one in pods[:wanted])
        most, since = self._progressed.get(uid, (-1, 0.0))
        if ready > most or ready == wanted:
            self._progressed[uid] = most, since = ready, self._cluster.now
        now, is_late = (
            self._cluster.api_now(),
            self._cluster.now - since >= deployment["spec"].get("progressDeadlineSeconds", 600),
        )
        name = deployment["metadata"]["name"]
        deployment["status"].update(
            replicas=len(pods[:wanted]), readyReplicas=ready, availableReplicas=ready, updatedReplicas=len(pods[:wanted]),
            unavailableReplicas=wanted - ready, observedGeneration=deployment["metadata"].get("generation", 1),
        )  # fmt: skip
        available = ("True", "MinimumReplicasAvailable") if ready >= wanted else ("False", "MinimumReplicasUnavailable")
        _set_condition(deployment, "Available", available[0], now, available[1], "")
        progress = ("True", "NewReplicaSetAvailable" if ready >= wanted else "ReplicaSetUpdated", "")
        if is_late:
            progress = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}-5d8f" has timed out progressing.')
        _set_condition(deployment, "Progressing", progress[0], now, progress[1], progress[2])
        if any(refused):
            _set_condition(deployment, "ReplicaFailure", "True", now, "FailedCreate", refused[0])
        self._cluster.objects.replace("deployments", deployment)

    def _sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for kind, one in self._cluster.objects.dependents(deployment["metadata"]["uid"]) if kind == "replicasets"]

    def _replica_set(self, deployment: dict[str, Any]) -> dict[str, Any]:
        found = self._sets(deployment)
        if found:
            return found[0]
        where = deployment["metadata"]
        owner = _owner("apps/v1", "Deployment", deployment)
        metadata = {"name": f"{where['name']}-5d8f", "labels": dict(where.get("labels", {})), "ownerReferences": [owner]}
        spec = {key: deployment["spec"][key] for key in ("selector", "template")}
        made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}
        return self._cluster.objects.create("replicasets", where["namespace"], made)


def pod_of(kind: str, owner: dict[str, Any], infix: str, index: int | None, source: random.Random) -> dict[str, Any]:
    """The pod of an owner's template."""
    template = owner["spec"]["template"]
    metadata = dict(template.get("metadata") or {})
    # As the API server generates names: random letters, cut to what a label may hold.
    metadata["name"] = f"{owner['metadata']['name'][:52]}{infix}-{''.join(source.choices(_ALPHABET, k=5))}"
    metadata["labels"] = dict(metadata.get("labels") or {})
    metadata["annotations"] = dict(metadata.get("annotations") or {})
    if index is not None:
        metadata["annotations"][_INDEX] = metadata["labels"][_INDEX] = str(index)
    api_version = "batch/v1" if kind == "Job" else "apps/v1"
    metadata["ownerReferences"] = [_owner(api_version, kind, owner)]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"},
    }  # fmt: skip


def tell_refusal(cluster: Cluster, kind: str, owner: dict[str, Any], refusal: Refusal) -> None:
    """A pod that could not be made: the controller says so in an event, and goes on trying."""
    where = owner["metadata"]
    message = f"Error creating: {refusal}"
    cluster.event(kind, where["namespace"], where["name"], where["uid"], "FailedCreate", message, "Warning")


def _owner(api_version: str, kind: str, owner: dict[str, Any]) -> dict[str, Any]:
    where = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {"apiVersion": api_version, "kind": kind, **where, "controller": True, "blockOwnerDeletion": True}


def _has_ended(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") in {"Succeeded", "Failed"}


def _failed(pod: dict[str, Any], *, is_there: bool) -> bool:
    """Whether it ended with an error, or is gone before it ended."""
    return pod["status"].get("phase") == "Failed" or not (is_there or _has_ended(pod))


def _action(job: dict[str, Any], pod: dict[str, Any]) -> str:
    """What a Job's pod failure policy says of a failed pod. One that a suspended Job has lost counts for nothing."""
    if _is_true(job, "Suspended") or job["spec"].get("suspend"):
        return "Ignore"
    true = {one["type"] for one in pod["status"].get("conditions", ()) if one["status"] == "True"}
    ends = [one["state"].get("terminated", {}) for one in pod["status"].get("containerStatuses", ())]
    codes = {one.get("exitCode", 0) for one in ends} - {0}
    for rule in (job["spec"].get("podFailurePolicy") or {}).get("rules", ()):
        if any(one["type"] in true for one in rule.get("onPodConditions") or ()):
            return str(rule["action"])
        wanted = rule.get("onExitCodes")
        if wanted and codes and (bool(codes & set(wanted["values"])) == (wanted["operator"] == "In")):
            return str(rule["action"])
    return "Count"


def _is_indexed(job: dict[str, Any]) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def _index(pod: dict[str, Any]) -> int:
    return int((pod["metadata"].get("annotations") or {}).get(_INDEX, -1))


def _is_ready(pod: dict[str, Any]) -> bool:
    statuses = pod["status"].get("containerStatuses", ())
    return bool(statuses) and all(one["ready"] for one in statuses)


def _condition(document: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((one for one in document["status"].get("conditions", ()) if one["type"] == kind), {})


def _is_true(document: dict[str, Any], kind: str) -> bool:
    return bool(_condition(document, kind).get("status") == "True")


def _set_condition(document: dict[str, Any], kind: str, status: str, now: str, reason: str, message: str) -> None:  # noqa: PLR0913, PLR0917
    old = _condition(document, kind)
    if old.get("status") == status:
        now = old["lastTransitionTime"]
    made = {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
    others = [one for one in document["status"].get("conditions", ()) if one["type"] != kind]
    document["status"]["conditions"] = [*others, made]
