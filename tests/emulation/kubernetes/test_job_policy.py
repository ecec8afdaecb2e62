"""The rules by which a Job retries, gives up an index, or fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lyftlearn_image.emulation.kubernetes.job_policy import (
    JobProgress,
    PodFailure,
    classify_failure,
    describe_attempt,
    evaluate_job,
    failed_indexes,
)
from lyftlearn_image.emulation.kubernetes.pod_status import ContainerStatus, PodStatus, Terminated


def failed(exit_code: int, reason: str = "") -> PodStatus:
    """The status of a pod whose container ended with an exit code."""
    ended = ContainerStatus("main", None, Terminated(exit_code, "Error"))
    return PodStatus("Failed", (), (ended,), reason, is_disrupted=reason == "Evicted")


POLICY = {
    "rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "FailIndex", "onExitCodes": {"containerName": "main", "operator": "In", "values": [43]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [1]}},
    ]
}


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (failed(42), "FailJob"),
        (failed(43), "FailIndex"),
        (failed(137, "Evicted"), "Ignore"),
        (failed(137), "Count"),
        (failed(1), "Count"),
    ],
)
def test_the_first_rule_that_matches_decides(status: PodStatus, action: str) -> None:
    """By exit code or by condition; without a rule a failure counts."""
    assert classify_failure({"podFailurePolicy": POLICY}, 0, "default/demo-0", status).action == action


def test_a_policy_can_end_the_job() -> None:
    """The condition tells which container, which pod and which rule."""
    failure = classify_failure({"podFailurePolicy": POLICY}, None, "default/demo-x", failed(42))
    (_, condition) = evaluate_job({}, JobProgress(failures=(failure,)))
    assert condition.reason == "PodFailurePolicy"
    assert condition.message == (
        "Container main for pod default/demo-x failed with exit code 42 matching FailJob rule at index 0"
    )


def test_a_job_fails_when_its_limits_are_passed() -> None:
    """Six retries by default; ignored failures never count; an index that a policy gave up is not tried again."""
    six = JobProgress(failures=(PodFailure(None, "Count"),) * 6)
    assert evaluate_job({}, six) == ()
    assert evaluate_job({}, replace(six, failures=six.failures * 2))[0].reason == "BackoffLimitExceeded"
    assert evaluate_job({"backoffLimit": 0}, JobProgress(failures=(PodFailure(None, "Ignore"),) * 9)) == ()
    given_up = JobProgress(failures=(PodFailure(3, "FailIndex"),))
    assert failed_indexes({"backoffLimitPerIndex": 5}, given_up) == (3,)
    assert evaluate_job({"completions": 9, "maxFailedIndexes": 0}, given_up)[1].reason == "MaxFailedIndexesExceeded"


def test_some_indexes_may_be_enough() -> None:
    """A successPolicy counts indexes, or names them, or both; the rest is not waited for."""
    spec = {"completions": 5, "successPolicy": {"rules": [{"succeededIndexes": "0,2-3"}, {"succeededCount": 4}]}}
    assert evaluate_job(spec, JobProgress(succeeded=(0, 2, 4))) == ()
    assert [one.type for one in evaluate_job(spec, JobProgress(succeeded=(3, 2, 0)))] == ["SuccessCriteriaMet", "Complete"]
    assert evaluate_job(spec, JobProgress(succeeded=(0, 1, 2, 4)))[0].message == "Matched rules at index 1"
    leader = {"completions": 5, "successPolicy": {"rules": [{"succeededIndexes": "1-4", "succeededCount": 1}]}}
    assert evaluate_job(leader, JobProgress(succeeded=(0,))) == ()
    assert evaluate_job(leader, JobProgress(succeeded=(4,)))[0].reason == "SuccessPolicy"


@pytest.mark.parametrize(
    ("spec", "failures", "told"),
    [
        ({"backoffLimit": 2}, 0, ""),
        ({"backoffLimit": 2}, 1, "attempt 2 of 3"),
        ({"backoffLimit": 2, "completions": 1, "parallelism": 1}, 2, "attempt 3 of 3"),
        ({}, 1, "attempt 2 of 7"),
        ({"backoffLimit": 2, "completions": 2}, 1, ""),
        ({"backoffLimit": 2, "parallelism": 2}, 1, ""),
    ],
)
def test_an_attempt_is_told_from_the_second_on(spec: dict[str, int], failures: int, told: str) -> None:
    """Of a Job of one pod: of several nobody knows which attempt it is."""
    assert describe_attempt(spec, failures) == told
