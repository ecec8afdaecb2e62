"""Compares two runs of a case: status, streams, metrics, artifacts, environment."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.acceptance import apply_acceptances, find_unused_acceptances
from lyftlearn_image.parity.compare.artifacts import compare_artifacts, compare_files, list_files
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.environment import compare_environment
from lyftlearn_image.parity.compare.lines import LineReader
from lyftlearn_image.parity.compare.metrics import compare_metrics
from lyftlearn_image.parity.compare.normalisers import AWS_IDENTITY_LINE, DroppedLines
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.verdict import ENDS, EXIT_CODE
from lyftlearn_image.run import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lyftlearn_image.parity.compare.amounts import Asked
    from lyftlearn_image.parity.compare.model_reader import ModelReader
    from lyftlearn_image.parity.suite import Case
    from lyftlearn_image.run import Run

_TEXT = Rule(compare="text")
_WITHOUT_IDENTITY = DroppedLines(AWS_IDENTITY_LINE)


def compare_runs(
    case: Case,
    runs: Sequence[Run],
    models: ModelReader,
    channels: Sequence[Path] = (),
    asked: tuple[Asked, Asked] | None = None,
) -> tuple[Comparison, ...]:
    """Everything that a case compares of its two runs, with the accepted differences marked.

    `channels` as in ComparatorContext, `asked` as in compare_environment.
    """
    left, right = runs
    context = ComparatorContext(models, left.artifacts, right.artifacts, channels)
    stderr = case.streams.get("stderr", _TEXT)
    # With any other comparator the stream is not read as text, and nothing can be taken out of it.
    if stderr.compare == "text":
        stderr = stderr.model_copy(update={"normalise": (_WITHOUT_IDENTITY, *stderr.normalise)})
    comparisons = (
        _compare_ends(case, left, right),
        compare_files("stdout", (left.stdout, right.stdout), case.streams.get("stdout", _TEXT), context),
        compare_files("stderr", (left.stderr, right.stderr), stderr, context),
        compare_metrics(left.metrics, right.metrics),
        *_compare_trials(left, right),
        *compare_artifacts(case.outputs, context),
        compare_environment(left.observation, right.observation, asked),
        *_tell_emptiness(case, left, right),
    )
    accepted = apply_acceptances(comparisons, case.accept, datetime.now(UTC).date())
    return (*accepted, *find_unused_acceptances(comparisons, case.accept))


def _tell_emptiness(case: Case, left: Run, right: Run) -> tuple[Comparison, ...]:
    """A difference where neither run printed, sent or left anything: so nothing of them was compared.

    An exit code other than 0 that the case asks for is something to agree on.
    """
    if case.exit_code or any(_left_something(run) for run in (left, right)):
        return ()
    nothing = Difference("", None, None, "neither run printed, sent or left anything: there is nothing to compare")
    return (Comparison("results", "results", (nothing,)),)


def _left_something(run: Run) -> bool:
    if run.metrics or run.trials or list_files(run.artifacts):
        return True
    return any(_has_lines(stream) for stream in (run.stdout, run.stderr))


def _has_lines(stream: Path) -> bool:
    with stream.open("rb") as file:
        return bool(LineReader(file, (AWS_IDENTITY_LINE,)).next_lines())


def _compare_trials(left: Run, right: Run) -> tuple[Comparison, ...]:
    """What a tuning job tried, in its order, and what it reached; nothing for other jobs."""
    left_lines, right_lines = _trial_lines(left), _trial_lines(right)
    if not left_lines and not right_lines:
        return ()
    differences = [
        Difference(f"trial {number}", left_line or "none", right_line or "none")
        for number, (left_line, right_line) in enumerate(itertools.zip_longest(left_lines, right_lines), start=1)
        if left_line != right_line
    ]
    return (Comparison("trials", "exact", tuple(differences)),)


def _trial_lines(run: Run) -> list[str]:
    """A line a trial: its values as JSON, which SageMaker's tuner has as strings, and its objective."""
    lines = []
    for trial in run.trials:
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in trial.values.items()}
        lines.append(f"{json.dumps(values, sort_keys=True)} reached {trial.objective}")
    return lines


def _compare_ends(case: Case, left: Run, right: Run) -> Comparison:
    """Exit codes and statuses, with each other and with the exit code that the case expects."""
    differences = []
    codes = _exit_codes(case, left, right)
    texts = ["not told" if code is None else str(code) for code in codes]
    if len(set(codes)) > 1 or None in codes:
        differences.append(Difference(EXIT_CODE, texts[0], texts[-1]))
    elif case.exit_code is not None and {*codes} - {case.exit_code}:
        word = "fail" if codes[0] else "end"
        detail = f"{word} alike (status {codes[0]}), expected {case.exit_code}"
        differences.append(Difference(EXIT_CODE, texts[0], texts[-1], detail))
    if left.status != right.status:
        differences.append(Difference("status", left.status.value, right.status.value))
    return Comparison(ENDS, ENDS, tuple(differences))


def _exit_codes(case: Case, left: Run, right: Run) -> list[int | None]:
    """The codes to compare: of jobs that were both stopped those that are known, unless the case names the one it expects.

    SageMaker has no code of a job that it was asked to stop. Of any other, a code that is not told (None) is a difference:
    nobody knows whether the two ended alike.
    """
    codes = [left.exit_code, right.exit_code]
    asks_for_one = "exit_code" in case.model_fields_set and case.exit_code is not None
    if left.status == right.status == Status.STOPPED and not asks_for_one:
        return [code for code in codes if code is not None]
    return codes
