"""Which calls run in the event loop's thread, by how long calls took."""

from __future__ import annotations

import threading

from hypothesis import given, strategies as st

from lyftlearn_runtime.serving.pace import PROOF, SHORT_S, STALL_S, Pace, Spent

SHORT, STALL = SHORT_S / 2, STALL_S * 10


def proved(pace: Pace, count: int, size: int = 10) -> Pace:
    """After so many short calls in the lane."""
    for _ in range(count):
        pace.ran_in_lane(size, SHORT)
    return pace


def test_the_loop_takes_over_after_enough_short_calls_in_a_row() -> None:
    """One that is not short begins the count again; bodies longer than any that has proved short stay in the lane."""
    pace = proved(Pace(), PROOF - 1)
    assert not pace.is_inline(10)
    pace.ran_in_lane(10, STALL)
    assert not proved(pace, PROOF - 1).is_inline(10)
    proved(pace, 1)
    assert pace.is_inline(10)
    assert not pace.is_inline(11)
    pace.ran_in_lane(11, STALL)
    assert not pace.is_inline(11)
    pace.ran_in_lane(11, SHORT)
    assert pace.is_inline(11)


def test_it_can_be_told_not_to() -> None:
    """Then everything stays in the lane."""
    assert not proved(Pace(is_inline_allowed=False), 10 * PROOF).is_inline(0)


def test_one_stall_sends_all_to_the_lane_for_four_times_as_long() -> None:
    """Each time, so that a handler which stalls now and then does it in the loop a few times only."""
    pace, needed = Pace(), PROOF
    for _ in range(4):
        assert not proved(pace, needed - 1).is_inline(10)
        assert proved(pace, 1).is_inline(10)
        pace.ran_inline(STALL)
        assert not pace.is_inline(0)
        needed *= 4


@given(share=st.integers(10, 2000))
def test_a_handler_that_is_sometimes_slow_holds_the_loop_up_a_few_times_in_its_life(share: int) -> None:
    """One call in so many stalls: of 100,000 calls at most six do so in the loop."""
    pace, stalls = Pace(), 0
    for number in range(1, 100_001):
        seconds = SHORT if number % share else STALL
        if pace.is_inline(10):
            pace.ran_inline(seconds)
            stalls += seconds == STALL
        else:
            pace.ran_in_lane(10, seconds)
    assert stalls <= 6


def test_calls_that_are_late_too_often_go_back() -> None:
    """A late call now and then is forgiven, one of two is not."""
    pace = proved(Pace(), PROOF)
    for _ in range(100):
        pace.ran_inline(SHORT_S * 2)
        for _ in range(9):
            pace.ran_inline(SHORT)
    assert pace.is_inline(10)
    for _ in range(20):
        pace.ran_inline(SHORT_S * 2)
        pace.ran_inline(SHORT)
    assert not pace.is_inline(10)


def test_time_that_a_call_has_waited_is_its_own() -> None:
    """A thread that waits gives its CPU away of itself, unlike one whose CPU was taken."""
    spent = Spent()
    threading.Event().wait(STALL_S)
    assert spent.seconds() >= STALL_S


def test_time_that_a_call_has_worked_is_its_own() -> None:
    """However busy the machine is, what it has computed counts."""
    import time

    spent = Spent()
    began = time.thread_time()
    while time.thread_time() - began < STALL_S:
        pass
    assert spent.seconds() >= STALL_S / 2
