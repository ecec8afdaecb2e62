"""The verdict: what counts, what a negative control must show, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from lyftlearn_image.parity.differences import Comparison, Difference, format_value
from lyftlearn_image.parity.verdict import CaseResult, Outcome, SuiteResult, judge
from lyftlearn_image.run import Run, Status, Timings

SAME = Comparison("stderr", "text")
DIFFERS = Comparison("stdout", "text", (Difference("line 1", "a", "b"),))
FAILS = Comparison("exit status", "exit status", (Difference("exit code", "1", "2"),))
FAILS_ALIKE, ENDS_ALIKE = (
    Comparison("exit status", "exit status", (Difference("exit code", code, code, detail),))
    for code, detail in (("1", "fail alike (status 1), expected 0"), ("0", "end alike (status 0), expected 3"))
)
ACCEPTED = Comparison("environment", "environment", (Difference("hostname", "a", "b", accepted="platform"),))


@pytest.mark.parametrize(
    ("comparisons", "expected_in", "outcome", "problem"),
    [
        pytest.param((SAME, ACCEPTED), (), Outcome.PARITY, "", id="accepted differences do not count"),
        pytest.param((SAME, DIFFERS), (), Outcome.DIFFERENT, "", id="one counting difference decides"),
        pytest.param((DIFFERS, SAME), ("stdout",), Outcome.DIFFERENT, "", id="a control that differs where it must"),
        pytest.param((SAME,), ("stdout",), Outcome.PARITY, "expected a difference in stdout, found none", id="a deaf check"),
        pytest.param((SAME, FAILS_ALIKE), (), Outcome.FAIL_ALIKE, "fail alike (status 1), expected 0", id="two equal failures"),
        pytest.param(
            (ENDS_ALIKE,), (), Outcome.DIFFERENT, "end alike (status 0), expected 3", id="no failure where one must be"
        ),
        pytest.param((FAILS_ALIKE, DIFFERS), (), Outcome.DIFFERENT, "", id="two failures that differ"),
        pytest.param((FAILS,), (), Outcome.DIFFERENT, "", id="two exit codes"),
        pytest.param((FAILS_ALIKE,), ("exit status",), Outcome.DIFFERENT, "", id="a control of exit codes"),
        pytest.param(
            (DIFFERS,),
            ("std*", "environment"),
            Outcome.DIFFERENT,
            "expected a difference in environment, found none",
            id="half deaf",
        ),
        pytest.param(
            (DIFFERS, Comparison("metrics", "metrics", DIFFERS.differences)),
            ("stdout",),
            Outcome.DIFFERENT,
            "not expected to differ: metrics",
            id="a control that differs elsewhere too",
        ),
    ],
)
def test_the_outcome_follows_from_what_counts(
    comparisons: tuple[Comparison, ...], expected_in: tuple[str, ...], outcome: Outcome, problem: str
) -> None:
    """A control must differ in exactly the subjects that its suite file names."""
    assert judge(comparisons, expected_in) == (outcome, problem)


@pytest.mark.parametrize(
    ("comparisons", "outcome"), [((SAME, ACCEPTED), Outcome.ERROR), ((), Outcome.ERROR), ((DIFFERS,), Outcome.DIFFERENT)]
)
@pytest.mark.parametrize("cut", [0, 1])
def test_what_was_cut_is_never_parity(comparisons: tuple[Comparison, ...], outcome: Outcome, cut: int) -> None:
    """Of either run; what differs all the same is different. It is told in words."""
    runs = [
        Run(target, "job", Status.COMPLETED, 0, "", Path("out"), Path("err"), {}, None, Timings(0, 0, 0, 0), cut=was_cut)
        for target, was_cut in zip(("sagemaker", "kubernetes"), [("stdout after 1 B",), ()][:: 1 - 2 * cut], strict=True)
    ]
    assert judge(comparisons, (), runs) == (outcome, f"{runs[cut].target} was cut: stdout after 1 B")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        pytest.param([(Outcome.PARITY, Outcome.PARITY)], 0, id="parity"),
        pytest.param([(Outcome.DIFFERENT, Outcome.DIFFERENT)], 0, id="expected difference"),
        pytest.param([(Outcome.PARITY, Outcome.DIFFERENT)], 1, id="difference"),
        pytest.param([(Outcome.PARITY, Outcome.FAIL_ALIKE)], 1, id="two equal failures"),
        pytest.param([(Outcome.DIFFERENT, Outcome.PARITY)], 1, id="a control that found nothing"),
        pytest.param([(Outcome.PARITY, Outcome.DIFFERENT), (Outcome.PARITY, Outcome.ERROR)], 2, id="harness failed"),
    ],
)
def test_the_exit_code_says_what_ci_must_know(outcomes: list[tuple[Outcome, Outcome]], code: int) -> None:
    """0 parity, 1 differences, 2 the harness failed."""
    cases = tuple(CaseResult(f"c{i}", "", expected, outcome, (), (), 1.0) for i, (expected, outcome) in enumerate(outcomes))
    assert SuiteResult("s", "id", ("a", "b"), "image", "sha256:0", 0.0, 1.0, cases, "0").exit_code == code


@pytest.mark.parametrize(
    ("expected", "outcome", "problem", "is_as_expected"),
    [
        (Outcome.PARITY, Outcome.PARITY, "", True),
        (Outcome.DIFFERENT, Outcome.DIFFERENT, "", True),
        (Outcome.DIFFERENT, Outcome.DIFFERENT, "found elsewhere", False),
        (Outcome.PARITY, Outcome.DIFFERENT, "", False),
        (Outcome.ERROR, Outcome.PARITY, "", False),
    ],
)
def test_a_case_is_a_success_where_nothing_is_left_to_say(
    expected: Outcome, outcome: Outcome, problem: str, *, is_as_expected: bool
) -> None:
    """The expected outcome, and no problem with it."""
    case = CaseResult("one", "", expected, outcome, (), (SAME, DIFFERS, ACCEPTED), 1.0, (), problem)
    assert case.is_as_expected is is_as_expected
    assert case.counting == (DIFFERS,)


def test_all_that_is_wrong_with_a_control_is_told() -> None:
    """What did not differ and what should not have, each by name."""
    both = [DIFFERS, Comparison("metrics", "metrics", DIFFERS.differences), Comparison("trials", "exact", DIFFERS.differences)]
    problem = "expected a difference in a, b, found none; not expected to differ: metrics, trials"
    assert judge(both, ("a", "stdout", "b")) == (Outcome.DIFFERENT, problem)
    assert judge([SAME], ("a", "b")) == (Outcome.PARITY, "expected a difference in a, b, found none")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"), (1.5, "1.5"), (None, "None"), ("a" * 2000, "a" * 2000),
        ("a" * 2001, f"{'a' * 2000}… (2001 characters)"),
        ([1], "[1]"), (b"x", "b'x'"),
    ],
)  # fmt: skip
def test_a_value_is_shown_short_enough_for_a_report(value: object, expected: str) -> None:
    """A text as it is, all else as Python shows it; cut where it is long, with how long it was."""
    assert format_value(value) == expected
