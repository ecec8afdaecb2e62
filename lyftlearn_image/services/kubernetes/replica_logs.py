"""The logs of a Deployment's pods as one: each line with its pod, while pods come and go."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

from lyftlearn_image.retry import Backoff, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lyftlearn_image.retry import Clock

_POLLS = Backoff(first_s=0.5, longest_s=2.0)


def replica_lines(pods: Iterable[str], read: Callable[[str], Iterator[str]]) -> Iterator[str]:
    """What each of the pods has written, one after the other."""
    for pod in sorted(pods):
        for line in read(pod):
            yield f"[{pod}] {line}"


def follow_replicas(
    list_pods: Callable[[], Iterable[str] | None], follow: Callable[[str], Iterator[str]], clock: Clock
) -> Iterator[str]:
    """What all pods write, as it comes, until there are none any more: `list_pods` gives None then.

    `follow` gives a pod's lines to its end; each pod is followed once, in a thread of its own.
    """
    lines = queue.SimpleQueue[str]()
    readers: dict[str, threading.Thread] = {}

    def read(pod: str) -> None:
        # A pod that cannot be read any more is not what the others end with.
        with contextlib.suppress(Exception):
            for line in follow(pod):
                lines.put(f"[{pod}] {line}")

    waits = Waits(_POLLS, clock)
    while True:
        pods = list_pods()
        for pod in pods or ():
            if pod not in readers:
                readers[pod] = threading.Thread(target=read, args=(pod,), daemon=True)
                readers[pod].start()
        is_over = pods is None and not any(reader.is_alive() for reader in readers.values())
        with contextlib.suppress(queue.Empty):
            while True:
                yield lines.get_nowait()
                waits.reset()
        if is_over:
            return
        waits.sleep()
