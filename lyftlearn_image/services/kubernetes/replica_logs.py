"""The logs of a Deployment's pods as one: each line with its pod, while pods come and go."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.retry import Backoff, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lyftlearn_image.retry import Clock

_POLLS = Backoff(first_s=0.5, longest_s=2.0)
_SERVER_AWAY = Backoff(first_s=1.0, longest_s=30.0, deadline_s=600.0)


def replica_lines(pods: Iterable[Any], read: Callable[[Any], Iterator[str]]) -> Iterator[str]:
    """What each of the pods has written, one after the other."""
    for pod in sorted(pods, key=_name):
        for line in read(pod):
            yield f"[{_name(pod)}] {line}"


def follow_replicas(
    list_pods: Callable[[], Iterable[Any] | None], follow: Callable[[Any], Iterator[str]], clock: Clock
) -> Iterator[str]:
    """What all pods write, as it comes, until there are none any more: `list_pods` gives None then.

    `follow` gives a pod's lines to its end; each pod is followed once, in a thread of its own. A server that goes away is
    waited for.
    """
    lines = queue.SimpleQueue[str]()
    readers: dict[str, threading.Thread] = {}

    def read(pod: Any) -> None:
        # A pod that cannot be read any more is not what the others end with.
        with contextlib.suppress(Exception):
            for line in follow(pod):
                lines.put(f"[{_name(pod)}] {line}")

    waits, away = Waits(_POLLS, clock), Waits(_SERVER_AWAY, clock)
    pods: Iterable[Any] | None = ()
    while True:
        try:
            pods = list_pods()
            away.reset()
        except UnavailableError:
            if not away.sleep():
                raise
        for pod in pods or ():
            if pod.metadata.uid not in readers:
                readers[pod.metadata.uid] = threading.Thread(target=read, args=(pod,), daemon=True)
                readers[pod.metadata.uid].start()
        is_over = pods is None and not any(reader.is_alive() for reader in readers.values())
        with contextlib.suppress(queue.Empty):
            while True:
                yield lines.get_nowait()
                waits.reset()
        if is_over:
            return
        waits.sleep()


def _name(pod: Any) -> str:
    return str(pod.metadata.name)
