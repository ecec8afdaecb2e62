"""Which calls of a model's handlers run in the event loop's own thread: those that have proved to be short.

A thread costs more than a short handler does, and whatever runs in the loop makes everybody else wait, /ping too. So:

- the first calls go to the lane; the loop takes over after `PROOF` in a row that were short;
- it takes bodies only that are no longer than one that has proved to be short there;
- one call that stalls sends all that follow to the lane, and four times as many proofs are asked for each time: a handler
  that is slow for one body in a thousand holds the loop up some five times in its life, then no more;
- calls that are a little long too often send the rest to the lane, too.
"""

from __future__ import annotations

import resource
import sys
from time import perf_counter

PROOF = 16
SHORT_S = 0.001
STALL_S = 0.02
# Grows by this at each call that is not short and falls by one at each that is: one in nine is too often.
_LATE_STEP = 8
_LATE_MOST = 64
_PROOF_FACTOR = 4
_NONE = -1
# From 3.14 on the running task is the thread's, and cannot be put aside for a handler that starts a loop of its own.
_CAN_BE_INLINE = sys.version_info < (3, 14)


class Spent:
    """How long a call took of this thread: begun where this is made.

    The time for which the thread was ready to run and others had its CPU is not the call's: neither a busy neighbour nor a
    throttled cgroup makes a handler slow. A thread that has waited for something has given its CPU away of itself.
    """

    __slots__ = ("_began", "_usage")

    def __init__(self) -> None:
        self._usage = resource.getrusage(resource.RUSAGE_THREAD)
        self._began = perf_counter()

    def seconds(self) -> float:
        """Up to now."""
        passed = perf_counter() - self._began
        if passed <= SHORT_S:
            return passed
        before, now = self._usage, resource.getrusage(resource.RUSAGE_THREAD)
        if now.ru_nvcsw != before.ru_nvcsw:
            return passed
        return now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime


class Pace:
    """One model's; told how long each call took, by the loop's thread alone. Sizes are of bodies, in bytes."""

    def __init__(self, *, is_inline_allowed: bool = True) -> None:
        self._is_inline_allowed = is_inline_allowed and _CAN_BE_INLINE
        self._inline_up_to = _NONE
        self._needed = PROOF
        self._proved = 0
        self._largest = _NONE
        self._late = 0

    def is_inline(self, size: int) -> bool:
        """Whether a call with a body of this size runs in the loop."""
        return size <= self._inline_up_to

    def ran_in_lane(self, size: int, seconds: float) -> None:
        """A call in the lane has ended."""
        if seconds > SHORT_S:
            self._proved, self._largest = 0, _NONE
            return
        if self._inline_up_to >= 0:
            self._inline_up_to = max(self._inline_up_to, size)
            return
        self._proved += 1
        self._largest = max(self._largest, size)
        if self._proved >= self._needed and self._is_inline_allowed:
            self._inline_up_to, self._late = self._largest, 0

    def ran_inline(self, seconds: float) -> None:
        """A call in the loop has ended."""
        if seconds <= SHORT_S:
            if self._late:
                self._late -= 1
            return
        self._late += _LATE_STEP
        if seconds > STALL_S:
            self._needed *= _PROOF_FACTOR
            self._to_lane()
        elif self._late > _LATE_MOST:
            self._to_lane()

    def _to_lane(self) -> None:
        self._inline_up_to, self._proved, self._largest = _NONE, 0, _NONE
