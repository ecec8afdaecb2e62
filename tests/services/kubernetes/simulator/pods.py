"""A pod, and what its node's kubelet makes of it: each method is an edit of the world."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tests.services.kubernetes.simulator.container_log import ContainerLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.kubernetes.simulator.cluster import Cluster

_KILLED, _TERMINATED = 137, 143
_IMAGE_FAILURES = ("ErrImagePull", "ImagePullBackOff")


class Pod:
    """A handle of a pod of the world. A method that has no container named means all of them, or `main`."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster = cluster
        self.namespace = namespace
        self.name = name
        self.uid = str(self.document["metadata"]["uid"])
        self.logs: dict[str, ContainerLog] = {}
        self.previous_logs: dict[str, ContainerLog] = {}
        self.is_known_to_kubelet = True
        # SIGTERM from inside: PID 1 has it, and the pod is not deleted.
        self.is_signalled = False
        self.has_shell = True

    @property
    def document(self) -> dict[str, Any]:
        """As the API has it now."""
        with self._cluster.lock:
            return self._cluster.objects.get("pods", self.namespace, self.name)

    @property
    def is_there(self) -> bool:
        """Whether the API still has it."""
        with self._cluster.lock:
            found = self._cluster.objects.by_key.get(("pods", self.namespace, self.name))
            return found is not None and found["metadata"]["uid"] == self.uid

    @property
    def now(self) -> float:
        """The time of its node, in seconds since 1970."""
        return self._cluster.now

    @property
    def is_asked_to_end(self) -> bool:
        """Whether its containers have got SIGTERM: it was deleted, or somebody sent it."""
        return self.is_signalled or not self.is_there or "deletionTimestamp" in self.document["metadata"]

    def schedule(self, node: str = "node-1") -> None:
        """It has a node, whose kubelet has said nothing of it yet."""
        with self._edit() as pod:
            pod["spec"]["nodeName"] = node
            _condition(pod, "PodScheduled", "True")

    def unschedulable(self, message: str = "0/3 nodes are available: 3 Insufficient cpu.") -> None:
        """No node can take it."""
        with self._edit() as pod:
            _condition(pod, "PodScheduled", "False", "Unschedulable", message)
        self.event("FailedScheduling", message)

    def wait(self, reason: str = "ContainerCreating", message: str = "", container: str = "") -> None:
        """Containers that wait, and why."""
        state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        with self._edit() as pod:
            inits = pod["spec"].get("initContainers") or []
            for name in [container] if container else _names(pod["spec"]["containers"]):
                _set_state(pod, name, state)
            for name in [] if container else _names(inits):
                _set_state(pod, name, {"waiting": {"reason": "PodInitializing"}})

    def start(self, container: str = "", *, is_ready: bool = True) -> None:
        """Containers run; init containers that had not ended have succeeded, sidecars among them run."""
        with self._edit() as pod:
            sidecars = [one["name"] for one in pod["spec"].get("initContainers") or [] if one.get("restartPolicy") == "Always"]
            inits = [name for name in _names(pod["spec"].get("initContainers") or []) if name not in sidecars]
            if not container:
                for name in inits:
                    if not _ended(pod, name):
                        _set_state(pod, name, self._terminated(0, ""))
            for name in [container] if container else sidecars + _names(pod["spec"]["containers"]):
                if "running" not in (_state(pod, name) or {}):
                    _set_state(pod, name, {"running": {"startedAt": self._cluster.api_now()}}, ready=is_ready, started=True)
                    self.logs[name] = ContainerLog()

    def ready(self, *, is_ready: bool, container: str = "main") -> None:
        """What its probe says."""
        with self._edit() as pod:
            _status(pod, container)["ready"] = is_ready

    def write(self, text: str | bytes, container: str = "main") -> None:
        """What a container writes: raw bytes, with or without the end of a line."""
        data = text.encode() if isinstance(text, str) else text
        with self._cluster.lock:
            self.logs[container].write(data, self._cluster.now_ns)
            self._cluster.lock.notify_all()

    def rotate(self, container: str = "main") -> None:
        """The kubelet rotates its log: the current file is empty."""
        with self._cluster.lock:
            if container in self.logs:
                self.logs[container].rotate()

    def exit(self, code: int = 0, message: str = "", container: str = "main", reason: str = "") -> None:
        """A container ends; when all have, native sidecars are ended too. By the pod's policy it waits to begin again."""
        with self._edit() as pod:
            self._end(pod, container, code, message, reason)
            if all(_ended(pod, name) for name in _names(pod["spec"]["containers"])):
                for name in _names(pod["spec"].get("initContainers") or []):
                    if "running" in (_state(pod, name) or {}):
                        self._end(pod, name, _TERMINATED, "", "")

    def kill(self, container: str = "main") -> None:
        """SIGKILL, as the out-of-memory killer sends it."""
        self.exit(_KILLED, container=container, reason="OOMKilled")

    def evict(self, reason: str = "EvictionByEvictionAPI") -> None:
        """Its node is drained: a condition says so, and it is deleted."""
        with self._edit() as pod:
            _condition(pod, "DisruptionTarget", "True", reason, "Eviction API: evicting")
        self.delete()

    def delete(self) -> None:
        """As the API deletes a pod: it has its grace, unless nothing of it runs."""
        with self._cluster.lock:
            if not self.is_there:
                return
            pod = self.document
            grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
            pod["metadata"].setdefault("deletionTimestamp", self._cluster.api_now(grace))
            pod["metadata"]["deletionGracePeriodSeconds"] = grace
            self._cluster.objects.replace("pods", pod)
            if not self.running():
                self._cluster.objects.remove("pods", self.namespace, self.name)
            self._cluster.lock.notify_all()

    def finish_deletion(self) -> None:
        """What the kubelet does in time: what still runs after the grace is killed, and a pod that has ended goes."""
        pod = self.document
        if "deletionTimestamp" not in pod["metadata"]:
            return
        running = self.running()
        if not running:
            self._cluster.objects.remove("pods", self.namespace, self.name)
        elif self._cluster.api_now() >= pod["metadata"]["deletionTimestamp"]:
            for name in running:
                self.exit(_KILLED, container=name)
        elif "main" not in running:
            for name in running:  # a sidecar of any kind gets SIGTERM as well, and obeys
                self.exit(_TERMINATED, container=name)

    def running(self) -> list[str]:
        """The names of the containers that run."""
        return [status["name"] for status in _statuses(self.document) if "running" in status["state"]]

    def event(self, reason: str, message: str, kind: str = "Warning") -> None:
        """What the kubelet, or the scheduler, says of it."""
        self._cluster.event("Pod", self.namespace, self.name, self.uid, reason, message, kind)

    def log_refusal(self, container: str) -> tuple[int, str] | None:
        """Why there is no log of a container: code and message, as the API server answers."""
        status = next((one for one in _statuses(self.document) if one["name"] == container), None)
        where = f'container "{container}" in pod "{self.name}"'
        if not self.is_known_to_kubelet:
            return 404, f"the server could not find the requested resource ( pods/log {self.name})"
        if status is None:
            return 400, f"{where} is not available"
        waiting = status["state"].get("waiting")
        if waiting and container not in self.logs:
            why = "trying and failing to pull image" if waiting["reason"] in _IMAGE_FAILURES else waiting["reason"]
            return 400, f"{where} is waiting to start: {why}"
        return None

    def _end(self, pod: dict[str, Any], container: str, code: int, message: str, reason: str) -> None:
        if container in self.logs:
            self.logs[container].end(self._cluster.now_ns)
        ended = self._terminated(code, message, reason, _state(pod, container))
        policy = pod["spec"].get("restartPolicy", "Always")
        if "deletionTimestamp" not in pod["metadata"] and (policy == "Always" or (policy == "OnFailure" and code)):
            status = _status(pod, container)
            status.update(lastState=ended, restartCount=status["restartCount"] + 1)
            _set_state(pod, container, {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}})
            self.previous_logs[container] = self.logs.get(container, ContainerLog())
        else:
            _set_state(pod, container, ended)

    def _terminated(self, code: int, message: str, reason: str = "", before: Any = None) -> dict[str, Any]:
        started = ((before or {}).get("running") or {}).get("startedAt", self._cluster.api_now())
        ended = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "startedAt": started}
        return {"terminated": {**ended, "finishedAt": self._cluster.api_now(), **({"message": message} if message else {})}}

    @contextlib.contextmanager
    def _edit(self) -> Iterator[dict[str, Any]]:
        with self._cluster.lock:
            pod = self.document
            yield pod
            pod["status"]["phase"] = _phase(pod)
            self._cluster.objects.replace("pods", pod)
            self._cluster.lock.notify_all()


