"""Compares two runs of a case: status, streams, metrics, artifacts, environment."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.acceptance import accept
from lyftlearn_image.parity.compare.artifacts import comparator, compare_artifacts
from lyftlearn_image.parity.compare.comparator import Tools
from lyftlearn_image.parity.compare.environment import compare_environment
from lyftlearn_image.parity.compare.metrics import compare_metrics
from lyftlearn_image.parity.compare.rule import Replacement, Rule
from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from lyftlearn_image.parity.compare.model_reader import ModelReader
    from lyftlearn_image.parity.suite import Case
    from lyftlearn_image.targets.target import Run

_TEXT = Rule(compare="text")
# The shim says once as whom it has fetched something; on one platform it has more to fetch than on the other.
_IDENTITY = Replacement(pattern=r"(?m)^lyftlearn: AWS identity: .*\n", replace="")


def compare_runs(case: Case, left: Run, right: Run, models: ModelReader) -> tuple[Comparison, ...]:
    """Everything that a case compares, with the accepted differences marked."""
    tools = Tools(models, left.artifacts, right.artifacts)
    streams = []
    for name, mine, theirs in (("stdout", left.stdout, right.stdout), ("stderr", left.stderr, right.stderr)):
        rule = case.streams.get("stdout" if name == "stdout" else "stderr", _TEXT)
        if name == "stderr":
            rule = rule.model_copy(update={"normalise": (_IDENTITY, *rule.normalise)})
        streams.append(Comparison(name, rule.compare, comparator(rule.compare)(mine, theirs, rule, tools), rule.tolerance))
    comparisons = (
        _compare_ends(case, left, right),
        *streams,
        compare_metrics(left.metrics, right.metrics),
        *_compare_trials(left, right),
        *compare_artifacts(case.outputs, tools),
        compare_environment(left.observation, right.observation),
    )
    return accept(comparisons, case.accept, datetime.now(UTC).date())


def _compare_trials(left: Run, right: Run) -> tuple[Comparison, ...]:
    """What a tuning job tried, in its order, and what it reached; nothing for other jobs."""
    mine, theirs = (_trial_lines(run) for run in (left, right))
    if not mine and not theirs:
        return ()
    differences = [
        Difference(f"trial {number + 1}", one or "none", other or "none")
        for number, (one, other) in enumerate(itertools.zip_longest(mine, theirs))
        if one != other
    ]
    return (Comparison("trials", "exact", tuple(differences)),)


def _trial_lines(run: Run) -> list[str]:
    """A line a trial: its values as JSON, which SageMaker's tuner has as strings, and its objective."""
    lines = []
    for one in run.trials:
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in one.values.items()}
        lines.append(f"{json.dumps(values, sort_keys=True)} reached {one.objective}")
    return lines


def _compare_ends(case: Case, left: Run, right: Run) -> Comparison:
    """Exit codes and statuses, with each other and with the exit code that the case expects."""
    differences = []
    if left.exit_code != right.exit_code:
        differences.append(Difference("exit code", str(left.exit_code), str(right.exit_code)))
    elif case.exit_code is not None and left.exit_code != case.exit_code:
        detail = f"both ended alike, and the case expects {case.exit_code}"
        differences.append(Difference("exit code", str(left.exit_code), str(right.exit_code), detail))
    if left.status != right.status:
        differences.append(Difference("status", left.status.value, right.status.value))
    return Comparison("exit status", "exit status", tuple(differences))
