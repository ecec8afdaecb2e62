"""Pods of the simulated cluster whose containers are real: the emulator runs the Job, and its log and end are written back."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import StopRequest
from tests.services.kubernetes.simulator.cluster import simulated_cluster
from tests.services.kubernetes.simulator.lives import begins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded
    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod

_OWN_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
# Real seconds that a client's sleep gives to the containers.
_PATIENCE_S = 0.05


@contextlib.contextmanager
def cluster_with_containers(session: Embedded, directory: Path) -> Iterator[Cluster]:
    """A cluster whose pods of Jobs run in the emulator; it ends when all of them have ended."""
    with simulated_cluster() as cluster:
        cluster.real_time_s = _PATIENCE_S
        kubelet = _Kubelet(cluster, session, directory)
        cluster.life = kubelet.life
        yield cluster
        kubelet.stop()


class _Kubelet:
    def __init__(self, cluster: Cluster, session: Embedded, directory: Path) -> None:
        self._cluster = cluster
        self._session = session
        self._directory = directory
        self._runs: list[tuple[threading.Thread, StopRequest]] = []

    def life(self, pod: Pod) -> Iterator[None]:
        """To the end of its container; SIGTERM is the emulator's stop."""
        yield from begins(pod)
        stop = StopRequest()
        thread = threading.Thread(target=self._run, args=(pod, stop))
        self._runs.append((thread, stop))
        thread.start()
        while thread.is_alive():
            if pod.is_asked_to_end:
                stop.asked.set()
            yield

    def stop(self) -> None:
        """Stops what still runs, and waits for it."""
        for thread, stop in self._runs:
            stop.asked.set()
            thread.join()

    def _run(self, pod: Pod, stop: StopRequest) -> None:
        with self._cluster.lock:
            owner = pod.document["metadata"]["ownerReferences"][0]["name"]
            job = self._cluster.objects.get("jobs", pod.namespace, owner)
            maps = self._cluster.objects.find("configmaps", pod.namespace)
        directory = self._directory / pod.name
        directory.mkdir(parents=True)
        emulator: Any = self._session.targets["kubernetes"]
        documents = (*(_as_sent(one) for one in maps), _as_sent(job))
        run = emulator.run(
            Compiled("kubernetes", "Job", documents),
            workspace=directory,
            stop=stop,
            on_line=lambda line: pod.write(f"{line}\n"),
        )
        pod.write(run.stderr.read_text())
        pod.exit(run.exit_code, run.reason)


def _as_sent(document: dict[str, Any]) -> dict[str, Any]:
    """What the client had sent, without what the API server has added."""
    metadata = {key: document["metadata"][key] for key in ("name", "labels") if key in document["metadata"]}
    metadata["labels"] = {key: value for key, value in metadata.get("labels", {}).items() if key not in _OWN_LABELS}
    sent = {key: value for key, value in document.items() if key != "status"} | {"metadata": metadata}
    if "spec" in sent:
        spec = {key: value for key, value in sent["spec"].items() if key != "selector"}
        described = dict(spec["template"].get("metadata") or {})
        described["labels"] = {key: one for key, one in (described.get("labels") or {}).items() if key not in _OWN_LABELS}
        sent["spec"] = {**spec, "template": {**spec["template"], "metadata": described}}
    return sent
