"""From comparisons to a verdict: per case, and for the suite with its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from lyftlearn_image.exit_codes import ExitCode
from lyftlearn_image.parity.limits import describe_limit, is_out_of_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.parity.differences import Comparison
    from lyftlearn_image.run import Run

# The place of a difference of exit codes, and of the same one where the case expects another.
EXIT_CODE = "exit code"
# The subject of both runs' ends.
ENDS = "exit status"
EXIT_PARITY = ExitCode.DONE
EXIT_DIFFERENT = ExitCode.NO
EXIT_HARNESS_FAILED = ExitCode.FAILED


class Outcome(StrEnum):
    """What a case showed."""

    PARITY = "parity"
    FAIL_ALIKE = "fail alike"
    DIFFERENT = "different"
    ERROR = "error"


@dataclass(frozen=True)
class CaseResult:
    """One case: what ran on both targets, and what comparing them gave.

    `expected` is what the suite file says should come out; a negative control expects `different`, and then
    `expected_in` has patterns of exactly those subjects that must differ. `problem` says why there is no comparison,
    or how the differences are not the expected ones. `exposed` are the kept files that hold a secret of the case, by their
    paths below the case's directory. `advice` are sentences for who has to do something about the
    differences, and `patch` lines of YAML for the suite file.
    """

    name: str
    description: str
    expected: Outcome
    outcome: Outcome
    runs: tuple[Run, ...]
    comparisons: tuple[Comparison, ...]
    duration_s: float
    expected_in: tuple[str, ...] = ()
    problem: str = ""
    exposed: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    patch: str = ""

    @property
    def is_as_expected(self) -> bool:
        """Whether the case is a success for the suite."""
        return self.outcome is self.expected and not self.problem

    @cached_property
    def counting(self) -> tuple[Comparison, ...]:
        """The comparisons with at least one difference that counts."""
        return tuple(comparison for comparison in self.comparisons if comparison.counting)


def judge(comparisons: Sequence[Comparison], expected_in: Sequence[str], runs: Sequence[Run] = ()) -> tuple[Outcome, str]:
    """The outcome of a case, and what is wrong with the differences when only some subjects were expected to differ.

    Runs that were cut are never parity: nobody has compared what is not there. Nor are two of which a limit ended one alone:
    a limit of time says nothing about the platforms, unless the case expects another end; one of memory or disk is a
    difference of theirs.
    """
    outcome, problem = _judge(comparisons, expected_in)
    is_declared = any(fnmatchcase(ENDS, pattern) for pattern in expected_in)
    if (limit := describe_limit(runs)) and not is_declared and (is_out_of_time(runs) or outcome is Outcome.PARITY):
        return Outcome.ERROR, limit
    cut = [f"{run.target} was cut: {what}" for run in runs for what in run.cut]
    if cut and outcome is Outcome.PARITY:
        outcome = Outcome.ERROR
    return outcome, "; ".join([*filter(None, [problem]), *cut])


def _judge(comparisons: Sequence[Comparison], expected_in: Sequence[str]) -> tuple[Outcome, str]:
    differing = [comparison.subject for comparison in comparisons if comparison.counting]
    if not differing:
        return Outcome.PARITY, f"expected a difference in {', '.join(expected_in)}, found none" if expected_in else ""
    if not expected_in:
        return _judge_ends(comparisons) or (Outcome.DIFFERENT, "")
    absent = [pattern for pattern in expected_in if not any(fnmatchcase(subject, pattern) for subject in differing)]
    beside = [subject for subject in differing if not any(fnmatchcase(subject, pattern) for pattern in expected_in)]
    problems = []
    if absent:
        problems.append(f"expected a difference in {', '.join(absent)}, found none")
    if beside:
        problems.append(f"not expected to differ: {', '.join(beside)}")
    return Outcome.DIFFERENT, "; ".join(problems)


def _judge_ends(comparisons: Sequence[Comparison]) -> tuple[Outcome, str] | None:
    """The outcome of two runs that ended alike, but not as the case expects, and else did the same; None for others."""
    counting = [difference for comparison in comparisons for difference in comparison.counting]
    if len(counting) != 1 or counting[0].place != EXIT_CODE or counting[0].left != counting[0].right:
        return None
    return Outcome.DIFFERENT if counting[0].left == "0" else Outcome.FAIL_ALIKE, counting[0].detail


@dataclass(frozen=True)
class SuiteResult:
    """A whole run of a suite. `started_at` is seconds since the epoch; `image_id` the image's config digest.

    `interrupted`: somebody ended it, and the cases that had not finished are errors. `problem` is what failed outside of the
    cases, `ended_with` the exit code of an error before the first one. `unmasked` are the names of the planted secrets that are
    too short or too plain to be masked.
    """

    suite: str
    run_id: str
    targets: tuple[str, str]
    image: str
    image_id: str
    started_at: float
    duration_s: float
    cases: tuple[CaseResult, ...]
    tool_version: str
    interrupted: bool = False
    problem: str = ""
    ended_with: int | None = None
    unmasked: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when every case came out as expected, 2 when the harness failed, in one or outside of all, else 1."""
        if self.problem:
            return EXIT_HARNESS_FAILED
        if all(case.is_as_expected for case in self.cases):
            return EXIT_PARITY
        return EXIT_HARNESS_FAILED if any(case.outcome is Outcome.ERROR for case in self.cases) else EXIT_DIFFERENT

    @property
    def command_exit_code(self) -> int:
        """What the command ends with: `exit_code`, unless an error or somebody ended it before there was a verdict."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return self.exit_code if self.ended_with is None else self.ended_with
