"""Which of several hosts tells why a job failed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.runs.first_failure import Attempt, first_failure


def failed(host: int, code: int, at: float, *, by_platform: bool = False) -> Attempt:
    """An attempt of a host that failed."""
    return Attempt(host, code, at, is_failed=True, is_ended_by_platform=by_platform)


def succeeded(host: int, at: float) -> Attempt:
    """An attempt of a host that did its work."""
    return Attempt(host, 0, at, is_failed=False)


@pytest.mark.parametrize(
    ("attempts", "deciding"),
    [
        ([failed(0, 143, 5), failed(1, 7, 2)], 1),
        ([failed(0, 9, 1), failed(1, 143, 3)], 0),
        ([succeeded(0, 1), failed(1, 4, 2)], 1),
        # A peer that misses the first one fails after it, with a code of its own.
        ([failed(0, 1, 2.1), failed(1, 7, 2.0)], 1),
        # A service counts whole seconds.
        ([failed(0, 143, 2), failed(1, 7, 2)], 1),
        # Of the host that failed first, the last attempt; what was made again and then ended by the platform is none.
        ([failed(0, 1, 1), failed(0, 2, 2), failed(0, 3, 3)], 2),
        ([failed(1, 7, 1), failed(0, 1, 2), failed(1, 143, 3, by_platform=True)], 0),
        # A host that succeeded in a later attempt is not why.
        ([failed(0, 5, 1), succeeded(0, 2), failed(1, 6, 3)], 2),
        # Somebody asked for a stop: then the lowest that did not end well, whoever was the first to end.
        ([failed(0, 143, 9, by_platform=True), failed(1, 143, 8, by_platform=True)], 0),
        ([succeeded(0, 9), failed(1, 3, 8, by_platform=True)], 1),
        ([succeeded(0, 2), succeeded(1, 1)], 0),
    ],
)
def test_the_host_that_failed_first_decides(attempts: list[Attempt], deciding: int) -> None:
    """Whatever became of the others afterwards."""
    assert first_failure(attempts) == deciding


ATTEMPTS = st.lists(
    st.builds(
        Attempt,
        host=st.integers(0, 4),
        exit_code=st.sampled_from([1, 7, 137, 143]),
        ended_at=st.integers(0, 50).map(float),
        is_failed=st.just(value=True),
    ),
    min_size=1,
    max_size=6,
    unique_by=(lambda one: one.host, lambda one: one.ended_at),
)


@given(ATTEMPTS, st.data())
def test_neither_the_order_nor_what_the_platform_ended_changes_who_decides(
    attempts: list[Attempt], data: st.DataObject
) -> None:
    """Each host had one attempt: the earliest failure decides, in any order, and whatever is ended after it."""
    earliest = min(attempts, key=lambda one: one.ended_at)
    ended = [one if one is earliest else replace(one, is_ended_by_platform=data.draw(st.booleans())) for one in attempts]
    shuffled = data.draw(st.permutations(ended))
    assert shuffled[first_failure(shuffled)] == earliest
