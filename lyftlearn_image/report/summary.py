"""Where a case stands for a reader, in the words that every report uses."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from lyftlearn_image.parity.limits import describe_limit
from lyftlearn_image.parity.verdict import EXIT_HARNESS_FAILED, EXIT_PARITY, Outcome

if TYPE_CHECKING:
    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.run import Run

_A_MINUTE = 60
# Below this many seconds a tenth is too coarse to tell two runs apart.
_FINE_S = 10
# A case may differ in thousands of files, and the table has a line for it.
_LISTED_SUBJECTS = 20
_TRACEBACK = "Traceback (most recent call last)"


# Above the lines of a case's patch.
PASTE = "To accept what is left, paste into the suite file:"


class Standing(StrEnum):
    """What a case means: the first two are successes of the suite, the others are not."""

    PARITY = "parity"
    CONTROL = "control"
    DIFFERENT = "different"
    UNEXPECTED = "unexpected"
    ERROR = "error"


STANDING_LABELS = {
    Standing.PARITY: "parity",
    Standing.CONTROL: "expected to differ, and did",
    Standing.DIFFERENT: "different",
    Standing.UNEXPECTED: "not as expected",
    Standing.ERROR: "no verdict",
}


def case_standing(case: CaseResult) -> Standing:
    """Where the case stands; `unexpected`: a control that did not differ, or not where it should; two equal failures."""
    if case.outcome is Outcome.ERROR:
        return Standing.ERROR
    if case.is_as_expected:
        return Standing.PARITY if case.expected is Outcome.PARITY else Standing.CONTROL
    return Standing.UNEXPECTED if case.expected is Outcome.DIFFERENT or case.problem else Standing.DIFFERENT


def count_standings(result: SuiteResult) -> dict[Standing, int]:
    """How many cases stand where; every standing has an entry."""
    found = [case_standing(case) for case in result.cases]
    return {each: found.count(each) for each in Standing}


def headline(result: SuiteResult) -> str:
    """The verdict of the suite as one sentence, without a full stop."""
    total = len(result.cases)
    wrong = sum(not case.is_as_expected for case in result.cases)
    if result.exit_code == EXIT_PARITY:
        return f"Parity: {'the only case' if total == 1 else f'all {total} cases'} came out as expected"
    if result.problem:
        return "The harness failed outside of the cases"
    if result.exit_code == EXIT_HARNESS_FAILED:
        failed = count_standings(result)[Standing.ERROR]
        if failed == sum(case.outcome is Outcome.ERROR and bool(describe_limit(case.runs)) for case in result.cases):
            return f"No verdict in {failed} of {format_case_count(total)}: a limit ended one side alone"
        others = f", and {format_case_count(wrong - failed)} did not come out as expected" if wrong > failed else ""
        return f"The harness failed in {failed} of {format_case_count(total)}{others}"
    is_failing_alike = all(case.outcome is Outcome.FAIL_ALIKE for case in result.cases if not case.is_as_expected)
    word = "Failing alike" if is_failing_alike else "Different"
    return f"{word}: {wrong} of {format_case_count(total)} did not come out as expected"


def format_case_count(number: int) -> str:
    """`1 case`, `2 cases`."""
    return format_count(number, "case")


def format_count(number: int, noun: str) -> str:
    """A number with its noun, which takes an s in the plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def tally(result: SuiteResult) -> str:
    """The counts of the standings that occur: `9 parity, 2 expected to differ, and did`, successes first."""
    return "; ".join(f"{number} {STANDING_LABELS[each]}" for each, number in count_standings(result).items() if number)


def list_differing_subjects(case: CaseResult) -> str:
    """The subjects that differ, each with the number of its differences when there are several; the first of very many."""
    counting = case.counting
    more = len(counting) - _LISTED_SUBJECTS
    listed = [_subject(comparison) for comparison in counting[:_LISTED_SUBJECTS]]
    return ", ".join([*listed, f"and {more:,} more"] if more > 0 else listed)


def pick_differences(comparison: Comparison, number: int) -> tuple[Difference, ...]:
    """At most so many of the differences that count: the first ones, of a traceback the last, where it says what failed."""
    counting = comparison.counting
    has_traceback = any(
        side is not None and side.lstrip().startswith(_TRACEBACK) for one in counting for side in (one.left, one.right)
    )
    return counting[-number:] if has_traceback and number else counting[:number]


def describe_rule(comparison: Comparison) -> str:
    """How the subject was compared: the comparator, and its tolerance where there is one."""
    if comparison.tolerance == "exact":
        return comparison.comparator
    return f"{comparison.comparator}, {comparison.tolerance}"


def _subject(comparison: Comparison) -> str:
    number = len(comparison.counting)
    return comparison.subject if number == 1 else f"{comparison.subject} ({number:,})"


def list_notes(result: SuiteResult) -> list[str]:
    """What a reader must know of the whole run besides its verdict: a failure outside of the cases, secrets that were shown."""
    notes = [f"The harness failed outside of the cases: {result.problem}"] if result.problem else []
    if result.unmasked:
        names = ", ".join(result.unmasked)
        notes.append(f"Too short to mask, or a plain word, so logs and reports may show them: {names}")
    return notes


def describe_exposed(case: CaseResult) -> str:
    """The kept files of a case that hold one of its secrets; empty when there are none."""
    return f"Kept files that hold a secret: {', '.join(case.exposed)}" if case.exposed else ""


def count_accepted(result: SuiteResult) -> int:
    """How many differences of the whole run do not count, because a reason is known for them."""
    found = (difference for case in result.cases for comparison in case.comparisons for difference in comparison.differences)
    return sum(difference.accepted is not None for difference in found)


def is_negative_control(case: CaseResult) -> bool:
    """Whether the suite wants this case to differ."""
    return case.expected is Outcome.DIFFERENT


def find_run(case: CaseResult, target: str) -> Run | None:
    """The case's run on this target; None when the harness did not get that far."""
    return next((run for run in case.runs if run.target == target), None)


def describe_exit_code(run: Run) -> str:
    """The exit code of a run, in words where its platform does not tell it."""
    return "not told" if run.exit_code is None else str(run.exit_code)


def format_duration(seconds: float | None) -> str:
    """Seconds for people: `0.42 s`, `41.3 s`, `3 min 07 s`; a dash for None."""
    if seconds is None:
        return "—"
    if seconds < _FINE_S:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < _A_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _A_MINUTE)
    return f"{minutes} min {rest:02d} s"


def format_timestamp(seconds: float) -> str:
    """A time since the epoch as `2026-11-23 17:04:05 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
