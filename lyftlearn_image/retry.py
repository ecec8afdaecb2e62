"""Waiting and trying again: how long, how often, and until when. Tests bring a clock of their own.

tenacity would do the simple loops, but reads the time itself, so that no test can move it, and it cannot begin anew when
there is news in between, as who waits for a job does.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


@dataclass(frozen=True)
class Clock:
    """The time in seconds, and a way to let it pass. `sleep` may come back early: whoever waits looks again.

    `now` is for lengths of time; `wall` is the date, in seconds since 1970, which may jump.
    """

    now: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], object] = field(default=time.sleep)
    wall: Callable[[], float] = field(default=time.time)


@dataclass(frozen=True)
class Backoff:
    """How long to wait before each further try, in seconds, and when to give up.

    The first wait is `first_s`, each next one `factor` times as long, none longer than `longest_s`. Each is drawn from its
    upper part, `jitter` of it: many clients that failed together do not come back together. No wait goes beyond
    `deadline_s` after the first one began, and there are `max_retries` of them; None is no limit.
    """

    first_s: float
    longest_s: float
    factor: float = 2.0
    jitter: float = 0.5
    deadline_s: float | None = None
    max_retries: int | None = None

    def wait_s(self, retries: int) -> float:
        """The longest that the wait after so many earlier ones can be."""
        wait_s = self.first_s
        for _ in range(retries):
            if wait_s >= self.longest_s:
                break
            wait_s *= self.factor
        return min(wait_s, self.longest_s)


def every(period_s: float, deadline_s: float | None = None) -> Backoff:
    """Waits of the same length: for a condition on this machine, which nobody else asks for."""
    return Backoff(period_s, period_s, factor=1.0, jitter=0.0, deadline_s=deadline_s)


class Waits:
    """The waits of one thing that is tried again and again. For one thread."""

    def __init__(self, backoff: Backoff, clock: Clock) -> None:
        self._backoff = backoff
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begins anew, with the first wait and a new deadline: there was news, or an answer."""
        self._ends_at: float | None = None
        self._retries = 0

    def sleep(self) -> bool:
        """Waits before the next try; False, at once, where there is none: too many retries, or the deadline has passed."""
        backoff = self._backoff
        if backoff.max_retries is not None and self._retries >= backoff.max_retries:
            return False
        longest_s = backoff.wait_s(self._retries)
        wait_s = random.uniform(longest_s * (1 - backoff.jitter), longest_s)  # noqa: S311 - jitter, no secret
        if backoff.deadline_s is not None:
            now = self._clock.now()
            if self._ends_at is None:
                self._ends_at = now + backoff.deadline_s
            if now >= self._ends_at:
                return False
            wait_s = min(wait_s, self._ends_at - now)
        self._retries += 1
        self._clock.sleep(wait_s)
        return True


def retry(call: Callable[[], _T], is_transient: Callable[[Exception], bool], backoff: Backoff, clock: Clock) -> _T:
    """What `call` gives. It may be called several times, so it must be harmless to do so.

    Raises its error at once where `is_transient` says no of it, and its last one when the back-off gives up.
    """
    waits = Waits(backoff, clock)
    while True:
        try:
            return call()
        except Exception as error:
            if not is_transient(error) or not waits.sleep():
                raise


def wait_until(is_true: Callable[[], bool], backoff: Backoff, clock: Clock) -> bool:
    """Whether the condition came true before the back-off gave up. It is asked at least once."""
    waits = Waits(backoff, clock)
    while not is_true():
        if not waits.sleep():
            return False
    return True
