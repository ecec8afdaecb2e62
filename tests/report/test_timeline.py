"""Timings as lengths on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.report.timeline import fit_scale, phase_bars
from lyftlearn_image.run import Timings

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.run import Run

SECONDS = st.floats(0, 1e6)


@given(st.lists(st.builds(Timings, SECONDS, st.none() | SECONDS, SECONDS, SECONDS), min_size=1, max_size=4))
def test_every_run_fits_on_the_scale(make_run: Callable[..., Run], timings: list[Timings]) -> None:
    """Bars follow each other without a gap, none reaches beyond the scale, and the scale has few round ticks."""
    runs = [make_run("one", "sagemaker", timings=each) for each in timings]

    scale = fit_scale(runs)

    assert 2 <= len(scale.ticks) <= 8
    for run in runs:
        at = 0.0
        for bar in phase_bars(run, scale):
            assert bar.start == pytest.approx(at)
            at = bar.start + bar.length
        assert at <= 1 + 1e-6


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (0.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (4.04, [0, 1, 2, 3, 4, 5]),
        (30, [0, 5, 10, 15, 20, 25, 30]),
        (61, [0, 20, 40, 60, 80]),
    ],
)
def test_the_ticks_are_round(make_run: Callable[..., Run], seconds: float, ticks: list[float]) -> None:
    """The scale goes in steps of 1, 2 or 5, and ends at the first step that holds everything."""
    scale = fit_scale([make_run("one", "sagemaker", timings=Timings(0, None, seconds, 0))])

    assert list(scale.ticks) == pytest.approx(ticks)


def test_a_phase_that_was_not_measured_has_no_bar(make_run: Callable[..., Run]) -> None:
    """Without an observation the start-up is unknown, and is not drawn as nothing."""
    run = make_run("one", "sagemaker", timings=Timings(1, None, 2, 1))

    assert [bar.phase for bar in phase_bars(run, fit_scale([run]))] == ["prepare", "script", "collect"]
