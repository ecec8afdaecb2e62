"""The words for where a case and a suite stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.verdict import Outcome
from lyftlearn_image.report.summary import Standing, case_standing, format_duration, format_timestamp, headline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult

DIFFERENT = (Comparison("stdout", "text", (Difference("line 1", "a", "b"),)),)


@pytest.mark.parametrize(
    ("expected", "outcome", "problem", "where"),
    [
        (Outcome.PARITY, Outcome.PARITY, "", Standing.PARITY),
        (Outcome.DIFFERENT, Outcome.DIFFERENT, "", Standing.CONTROL),
        (Outcome.PARITY, Outcome.DIFFERENT, "", Standing.DIFFERENT),
        (Outcome.DIFFERENT, Outcome.PARITY, "none found", Standing.UNEXPECTED),
        (Outcome.DIFFERENT, Outcome.DIFFERENT, "found elsewhere", Standing.UNEXPECTED),
        (Outcome.PARITY, Outcome.PARITY, "something else", Standing.UNEXPECTED),
        (Outcome.PARITY, Outcome.ERROR, "no engine", Standing.ERROR),
        (Outcome.DIFFERENT, Outcome.ERROR, "no engine", Standing.ERROR),
    ],
)
def test_a_case_stands_where_expectation_and_outcome_say(
    make_case: Callable[..., CaseResult], expected: Outcome, outcome: Outcome, problem: str, where: Standing
) -> None:
    """Only a case that is as expected stands among the successes; a failed harness is never a success."""
    case = make_case("one", DIFFERENT, expected=expected, outcome=outcome, problem=problem)

    assert case_standing(case) is where
    assert (where in {Standing.PARITY, Standing.CONTROL}) == case.is_as_expected


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        ([Outcome.PARITY], "Parity: the only case came out as expected"),
        ([Outcome.PARITY] * 3, "Parity: all 3 cases came out as expected"),
        ([Outcome.PARITY, Outcome.DIFFERENT], "Different: 1 of 2 cases did not come out as expected"),
        ([Outcome.ERROR], "The harness failed in 1 of 1 case"),
        (
            [Outcome.ERROR, Outcome.DIFFERENT, Outcome.PARITY],
            "The harness failed in 1 of 3 cases, and 1 case did not come out as expected",
        ),
    ],
)
def test_the_headline_says_the_verdict(
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    outcomes: list[Outcome],
    sentence: str,
) -> None:
    """The first sentence of every report counts what did not come out as expected."""
    assert headline(make_suite([make_case(f"case-{n}", [], outcome=each) for n, each in enumerate(outcomes)])) == sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0, "0.00 s"),
        (0.4249, "0.42 s"),
        (9.999, "10.00 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (187, "3 min 07 s"),
    ],
)
def test_durations_are_for_people(seconds: float | None, text: str) -> None:
    """Short times have hundredths, long ones minutes, and what was not measured is a dash."""
    assert format_duration(seconds) == text


def test_moments_are_in_utc() -> None:
    """A reader in any place sees the same time."""
    assert format_timestamp(1795453445.9) == "2026-11-23 17:04:05 UTC"
