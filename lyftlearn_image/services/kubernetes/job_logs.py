"""The lines of a Job's pods, each once, whatever becomes of connections, kubelets and API servers meanwhile.

A stream that ends says nothing: the kubelet was restarted, a balancer has closed it, a token has run out. A pod's log is read
to its end when the pod says that our container has ended, and one more reading after that came through.
"""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.retry import Backoff, Waits
from lyftlearn_image.runs.log_lines import LineSplitter
from lyftlearn_image.services.kubernetes.job_state import host_of
from lyftlearn_image.services.kubernetes.log_cursor import LogCursor
from lyftlearn_image.services.kubernetes.log_source import LogPlace, NoLogError
from lyftlearn_image.services.kubernetes.main_container import has_ended, main_name, main_status

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from lyftlearn_image.retry import Clock
    from lyftlearn_image.run import State
    from lyftlearn_image.services.kubernetes.log_source import LogSource

_POLLS = Backoff(first_s=1.0, longest_s=1.0)
# As for a watch: a control plane's update, or a login that somebody has to renew.
_SERVER_AWAY = Backoff(first_s=1.0, longest_s=30.0, deadline_s=600.0)
# A kubelet that was restarted knows its pods again after seconds; a node that has gone never serves their logs.
_LOG_AWAY = Backoff(first_s=1.0, longest_s=10.0, deadline_s=120.0)
_ROTATED = "lines are missing: the kubelet rotated the log before they were read"
_NEVER_SERVED = "the end of the log is missing: the kubelet does not serve it any more"
_POD_GONE = "the end of the log is missing: the pod was deleted before it was read"


class PodLog:
    """The log of one pod's container. With `keep` every line that was given stays to be read again; `count` counts them."""

    def __init__(self, source: LogSource, pod: Any, *, keep: bool) -> None:
        self.name: str = pod.metadata.name
        self.uid: str = pod.metadata.uid
        self.host = host_of(pod)
        self.count = 0
        self.is_over = False
        # What of the log is missing, in words; empty where all was read.
        self.cut = ""
        # Whether the last stream came to an end by itself, as it does when the container ends.
        self.has_closed = False
        self._source = source
        self._place = LogPlace(pod.metadata.namespace, self.name, main_name(pod))
        self._cursor = LogCursor()
        self._restarts = 0
        self._kept = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n") if keep else None  # noqa: SIM115 - see `close`

    def read(self, pod: Any, *, follow: bool) -> Iterator[str]:
        """The lines that were not given yet, by what the pod says now; with `follow` those that come until the stream ends.

        Raises UnavailableError where it broke off; another reading goes on from there.
        """
        status, ended = main_status(pod), has_ended(pod)
        restarts = status.restartCount if status else 0
        if restarts > self._restarts:
            with contextlib.suppress(NoLogError):  # only the last one before is kept, and not for ever
                yield from self._stream(follow=False, is_last=True, previous=True)
            self._restarts = restarts
            self._cursor.restart()
        try:
            yield from self._stream(follow=follow and not ended, is_last=ended)
        except NoLogError:
            if not (ended and not _has_begun(status)):
                raise
        self.is_over = ended
        if self._cursor.is_cut:
            self.cut = _ROTATED

    def give_up(self, why: str) -> None:
        """No more of it can be read."""
        self.is_over, self.cut = True, why

    def kept(self) -> Iterator[str]:
        """The lines that were given so far."""
        if self._kept is not None:
            self._kept.seek(0)
            yield from (line.removesuffix("\n") for line in self._kept)
            self._kept.seek(0, 2)

    def close(self) -> None:
        """Forgets what was kept."""
        if self._kept is not None:
            self._kept.close()

    def _stream(self, *, follow: bool, is_last: bool, previous: bool = False) -> Iterator[str]:
        """The new lines of one stream. A line without an end is one only where nothing can come after it."""
        self._cursor.begin()
        self.has_closed = False
        splitter = LineSplitter()
        for piece in self._source.read(self._place, follow=follow, since=self._cursor.since, previous=previous):
            yield from self._new(splitter.feed(piece))
        self.has_closed = True
        if is_last:
            yield from self._new(splitter.flush())
            self._cursor.end()

    def _new(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            text = self._cursor.take(line)
            if text is None:
                continue
            self.count += 1
            if self._kept is not None:
                self._kept.write(f"{text}\n")
            yield text


class JobLogs:
    """The logs of a Job's pods, in the order in which the pods were made."""

    def __init__(self, source: LogSource, clock: Clock, *, keep: bool = False) -> None:
        self._source = source
        self._clock = clock
        self._keep = keep
        self._logs: dict[str, PodLog] = {}
        self._away: dict[str, Waits] = {}

    def lines(self, look: Callable[[], tuple[State, Sequence[Any]]], *, follow: bool) -> Iterator[str]:
        """The lines that were not given yet; with `follow` until the Job has ended and all is read.

        `look` gives the Job's state and its pods. Raises UnavailableError where the API stays away for ten minutes.
        """
        polls, away = Waits(_POLLS, self._clock), Waits(_SERVER_AWAY, self._clock)
        while True:
            try:
                state, pods = look()
                is_read = True
                for pod in in_order(pods):
                    is_read &= yield from self._read(pod, follow=follow)
                away.reset()
            except UnavailableError:
                if not away.sleep():
                    raise
                continue
            if is_read and (state.status is not None or not follow):
                self._miss_others(pods)
                return
            polls.sleep()

    def of(self, pod: Any) -> PodLog:
        """The log of one pod."""
        uid = pod.metadata.uid
        if uid not in self._logs:
            self._logs[uid] = PodLog(self._source, pod, keep=self._keep)
        return self._logs[uid]

    def all(self) -> list[PodLog]:
        """Those of all pods that were seen."""
        return list(self._logs.values())

    def close(self) -> None:
        """Forgets what was kept."""
        for log in self._logs.values():
            log.close()

    def _read(self, pod: Any, *, follow: bool) -> Generator[str, None, bool]:
        """The new lines of a pod; whether nothing of what there is now is left."""
        log = self.of(pod)
        if log.is_over:
            return True
        waits = self._away.setdefault(pod.metadata.uid, Waits(_LOG_AWAY, self._clock))
        try:
            yield from log.read(pod, follow=follow)
            waits.reset()
        except NoLogError:
            if not has_ended(pod):
                return not follow
            if not waits.sleep():
                log.give_up(_NEVER_SERVED)
        return log.is_over or not follow

    def _miss_others(self, pods: Sequence[Any]) -> None:
        """Pods that were read from and are gone."""
        there = {pod.metadata.uid for pod in pods}
        for uid, log in self._logs.items():
            if uid not in there and not log.is_over:
                log.give_up(log.cut if log.has_closed else _POD_GONE)


def in_order(pods: Sequence[Any]) -> list[Any]:
    """Pods by when they were made; those of one second by name, in which the index of a host stands."""
    return sorted(pods, key=lambda pod: (pod.metadata.creationTimestamp.timestamp(), pod.metadata.name))


def _has_begun(status: Any) -> bool:
    """Whether our container has ever run."""
    return bool(status and status.state and (status.state.terminated or status.state.running))
