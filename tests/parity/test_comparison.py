"""Two runs of a case, compared as a whole: the trials of tuning jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.parity.comparison import _compare_trials
from lyftlearn_image.run import Run, Status, Timings, Trial

if TYPE_CHECKING:
    from pathlib import Path

TRIALS = (Trial(0, {"depth": 5, "mode": "a"}, 0.5), Trial(1, {"depth": 7, "mode": "b"}, None))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of a tuning job."""
    return Run("sagemaker", "job", Status.COMPLETED, 0, "", tmp_path, tmp_path, {}, None, Timings(0, None, 0, 0), trials=TRIALS)


def test_numbers_are_what_a_tuner_has_as_strings(run: Run) -> None:
    """A service tells every value as a string."""
    told = replace(run, trials=tuple(replace(one, values={**one.values, "depth": str(one.values["depth"])}) for one in TRIALS))
    (comparison,) = _compare_trials(run, told)
    assert comparison.differences == ()
    assert _compare_trials(replace(run, trials=()), replace(run, trials=())) == ()


@pytest.mark.parametrize(
    "other",
    [
        (replace(TRIALS[0], objective=0.4), TRIALS[1]),
        (replace(TRIALS[0], values={"depth": 6, "mode": "a"}), TRIALS[1]),
        TRIALS[:1],
        (*TRIALS, replace(TRIALS[0], number=2)),
    ],
    ids=["objective", "values", "fewer", "more"],
)
def test_every_other_search_is_a_difference(run: Run, other: tuple[Trial, ...]) -> None:
    """What was tried, what was reached, and how often."""
    (comparison,) = _compare_trials(run, replace(run, trials=other))
    assert len(comparison.differences) == 1
