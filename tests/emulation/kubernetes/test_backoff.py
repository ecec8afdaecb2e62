"""How long Kubernetes' controllers back off."""

from __future__ import annotations

from hypothesis import given, strategies as st

from lyftlearn_image.emulation.kubernetes.backoff import backoff_s


def test_a_job_waits_longer_after_each_failure() -> None:
    """10 s, 20 s, 40 s, at most six minutes."""
    assert [backoff_s(10, failures, maximum_s=360) for failures in (0, 1, 2, 3, 9)] == [0, 10, 20, 40, 360]


@given(st.floats(0.1, 60), st.integers(1, 200))
def test_each_wait_is_twice_the_one_before_it(initial_s: float, failures: int) -> None:
    """Until the maximum, which no wait exceeds, however many failures there were."""
    wait_s, next_s = (backoff_s(initial_s, number, maximum_s=300) for number in (failures, failures + 1))
    assert next_s == min(2 * wait_s, 300)
