"""The logs of a Deployment's pods as one: each line with its pod, while pods come and go."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any

from lightkube.resources.apps_v1 import Deployment

from lyftlearn_image.errors import LyftlearnError, UnavailableError
from lyftlearn_image.retry import Backoff, Waits
from lyftlearn_image.run import State, Status
from lyftlearn_image.services.kubernetes.job_logs import JobLogs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.retry import Clock
    from lyftlearn_image.services.kubernetes.api import ClusterApi
    from lyftlearn_image.services.kubernetes.log_source import LogSource

_POLLS = Backoff(first_s=0.5, longest_s=2.0)
# As for the log of a Job.
_SERVER_AWAY = Backoff(first_s=1.0, longest_s=30.0, deadline_s=600.0)


class ReplicaLogs:
    """The logs of one Deployment. Each pod is followed in a thread of its own: what one writes does not wait for another."""

    def __init__(self, api: ClusterApi, source: LogSource, clock: Clock, deployment: str) -> None:
        self._api = api
        self._source = source
        self._clock = clock
        self._deployment = deployment
        # Of the Deployment when it was there, by which its last pods are found when it is gone.
        self._labels: dict[str, str] = {}

    def lines(self, *, follow: bool) -> Iterator[str]:
        """The lines that there are; with `follow` those that come until it is stopped or deleted and no pod is left."""
        self._labels = dict(self._api.get(Deployment, self._deployment).spec.selector.matchLabels or {})
        if follow:
            yield from self._follow()
            return
        for pod in self._pods():
            logs = JobLogs(self._source, self._clock)
            for line in logs.lines(lambda pod=pod: (State(None, ""), [pod]), follow=False):  # type: ignore[misc] # see B023
                yield f"[{pod.metadata.name}] {line}"

    def _follow(self) -> Iterator[str]:
        lines = queue.SimpleQueue[str | LyftlearnError]()
        readers: dict[str, threading.Thread] = {}
        waits, away, is_over = Waits(_POLLS, self._clock), Waits(_SERVER_AWAY, self._clock), False
        while True:
            try:
                pods = self._pods()
                for pod in pods:
                    if pod.metadata.uid not in readers:
                        readers[pod.metadata.uid] = threading.Thread(target=self._read, args=(pod, lines), daemon=True)
                        readers[pod.metadata.uid].start()
                # Asked before the queue is emptied: who has ended by now writes no more.
                is_over = not pods and self._is_stopped() and not any(reader.is_alive() for reader in readers.values())
                away.reset()
            except UnavailableError:
                if not away.sleep():
                    raise
            with contextlib.suppress(queue.Empty):
                while True:
                    line = lines.get_nowait()
                    if isinstance(line, LyftlearnError):
                        raise line
                    yield line
                    waits.reset()
            if is_over:
                return
            waits.sleep()

    def _read(self, pod: Any, lines: queue.SimpleQueue[str | LyftlearnError]) -> None:
        """Reads a pod until it is gone."""

        def look() -> tuple[State, list[Any]]:
            there = [one for one in self._pods() if one.metadata.uid == pod.metadata.uid]
            return State(None if there else Status.STOPPED, ""), there

        # The connections are closed where nobody reads on.
        with contextlib.suppress(RuntimeError):
            try:
                for line in JobLogs(self._source, self._clock).lines(look, follow=True):
                    lines.put(f"[{pod.metadata.name}] {line}")
            except LyftlearnError as error:
                lines.put(error)

    def _pods(self) -> list[Any]:
        return sorted(self._api.select_pods(self._labels), key=lambda pod: str(pod.metadata.name))

    def _is_stopped(self) -> bool:
        found = self._api.find(Deployment, self._deployment)
        return found is None or found.spec.replicas == 0
