"""Several model servers behind one listening socket: each a process of its own, which loads the model for itself."""

from __future__ import annotations

import mmap
import os
import signal
from typing import TYPE_CHECKING

from lyftlearn_runtime.log import log_line

if TYPE_CHECKING:
    from collections.abc import Callable

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Readiness:
    """Which of several processes are ready: memory that all of them share, a byte each."""

    def __init__(self, count: int) -> None:
        self._bytes = mmap.mmap(-1, count)
        self._count = count

    def tell(self, number: int) -> None:
        """This one is ready."""
        self._bytes[number] = 1

    def all_are(self) -> bool:
        """Whether all of them are."""
        return self._bytes[:] == b"\1" * self._count


def run(count: int, serve: Callable[[int], int]) -> int:
    """Carries `serve` out in so many processes, each with its number, and waits for them: the first exit code that is not 0.

    Returns in each of them, too, with what `serve` returned there. Nothing may have been started yet that does not live on in
    a fork, such as a thread. Signals to stop are handed on. One that ends by itself ends all: the orchestrator starts a new
    container, and what the others are at work on is seen to its end.
    """
    # Until there is somebody to hand it on to, a signal waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    numbers: dict[int, int] = {}
    for number in range(count):
        pid = os.fork()
        if not pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            return serve(number)
        numbers[pid] = number
    left = set(numbers)

    told: set[int] = set()

    def stop(*_: object) -> None:
        for pid in left - told:
            told.add(pid)
            os.kill(pid, signal.SIGTERM)

    for one in _STOPPING:
        signal.signal(one, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    code = 0
    while left:
        pid, status = os.wait()
        if pid not in left:
            continue  # an orphan that was left to us
        left.discard(pid)
        ended = os.waitstatus_to_exitcode(status)
        if ended < 0:
            log_line(f"serve: process {numbers[pid] + 1} of {count} was ended by signal {-ended}")
        code = code or (1 if ended < 0 else ended)
        stop()
    return code
