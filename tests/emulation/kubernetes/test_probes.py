"""When the outcomes of a probe are believed."""

from __future__ import annotations

from hypothesis import given, strategies as st

from lyftlearn_image.emulation.kubernetes.handlers import HandlerResult
from lyftlearn_image.emulation.kubernetes.probes import ProbeTiming, apply_thresholds


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_a_probe_believes_what_it_hears_often_enough(heard: list[bool], successes: int, failures: int) -> None:
    """A verdict needs as many of the same outcomes in a row as its threshold says."""
    timing = ProbeTiming(success_threshold=successes, failure_threshold=failures)
    for position, (outcome, says) in enumerate(apply_thresholds((HandlerResult(one) for one in heard), timing)):
        needed = successes if outcome.succeeded else failures
        is_enough = position + 1 >= needed and set(heard[position + 1 - needed : position + 1]) == {outcome.succeeded}
        assert says == (outcome.succeeded if is_enough else None)