def _names(containers: list[dict[str, Any]]) -> list[str]:
    return [str(one["name"]) for one in containers]


def _statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    status = pod["status"]
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def _state(pod: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((one["state"] for one in _statuses(pod) if one["name"] == name), None)


def _ended(pod: dict[str, Any], name: str) -> bool:
    return "terminated" in (_state(pod, name) or {})


def _status(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """The status of a container, made where there is none. The API has them in the order of their names."""
    kind = "initContainerStatuses" if name in _names(pod["spec"].get("initContainers") or []) else "containerStatuses"
    statuses = pod["status"].setdefault(kind, [])
    found = next((one for one in statuses if one["name"] == name), None)
    if found is None:
        found = {"name": name, "state": {}, "ready": False, "restartCount": 0, "image": "x", "imageID": "x"}
        statuses.append(found)
        if kind == "containerStatuses":
            statuses.sort(key=lambda one: one["name"])
    return found


def _set_state(pod: dict[str, Any], name: str, state: dict[str, Any], **fields: Any) -> None:
    _status(pod, name).update(state=state, **{"ready": False, "started": False, **fields})


def _condition(pod: dict[str, Any], kind: str, status: str, reason: str = "", message: str = "") -> None:
    conditions = [one for one in pod["status"].get("conditions", ()) if one["type"] != kind]
    told = {"reason": reason, "message": message} if reason else {}
    pod["status"]["conditions"] = [*conditions, {"type": kind, "status": status, **told}]


def _phase(pod: dict[str, Any]) -> str:
    """As the kubelet computes it."""
    inits = [one for one in pod["status"].get("initContainerStatuses", ()) if "terminated" in one["state"]]
    policy = pod["spec"].get("restartPolicy", "Always")
    sidecars = [one["name"] for one in pod["spec"].get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    if policy == "Never" and any(one["state"]["terminated"]["exitCode"] for one in inits if one["name"] not in sidecars):
        return "Failed"
    states = [one["state"] for one in pod["status"].get("containerStatuses", ())]
    if states and len(states) == len(pod["spec"]["containers"]) and all("terminated" in one for one in states):
        return "Failed" if any(one["terminated"]["exitCode"] for one in states) else "Succeeded"
    restarted = any(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))
    return "Running" if restarted or any("running" in one or "terminated" in one for one in states) else "Pending"
