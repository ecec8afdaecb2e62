"""When a Job retries, gives an index up, or fails as a whole: pure rules over the pods that it has had.

Source: kubernetes.io/docs "Jobs" (backoffLimit, backoffLimitPerIndex, podFailurePolicy) and kubernetes/kubernetes
pkg/controller/job; recorded in pods, case 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus

DEFAULT_BACKOFF_LIMIT = 6
_UNLIMITED = 2147483647
_LONGEST_BACKOFF_S = 360
_SUCCESSES = ("CompletionsReached", "SuccessPolicy")
_MESSAGES = {
    "CompletionsReached": "Reached expected number of succeeded pods",
    "BackoffLimitExceeded": "Job has reached the specified backoff limit",
    "DeadlineExceeded": "Job was active longer than specified deadline",
    "FailedIndexes": "Job has failed indexes",
    "MaxFailedIndexesExceeded": "Job has exceeded the specified maximal number of failed indexes",
}


@dataclass(frozen=True)
class Condition:
    """A condition of a Job that is true: its type, reason and message."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True)
class Failure:
    """A failed pod of a Job: its index (None of a NonIndexed Job) and what the failure policy says of it."""

    index: int | None
    action: str
    message: str = ""


@dataclass(frozen=True)
class Tally:
    """What a Job's pods have come to: completed indexes or counts, and the failures in order."""

    succeeded: tuple[int | None, ...] = ()
    failures: tuple[Failure, ...] = ()
    # Restarts of containers in pods that still run, of a Job with restartPolicy OnFailure.
    restarts: int = 0


def conditions(reason: str, message: str = "") -> tuple[Condition, ...]:
    """The two conditions that a finished Job has."""
    types = ("SuccessCriteriaMet", "Complete") if reason in _SUCCESSES else ("FailureTarget", "Failed")
    return tuple(Condition(one, reason, message or _MESSAGES[reason]) for one in types)


def failure_of(spec: Mapping[str, Any], index: int | None, name: str, status: PodStatus) -> Failure:
    """What the first rule of the podFailurePolicy that matches says about a failed pod; Count without one."""
    for position, rule in enumerate((spec.get("podFailurePolicy") or {}).get("rules") or ()):
        told = _matches(rule, name, status)
        if told:
            return Failure(index, rule["action"], f"{told} matching {rule['action']} rule at index {position}")
    return Failure(index, "Count")


def verdict(spec: Mapping[str, Any], tally: Tally) -> tuple[Condition, ...]:
    """The conditions of a Job that is decided, empty while it goes on."""
    fatal = next((one for one in tally.failures if one.action == "FailJob"), None)
    if fatal is not None:
        return conditions("PodFailurePolicy", fatal.message)
    for position, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        if _is_enough(rule, tally):
            return conditions("SuccessPolicy", f"Matched rules at index {position}")
    if _is_past_backoff(spec, tally):
        return conditions("BackoffLimitExceeded")
    failed = failed_indexes(spec, tally)
    if spec.get("maxFailedIndexes") is not None and len(failed) > spec["maxFailedIndexes"]:
        return conditions("MaxFailedIndexesExceeded")
    if len(tally.succeeded) + len(failed) >= completions(spec):
        return conditions("FailedIndexes" if failed else "CompletionsReached")
    return ()


def completions(spec: Mapping[str, Any]) -> int:
    """How many pods must succeed: one is enough of a work queue, which says nothing about completions."""
    return 1 if spec.get("completions") is None else int(spec["completions"])


def failed_indexes(spec: Mapping[str, Any], tally: Tally) -> tuple[int, ...]:
    """Indexes that are not tried again."""
    limit = spec.get("backoffLimitPerIndex")
    given_up = {one.index for one in tally.failures if one.action == "FailIndex"}
    if limit is not None:
        for index in {one.index for one in tally.failures}:
            if count_failures(tally, index) > limit:
                given_up.add(index)
    return tuple(sorted(one for one in given_up if one is not None))


def count_failures(tally: Tally, index: int | None = None) -> int:
    """Failures that count, of one index or of all."""
    return sum(one.action != "Ignore" and (index is None or one.index == index) for one in tally.failures)


def backoff_s(first_s: float, failures: int) -> float:
    """How long a Job waits after its nth failure in a row: 10 s, 20 s, 40 s … 6 min."""
    return min(first_s * 2 ** (failures - 1), _LONGEST_BACKOFF_S) if failures else 0.0


def indexes_of(text: str) -> set[int]:
    """The indexes of a list such as `0,2-4`."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _is_enough(rule: Mapping[str, Any], tally: Tally) -> bool:
    """Whether a rule of the successPolicy holds: all of its indexes, or as many of them as it counts."""
    succeeded = {one for one in tally.succeeded if one is not None}
    asked = rule.get("succeededIndexes")
    among = succeeded if asked is None else succeeded & indexes_of(str(asked))
    needed = rule.get("succeededCount")
    return len(among) >= (len(indexes_of(str(asked))) if needed is None else int(needed))


def _is_past_backoff(spec: Mapping[str, Any], tally: Tally) -> bool:
    default = _UNLIMITED if spec.get("backoffLimitPerIndex") is not None else DEFAULT_BACKOFF_LIMIT
    limit = spec.get("backoffLimit")
    limit = default if limit is None else int(limit)
    if tally.restarts and tally.restarts >= max(limit, 1):
        return True
    return count_failures(tally) > limit


def _matches(rule: Mapping[str, Any], name: str, status: PodStatus) -> str:
    """What is told about a pod that a rule matches, empty where it does not."""
    for wanted in rule.get("onPodConditions") or ():
        if wanted["type"] in _conditions(status) and str(wanted.get("status") or "True") == "True":
            return f"Pod {name} has condition {wanted['type']}"
    asked = rule.get("onExitCodes")
    if not asked:
        return ""
    for container in (*status.init_containers, *status.containers):
        end = container.terminated
        if end is None or end.exit_code == 0 or asked.get("containerName") not in (None, container.name):
            continue
        if (end.exit_code in asked["values"]) == (asked["operator"] == "In"):
            return f"Container {container.name} for pod {name} failed with exit code {end.exit_code}"
    return ""


def _conditions(status: PodStatus) -> Iterable[str]:
    return ("DisruptionTarget",) if status.is_disrupted else ()
