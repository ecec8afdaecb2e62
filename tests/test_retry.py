"""Waiting and trying again: no wait is longer than it may be, none is beyond the deadline, and news begins anew."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.retry import Backoff, Clock, Waits, every, retry, wait_until

# Of a clock that began long ago.
ROUNDING_S = 1e-6


class MovedClock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def clock(self) -> Clock:
        """As the functions take it."""
        return Clock(lambda: self.time, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


BACKOFFS = st.builds(
    Backoff,
    first_s=st.floats(0.01, 10),
    longest_s=st.floats(0.01, 60),
    factor=st.floats(1, 3),
    jitter=st.floats(0, 1),
    deadline_s=st.none() | st.floats(0.1, 100),
    max_retries=st.integers(0, 20),
)


@given(BACKOFFS)
def test_every_wait_is_within_its_bounds(backoff: Backoff) -> None:
    """Between its jitter's lower end and its whole length, which grows to the longest; all together end at the deadline."""
    moved = MovedClock()
    waits = Waits(backoff, moved.clock())
    while waits.sleep():
        pass
    began = 1000.0
    whole = backoff.first_s
    left = float("inf") if backoff.deadline_s is None else backoff.deadline_s
    for slept in moved.slept:
        longest = min(whole, backoff.longest_s)
        assert slept <= min(longest, left) + ROUNDING_S
        # Only the deadline makes a wait shorter than its jitter does.
        assert slept >= min(longest * (1 - backoff.jitter), left) - ROUNDING_S
        whole *= backoff.factor
        left -= slept
    assert len(moved.slept) <= (backoff.max_retries or 0)
    if len(moved.slept) < (backoff.max_retries or 0):
        assert backoff.deadline_s is not None
        assert moved.time - began == pytest.approx(backoff.deadline_s)


@given(BACKOFFS, st.integers(0, 10_000))
def test_a_wait_after_many_is_the_longest(backoff: Backoff, retries: int) -> None:
    """However many there were: no overflow, and never less than before."""
    assert backoff.wait_s(retries) <= backoff.longest_s
    assert backoff.wait_s(retries) <= backoff.wait_s(retries + 1)


def test_what_went_well_for_long_has_its_whole_deadline() -> None:
    """The deadline is counted from the first failure, not from the last success."""
    moved = MovedClock()
    waits = Waits(every(1.0, deadline_s=3.0), moved.clock())
    moved.time += 3600
    assert [waits.sleep() for _ in range(4)] == [True, True, True, False]


@given(BACKOFFS)
def test_news_begins_anew(backoff: Backoff) -> None:
    """The first wait, all retries and a whole deadline are there again."""
    moved = MovedClock()
    waits = Waits(backoff, moved.clock())
    while waits.sleep():
        pass
    moved.slept.clear()
    waits.reset()
    assert waits.sleep() is (backoff.max_retries != 0)
    assert all(slept <= backoff.first_s for slept in moved.slept)


def test_jitter_tells_clients_apart() -> None:
    """Of many that wait together, few come back together."""
    moved = MovedClock()
    for _ in range(100):
        Waits(Backoff(1.0, 1.0), moved.clock()).sleep()
    assert len(set(moved.slept)) > 90
    assert all(0.5 <= slept <= 1.0 for slept in moved.slept)
    moved.slept.clear()
    for _ in range(100):
        Waits(every(1.0), moved.clock()).sleep()
    assert set(moved.slept) == {1.0}


@given(st.integers(0, 8), st.integers(0, 8))
def test_what_passes_is_tried_again_and_what_stays_is_raised(failures: int, retries: int) -> None:
    """So often as allowed; then the last error is the caller's."""
    moved, calls = MovedClock(), 0

    def call() -> str:
        nonlocal calls
        calls += 1
        if calls <= failures:
            raise ConnectionError(f"number {calls}")
        return "answer"

    backoff = Backoff(1.0, 4.0, max_retries=retries)
    if failures <= retries:
        assert retry(call, lambda error: isinstance(error, ConnectionError), backoff, moved.clock()) == "answer"
    else:
        with pytest.raises(ConnectionError, match=f"number {retries + 1}"):
            retry(call, lambda error: isinstance(error, ConnectionError), backoff, moved.clock())
    assert calls == min(failures, retries) + 1
    assert len(moved.slept) == calls - 1


def test_an_error_that_does_not_pass_is_raised_at_once() -> None:
    """Nothing is waited for."""
    moved, calls = MovedClock(), 0

    def call() -> None:
        nonlocal calls
        calls += 1
        raise ValueError("malformed")

    with pytest.raises(ValueError, match="malformed"):
        retry(call, lambda error: isinstance(error, OSError), Backoff(1.0, 4.0), moved.clock())
    assert (calls, moved.slept) == (1, [])


@given(st.integers(0, 30))
def test_a_condition_is_waited_for_until_the_deadline(true_after: int) -> None:
    """True as soon as it is; False when the time is over, after a last look."""
    moved, looks = MovedClock(), 0

    def is_true() -> bool:
        nonlocal looks
        looks += 1
        return looks > true_after

    came = wait_until(is_true, every(1.0, deadline_s=10.0), moved.clock())
    assert came is (true_after <= 10)
    assert moved.time == 1000.0 + min(true_after, 10)
