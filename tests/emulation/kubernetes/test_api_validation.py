"""What the API refuses before any pod is created."""

from __future__ import annotations

from typing import Any

import pytest

from lyftlearn_image.emulation.kubernetes.api_validation import validate_job, validate_objects
from lyftlearn_image.errors import InvalidInputError, UnsupportedError


@pytest.mark.parametrize(
    ("pod", "fields", "path"),
    [
        ({"restartPolicy": "Always"}, {}, "restartPolicy"),
        ({}, {}, "restartPolicy"),
        ({"restartPolicy": "OnFailure"}, {"podFailurePolicy": {"rules": []}}, "podFailurePolicy"),
        ({"restartPolicy": "Never"}, {"completionMode": "Indexed"}, "completions"),
        ({"restartPolicy": "Never"}, {"backoffLimitPerIndex": 1}, "backoffLimitPerIndex"),
        ({"restartPolicy": "Never"}, {"maxFailedIndexes": 1}, "maxFailedIndexes"),
        ({"restartPolicy": "Never"}, {"successPolicy": {"rules": [{}]}}, "successPolicy.rules"),
        ({"restartPolicy": "Never"}, {"successPolicy": {"rules": [{"succeededCount": 1}]}}, "successPolicy: only"),
    ],
)
def test_a_job_is_refused_with_the_path_of_the_field(pod: dict[str, Any], fields: dict[str, Any], path: str) -> None:
    """What kubernetes.io says of fields that need each other."""
    with pytest.raises(InvalidInputError, match=path):
        validate_job({"spec": {"template": {"spec": pod}, **fields}})


def test_a_job_of_the_usual_kinds_is_accepted() -> None:
    """Each field together with what it needs."""
    never, on_failure = ({"template": {"spec": {"restartPolicy": policy}}} for policy in ("Never", "OnFailure"))
    indexed = {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1, "maxFailedIndexes": 1}
    success = {"successPolicy": {"rules": [{"succeededCount": 1}]}}
    for spec in (never, on_failure, {**never, "podFailurePolicy": {"rules": []}}, {**never, **indexed, **success}):
        validate_job({"spec": spec})


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("Upper", {}, "not a name"),
        ("a" * 254, {}, "not a name"),
        ("fine", {"a/b": ""}, "'a/b' is not a key"),
        ("fine", {"a": "x" * (1 << 20), "b": "x"}, "1048577 bytes, at most 1048576"),
    ],
)
def test_an_object_is_refused_for_its_name_its_keys_or_its_size(
    kind: str, name: str, data: dict[str, str], message: str
) -> None:
    """The size counts all keys together."""
    with pytest.raises(InvalidInputError, match=message):
        validate_objects([{"kind": kind, "metadata": {"name": name}, "data": data}])
    validate_objects([{"kind": kind, "metadata": {"name": "a.b-1"}, "data": {"a_b.C-1": "x"}}])


def test_a_kind_that_no_pod_refers_to_is_refused() -> None:
    """It would have no effect here, and nobody would be told."""
    with pytest.raises(UnsupportedError, match="the kind NetworkPolicy"):
        validate_objects([{"kind": "NetworkPolicy", "metadata": {"name": "x"}}])
