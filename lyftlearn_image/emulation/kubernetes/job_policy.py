"""When a Job retries, gives up an index, or fails as a whole: pure rules over the pods that it has had.

Source: kubernetes.io/docs "Jobs" (backoffLimit, backoffLimitPerIndex, podFailurePolicy) and kubernetes/kubernetes
pkg/controller/job; recorded in pods, case 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus

MAX_JOB_BACKOFF_S = 360
_DEFAULT_BACKOFF_LIMIT = 6
_UNLIMITED = 2147483647
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
class PodFailure:
    """A failed pod of a Job: its index (None for a NonIndexed Job) and the action of the podFailurePolicy."""

    index: int | None
    action: str
    message: str = ""


@dataclass(frozen=True)
class JobProgress:
    """What the pods of a Job have come to: the index of each that succeeded, and the failures in order.

    `restarts` are those of containers in pods that still run, for a Job with restartPolicy OnFailure.
    """

    succeeded: tuple[int | None, ...] = ()
    failures: tuple[PodFailure, ...] = ()
    restarts: int = 0


def finished_conditions(reason: str, message: str = "") -> tuple[Condition, ...]:
    """The two conditions of a Job that finished for a reason."""
    types = ("SuccessCriteriaMet", "Complete") if reason in _SUCCESSES else ("FailureTarget", "Failed")
    return tuple(Condition(type_, reason, message or _MESSAGES[reason]) for type_ in types)


def is_successful(conditions: Iterable[Condition]) -> bool:
    """Whether these are the conditions of a Job that is complete."""
    return any(condition.type == "Complete" for condition in conditions)


def classify_failure(spec: Mapping[str, Any], index: int | None, pod_name: str, status: PodStatus) -> PodFailure:
    """A failed pod, with the action of the first matching rule of the podFailurePolicy; Count without one.

    `pod_name` is NAMESPACE/NAME.
    """
    for position, rule in enumerate((spec.get("podFailurePolicy") or {}).get("rules") or ()):
        if match := _match(rule, pod_name, status):
            return PodFailure(index, rule["action"], f"{match} matching {rule['action']} rule at index {position}")
    return PodFailure(index, "Count")


def evaluate_job(spec: Mapping[str, Any], progress: JobProgress) -> tuple[Condition, ...]:
    """The conditions of a Job that is finished by now, empty while it goes on."""
    fatal = next((failure for failure in progress.failures if failure.action == "FailJob"), None)
    if fatal is not None:
        return finished_conditions("PodFailurePolicy", fatal.message)
    for position, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        if _satisfies(rule, progress):
            return finished_conditions("SuccessPolicy", f"Matched rules at index {position}")
    if _exceeds_backoff_limit(spec, progress):
        return finished_conditions("BackoffLimitExceeded")
    failed = failed_indexes(spec, progress)
    if spec.get("maxFailedIndexes") is not None and len(failed) > spec["maxFailedIndexes"]:
        return finished_conditions("MaxFailedIndexesExceeded")
    if len(progress.succeeded) + len(failed) >= completions(spec):
        return finished_conditions("FailedIndexes" if failed else "CompletionsReached")
    return ()


def completions(spec: Mapping[str, Any]) -> int:
    """How many pods must succeed: one for a work queue, which has no `completions`."""
    return 1 if spec.get("completions") is None else int(spec["completions"])


def failed_indexes(spec: Mapping[str, Any], progress: JobProgress) -> tuple[int, ...]:
    """The indexes that are not retried."""
    limit = spec.get("backoffLimitPerIndex")
    failed = {failure.index for failure in progress.failures if failure.action == "FailIndex"}
    if limit is not None:
        failed |= {one.index for one in progress.failures if count_failures(progress, one.index) > limit}
    return tuple(sorted(index for index in failed if index is not None))


def count_failures(progress: JobProgress, index: int | None = None) -> int:
    """The failures of an index, or of all, that no rule ignores."""
    return sum(failure.action != "Ignore" and index in (None, failure.index) for failure in progress.failures)


def describe_attempt(spec: Mapping[str, Any], failures: int) -> str:
    """`attempt 2 of 3` for a Job of one pod that is started again, empty for the first, and for a Job of several pods."""
    if not failures or completions(spec) != 1 or int(spec.get("parallelism") or 1) != 1:
        return ""
    return f"attempt {failures + 1} of {_backoff_limit(spec) + 1}"


def parse_indexes(text: str) -> set[int]:
    """The indexes of a list such as `0,2-4`."""
    indexes: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        indexes.update(range(int(first), int(last or first) + 1))
    return indexes


def _satisfies(rule: Mapping[str, Any], progress: JobProgress) -> bool:
    """Whether a rule of the successPolicy holds: for all of its indexes, or for its succeededCount of them."""
    succeeded = {index for index in progress.succeeded if index is not None}
    listed = rule.get("succeededIndexes")
    if listed is not None:
        succeeded &= parse_indexes(str(listed))
    count = rule.get("succeededCount")
    return len(succeeded) >= (len(parse_indexes(str(listed))) if count is None else int(count))


def _exceeds_backoff_limit(spec: Mapping[str, Any], progress: JobProgress) -> bool:
    limit = _backoff_limit(spec)
    if progress.restarts and progress.restarts >= max(limit, 1):
        return True
    return count_failures(progress) > limit


def _backoff_limit(spec: Mapping[str, Any]) -> int:
    limit = spec.get("backoffLimit")
    if limit is None:
        limit = _UNLIMITED if spec.get("backoffLimitPerIndex") is not None else _DEFAULT_BACKOFF_LIMIT
    return int(limit)


def _match(rule: Mapping[str, Any], pod_name: str, status: PodStatus) -> str:
    """The message about a pod that a rule of the podFailurePolicy matches, empty for no match."""
    for pattern in rule.get("onPodConditions") or ():
        if pattern["type"] in _pod_conditions(status) and str(pattern.get("status") or "True") == "True":
            return f"Pod {pod_name} has condition {pattern['type']}"
    requirement = rule.get("onExitCodes")
    if not requirement:
        return ""
    for container in (*status.containers, *status.init_containers):
        end = container.terminated
        if end is None or end.exit_code == 0 or requirement.get("containerName") not in (None, container.name):
            continue
        if (end.exit_code in requirement["values"]) == (requirement["operator"] == "In"):
            return f"Container {container.name} for pod {pod_name} failed with exit code {end.exit_code}"
    return ""


def _pod_conditions(status: PodStatus) -> Iterable[str]:
    return ("DisruptionTarget",) if status.is_disrupted else ()
