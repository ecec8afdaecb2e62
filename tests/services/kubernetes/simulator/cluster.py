"""The world: its objects, its pods, its time, and who may do what in it."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from lightkube.config.kubeconfig import KubeConfig

from lyftlearn_image.retry import Clock
from tests.services.kubernetes.simulator.controllers import DeploymentController, JobController, pod_of, tell_refusal
from tests.services.kubernetes.simulator.garbage_collector import collect_garbage
from tests.services.kubernetes.simulator.lives import runs
from tests.services.kubernetes.simulator.objects import Objects, api_time, merged, new_uid
from tests.services.kubernetes.simulator.pods import Pod
from tests.services.kubernetes.simulator.refusal import CUSTOM, Refusal, check_object, not_found
from tests.services.kubernetes.simulator.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.services.kubernetes.simulator.server import Request

Edit = "Callable[[Cluster], None]"
# 2026-11-28T12:00:00.5Z: a time that is no whole second.
_BEGIN = 1795867200.5
_TICK_S = 0.25
# A long sleep has so many ticks, of which each is longer.
_SLEEP_TICKS = 64
# What a server says of what no controller has looked at yet: these fields are never left out (policy/v1, autoscaling/v2).
_FIRST_STATUS = {
    "poddisruptionbudgets": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    "horizontalpodautoscalers": {"desiredReplicas": 0, "currentMetrics": None},
}
_JOB_DEFAULTS = {
    "parallelism": 1, "completions": 1, "backoffLimit": 6, "suspend": False, "completionMode": "NonIndexed",
}  # fmt: skip


class Cluster:
    """See the package. `seed` decides names and random delays."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)  # noqa: S311 - names and delays
        self.lock = threading.Condition(threading.RLock())
        self.now = _BEGIN
        self.ticks = 0
        self.objects = Objects(self.api_now)
        self.life: Callable[[Pod], Iterator[None]] = runs()
        self.namespaces = {"default"}
        self.requests: list[Request] = []
        self.forbidden: set[tuple[str, str]] = set()
        self.quota: dict[str, int] = {}
        self.admission: list[Callable[[str, dict[str, Any]], dict[str, Any]]] = []
        # None lets everybody in.
        self.tokens: set[str] | None = None
        # Real seconds that a sleeping client gives to the threads of lives that work in real time.
        self.real_time_s = 0.0
        self.server = ApiServer(self)
        self._pods: dict[str, Pod] = {}
        self._lives: dict[str, Iterator[None]] = {}
        self._edits: dict[tuple[str, int], list[Callable[[Cluster], None]]] = {}
        self._away_until: float | None = None
        self._is_ticking = False
        self._jobs, self._deployments = JobController(self), DeploymentController(self)

    @property
    def now_ns(self) -> int:
        """The time of the world in nanoseconds; it stands still within a tick."""
        return int(self.now * 1_000_000) * 1000

    def api_now(self, later_s: float = 0) -> str:
        """The time of the world as the API writes it."""
        return api_time(self.now + later_s)

    def clock(self) -> Clock:
        """For the client: its sleep lets the world go on."""
        return Clock(lambda: self.now, self.sleep, lambda: self.now)

    def sleep(self, seconds: float) -> None:
        """Lets so much time pass, in ticks."""
        end = self.now + seconds
        while self.now < end:
            self.tick(max(_TICK_S, seconds / _SLEEP_TICKS))
        if self.real_time_s:
            with self.lock:
                self.lock.wait(self.real_time_s)

    def tick(self, seconds: float = _TICK_S) -> None:
        """Lets a moment pass: lives go on, the kubelet and the controllers look at what there is."""
        with self.lock:
            if self._is_ticking:
                return
            self._is_ticking = True
            try:
                self.ticks += 1
                self.now += seconds
                self._edit("tick", self.ticks)
                self._come_back()
                self._live()
                self._reconcile()
            finally:
                self._is_ticking = False
            self.lock.notify_all()

    def at_request(self, number: int, edit: Callable[[Cluster], None]) -> None:
        """Edits the world just before the request of this number, from 0, is answered. What it raises is the answer."""
        self._edits.setdefault(("request", number), []).append(edit)

    def at_tick(self, number: int, edit: Callable[[Cluster], None]) -> None:
        """Edits the world at a tick, counted from 1."""
        self._edits.setdefault(("tick", number), []).append(edit)

    def count(self, method: str, resource: str) -> int:
        """How many requests there were: `("GET", "pods/log")`, `("WATCH", "jobs")`."""
        return Counter((one.verb, one.resource) for one in self.requests)[method, resource]

    def pods(self, namespace: str | None = None) -> list[Pod]:
        """Handles of all pods, in the order of their making."""
        with self.lock:
            return [
                self.pod(one["metadata"]["name"], one["metadata"]["namespace"]) for one in self.objects.find("pods", namespace)
            ]

    def pod(self, name: str, namespace: str = "default") -> Pod:
        """The handle of a pod."""
        with self.lock:
            uid = self.objects.get("pods", namespace, name)["metadata"]["uid"]
            if uid not in self._pods:
                self._pods[uid] = Pod(self, namespace, name)
            return self._pods[uid]

    def event(self, kind: str, namespace: str, name: str, uid: str, reason: str, message: str, severity: str) -> None:  # noqa: PLR0913, PLR0917
        """An event; the same again is counted."""
        with self.lock:
            for one in self.objects.find("events", namespace):
                if (one["involvedObject"]["uid"], one["reason"], one["message"]) == (uid, reason, message):
                    one.update(count=one["count"] + 1, lastTimestamp=self.api_now())
                    self.objects.replace("events", one)
                    return
            about = {"kind": kind, "namespace": namespace, "name": name, "uid": uid}
            self.objects.create("events", namespace, {
                "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": f"{name}."}, "involvedObject": about,
                "reason": reason, "message": message, "type": severity, "count": 1,
                "firstTimestamp": self.api_now(), "lastTimestamp": self.api_now(),
            })  # fmt: skip

    def make_pod(self, kind: str, resource: str, owner: dict[str, Any], infix: str = "", index: int | None = None) -> str:
        """A controller's pod, or an event that says why there is none; that is given back too."""
        pod = pod_of(kind, owner, infix, index, self.random)
        try:
            self.create("pods", owner["metadata"]["namespace"], pod)
        except Refusal as refusal:
            tell_refusal(
                self, kind, self.objects.get(resource, owner["metadata"]["namespace"], owner["metadata"]["name"]), refusal
            )
            return str(refusal)
        return ""

    def create(self, resource: str, namespace: str, document: dict[str, Any]) -> dict[str, Any]:
        """As the API creates: webhooks, quota, validation, defaults."""
        if namespace not in self.namespaces:
            raise not_found("namespaces", namespace)
        for webhook in self.admission:
            document = webhook(resource, document)
        if resource in self.quota:
            used, hard = len(self.objects.find(resource, namespace)), self.quota[resource]
            if used >= hard:
                name = document["metadata"].get("name", "")
                told = f"requested: {resource}=1, used: {resource}={used}, limited: {resource}={hard}"
                raise Refusal(403, f'{resource} "{name}" is forbidden: exceeded quota: team, {told}')
        uid = new_uid()
        check_object(resource, document, uid)
        if resource == "jobs":
            indexed = document["spec"].get("completions", 1) if "parallelism" in document["spec"] else 1
            document = {**document, "spec": {**_JOB_DEFAULTS, "completions": indexed, **document["spec"]}}
        if resource == "deployments":
            document = {**document, "spec": {"replicas": 1, **document["spec"]}}
        if resource in {"jobs", "deployments"}:
            document = {**document, "metadata": {**document["metadata"], "generation": 1}}
        document = {"status": _FIRST_STATUS.get(resource, {}), **document}
        made = self.objects.create(resource, namespace, document, uid)
        return self.objects.replace(resource, _with_own_labels(made)) if resource == "jobs" else made

    def patch(self, resource: str, namespace: str, name: str, body: Any, *, is_strategic: bool = False) -> dict[str, Any]:
        """A merge patch, or a strategic one: that merges owners by their uid, and there is none for custom resources."""
        if is_strategic and resource in CUSTOM:
            accepted = ", ".join(f"application/{one}" for one in ("json-patch+json", "merge-patch+json", "apply-patch+yaml"))
            raise Refusal(415, f"the body of the request was in an unknown format - accepted media types include: {accepted}")
        old = self.objects.get(resource, namespace, name)
        new = merged(old, body)
        if is_strategic and "ownerReferences" in new["metadata"]:
            owners = (*old["metadata"].get("ownerReferences", ()), *new["metadata"]["ownerReferences"])
            new["metadata"]["ownerReferences"] = list({one["uid"]: one for one in owners}.values())
        check_object(resource, new)
        if new.get("spec") != old.get("spec") and "generation" in old["metadata"]:
            new["metadata"]["generation"] += 1
        return self.objects.replace(resource, new)

    def delete(self, resource: str, namespace: str, name: str, policy: str | None) -> dict[str, Any]:
        """As the API deletes, by a propagation policy."""
        found = self.objects.get(resource, namespace, name)
        if resource == "pods":
            self.pod(name, namespace).delete()
        else:
            self.objects.delete(resource, namespace, name, policy)
        return found

    def go_away(self, seconds: float) -> None:
        """The API server is down: connections are refused, for so long by the world's time."""
        with self.lock:
            self._away_until = self.now + seconds
            self.server.close()

    def kubeconfig(self, *, token: str = "secret", exec_command: list[str] | None = None, namespace: str = "default") -> Any:  # noqa: S107
        """The configuration of a client: with a token, or with a plugin that is asked for one."""
        plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "interactiveMode": "Never"}
        command, *arguments = exec_command or [""]
        user = {"exec": {**plugin, "command": command, "args": arguments}} if exec_command else {"token": token}
        return KubeConfig.from_dict({
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.server.url}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "ci", "namespace": namespace}}],
            "users": [{"name": "ci", "user": user}],
        }).get()  # fmt: skip

    def begin_request(self, request: Request) -> None:
        """Counts a request, and lets the world go on before it is answered. Raises what an edit raises."""
        self.requests.append(request)
        self._edit("request", len(self.requests) - 1)
        self.tick()

    def dump(self, path: Path) -> None:
        """Writes every state of every object, the requests and the logs."""
        with self.lock:
            logs = {
                f"{pod.name}/{name}": b"".join(one.data for one in log.entries).decode("utf-8", "backslashreplace")
                for pod in self._pods.values() for name, log in pod.logs.items()
            }  # fmt: skip
            world = {
                "now": self.api_now(), "ticks": self.ticks, "logs": logs, "requests": [str(one) for one in self.requests],
                "changes": [[one.version, one.type, one.resource, one.document] for one in self.objects.changes],
            }  # fmt: skip
            path.write_text(json.dumps(world, indent=1), encoding="utf-8")

    def _edit(self, kind: str, number: int) -> None:
        for edit in self._edits.pop((kind, number), ()):
            edit(self)

    def _come_back(self) -> None:
        if self._away_until is not None and self.now >= self._away_until:
            self._away_until = None
            self.server.open()

    def _live(self) -> None:
        for pod in self.pods():
            if pod.is_there:
                pod.finish_deletion()
            if pod.uid not in self._lives:
                self._lives[pod.uid] = self.life(pod)
            elif pod.is_there:
                next(self._lives[pod.uid], None)

    def _reconcile(self) -> None:
        for job in self.objects.find("jobs"):
            if "deletionTimestamp" not in job["metadata"]:
                self._jobs.reconcile(job)
        for deployment in self.objects.find("deployments"):
            if "deletionTimestamp" not in deployment["metadata"]:
                self._deployments.reconcile(deployment)
        collect_garbage(self)


def _with_own_labels(job: Mapping[str, Any]) -> dict[str, Any]:
    """What the server writes into a Job: its selector, and the labels by which it finds its pods."""
    metadata, spec = dict(job["metadata"]), dict(job["spec"])
    uid, name = metadata["uid"], metadata["name"]
    own = {"controller-uid": uid, "job-name": name}
    own |= {f"batch.kubernetes.io/{key}": value for key, value in own.items()}
    template = dict(spec["template"])
    described = dict(template.get("metadata") or {})
    described["labels"] = {**(described.get("labels") or {}), **own}
    template["metadata"] = described
    spec.update(template=template, selector={"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    metadata["labels"] = {**(metadata.get("labels") or {}), **own}
    return {**job, "metadata": metadata, "spec": spec}


@contextlib.contextmanager
def simulated_cluster(seed: int = 0) -> Iterator[Cluster]:
    """A cluster that answers, until the end."""
    cluster = Cluster(seed)
    cluster.server.open()
    try:
        yield cluster
    finally:
        cluster.server.close()
        cluster.server.forget()
