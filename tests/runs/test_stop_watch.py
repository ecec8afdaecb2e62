"""Who watches one run: lines go on to whoever listens, and a stop comes as it was asked for."""

from __future__ import annotations

import re

import pytest

from lyftlearn_image.run import StopRequest
from lyftlearn_image.runs.stop_watch import StopWatch


@pytest.mark.parametrize("is_interruption", [False, True])
def test_a_line_that_matches_asks(is_interruption: bool) -> None:  # noqa: FBT001 - drawn
    """For the end of the run, or for one interruption, after which the run goes on."""
    stop = StopRequest(re.compile(r"^epoch 2\b"), is_interruption=is_interruption)
    watch = StopWatch(stop, None)
    assert watch.can_be_stopped
    watch.on_line("epoch 1")
    watch.take_request()
    assert not watch.wait_for_stop(0)
    assert (watch.stopped, watch.interrupted) == (False, False)
    watch.on_line("epoch 2 of 9")
    assert watch.wait_for_stop(0)
    watch.take_request()
    assert (watch.stopped, watch.interrupted) == (not is_interruption, is_interruption)
    assert watch.wait_for_stop(0) is not is_interruption
    # An interruption comes once.
    watch.on_line("epoch 2 of 9")
    assert watch.wait_for_stop(0) is not is_interruption


def test_anybody_may_ask_from_outside() -> None:
    """Without any line; a run that nobody can stop is not asked."""
    stop = StopRequest()
    watch = StopWatch(stop, None)
    stop.asked.set()
    assert watch.wait_for_stop(0)
    watch.take_request()
    assert watch.stopped
    assert not StopWatch(None, None).can_be_stopped
    assert not StopWatch(None, None).wait_for_stop(0)


def test_only_the_first_host_is_heard_and_every_host_can_ask() -> None:
    """Several hosts' lines would be one tangle to who listens."""
    lines: list[str] = []
    watch = StopWatch(StopRequest(re.compile("stop")), lines.append)
    watch.line_handler(is_first_host=True)("first")
    watch.line_handler(is_first_host=False)("second: stop")
    assert lines == ["first"]
    assert watch.wait_for_stop(0)
