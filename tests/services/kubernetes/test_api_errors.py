"""What the Kubernetes API refuses, as our errors."""

from __future__ import annotations

import msgspec
import pytest
from lightkube.core.exceptions import ApiError
from lightkube.models.batch_v1 import Job
from lightkube.models.meta_v1 import Status

from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.services.kubernetes.api_errors import api_error, translate_errors

IN_ML = 'in API group "batch" in the namespace "ml"'


@pytest.mark.parametrize(
    ("message", "needs"),
    [
        (f'jobs.batch is forbidden: User "ci" cannot create resource "jobs" {IN_ML}', "create on jobs"),
        (f'jobs.batch "x" is forbidden: User "a:b:c" cannot get resource "jobs" {IN_ML}: RBAC: not found', "get on jobs"),
        ('pods "x" is forbidden: User "ci" cannot get resource "pods/log" in API group "" in the namespace "ml"',
         "get on pods/log"),
        ('forbidden: User "ci" cannot get path "/version"', "get on /version"),
    ],
)  # fmt: skip
def test_a_missing_permission_is_named(message: str, needs: str) -> None:
    """With the verb that prints the Role."""
    told = api_error(ApiError(status=Status(code=403, reason="Forbidden", message=message)), "creating Job x")
    assert told.what == f"creating Job x: access denied: it needs {needs}"
    assert "permissions" in told.hint


@pytest.mark.parametrize(
    "message",
    [
        'jobs.batch "x" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: 5',
        'admission webhook "policy.example.com" denied the request: images must come from our registry',
        'admission webhook "w" denied the request: jobs.batch is forbidden: User "ci" cannot create resource "jobs"',
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
        'jobs.batch "x" is forbidden: ValidatingAdmissionPolicy \'p\' with binding \'b\' denied request: no GPU here',
        'pods "x" is forbidden: maximum cpu usage per Container is 2, but limit is 4',
        'configmaps "x" is forbidden: unable to create new content in namespace ml because it is being terminated',
    ],
)  # fmt: skip
def test_a_refusal_is_no_matter_of_permission(message: str) -> None:
    """Quota, policy, webhook, limits, a namespace that goes: told in their own words."""
    told = api_error(ApiError(status=Status(code=403, reason="Forbidden", message=message)), "creating Job x")
    assert told.what == f"creating Job x: the cluster refuses it: {message}"
    assert "access denied" not in str(told)
    assert "lyftlearn-image permissions" not in told.hint


@pytest.mark.parametrize("answer", [b"<html>log in</html>", b"[]", b'{"metadata": {"name": 5}}', b"\xff"])
def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    """Of a portal before the API, or of a server whose objects have another form: one line, and not where we stumbled."""
    with pytest.raises(UnavailableError, match=r"asking for x: .* is not understood"), translate_errors("asking for x"):
        msgspec.json.decode(answer, type=Job)
