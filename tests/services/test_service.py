"""What every service does alike: names from the content, and asking until the end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.retry import Clock
from lyftlearn_image.run import State, Status
from lyftlearn_image.services.service import job_name, poll_until_ended
from lyftlearn_image.workload import Training

PHASES = st.lists(st.sampled_from(["Starting", "Downloading", "Training"]), max_size=30)


@given(PHASES)
def test_every_change_is_told_once_and_the_end_is_given(phases: list[str]) -> None:
    """However often a state is seen. The waits grow while nothing changes, to half a minute, and begin anew with a change."""
    states = [*(State(None, phase) for phase in phases), State(Status.COMPLETED, "Completed")]
    left, told, slept = iter(states), list[State](), list[float]()
    end = poll_until_ended(lambda: next(left), told.append, Clock(lambda: 0.0, slept.append))
    assert end == states[-1]
    assert told == [state for state, _ in itertools.groupby(states)]
    assert len(slept) == len(phases)
    longest = 2.0
    for earlier, state, wait in zip([None, *states], states, slept, strict=False):
        longest = 2.0 if state != earlier else min(30.0, longest * 1.5)
        assert longest / 2 <= wait <= longest


WORKLOAD = Training(name="iris", image="team:1", command=("python", "train.py"), output="s3://bucket/runs")


def test_the_same_workload_has_the_same_name() -> None:
    """And another one where anything of it differs, or where another job is asked for by a word."""
    name = job_name(WORKLOAD, "sagemaker", "s3://bucket/runs")
    assert name == job_name(WORKLOAD.with_(), "sagemaker", "s3://bucket/runs")
    assert name.startswith("iris-")
    others = {
        job_name(WORKLOAD.with_(image="team:2"), "sagemaker", "s3://bucket/runs"),
        job_name(WORKLOAD, "kubernetes", "s3://bucket/runs"),
        job_name(WORKLOAD, "sagemaker", "s3://bucket/elsewhere"),
        job_name(WORKLOAD, "sagemaker", "s3://bucket/runs", "again"),
    }
    assert len(others | {name}) == 5


def test_a_state_that_cannot_be_asked_for_ends_the_waiting() -> None:
    """Its error is the caller's."""

    def ask() -> State:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        poll_until_ended(ask, lambda _: None, Clock(sleep=lambda _: None))
