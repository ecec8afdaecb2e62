"""What boto3 says went wrong, in one error of ours."""

from __future__ import annotations

import pytest
from botocore import exceptions
from hypothesis import given, strategies as st

from lyftlearn_image.aws.errors import service_error, translate_errors
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError


def test_denied_is_told_with_action_and_resource() -> None:
    """As IAM words it; and where it does not say, with the action that was tried."""
    message = (
        "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: sagemaker:CreateTrainingJob on resource: "
        "arn:aws:sagemaker:us-east-1:1:training-job/x because no identity-based policy allows it"
    )
    told = service_error({"Code": "AccessDeniedException", "Message": message}, "submitting x")
    assert told.what == (
        "submitting x: access denied: it needs sagemaker:CreateTrainingJob on arn:aws:sagemaker:us-east-1:1:training-job/x"
    )
    assert service_error({"Code": "AccessDenied"}, "writing", "s3:PutObject").what == (
        "writing: access denied: it needs s3:PutObject"
    )
    assert "expired" in service_error({"Code": "ExpiredTokenException"}, "asking").what
    assert isinstance(service_error({"Code": "ThrottlingException"}, "asking"), UnavailableError)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (exceptions.NoCredentialsError(), InvalidInputError, "there are no AWS credentials here"),
        (exceptions.NoRegionError(), InvalidInputError, "no AWS region is set"),
        (exceptions.ProfileNotFound(profile="blue"), InvalidInputError, "blue"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), UnavailableError, "AWS does not answer"),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), UnavailableError, "AWS does not answer"),
    ],
)
def test_an_error_of_the_client_says_what_to_do(error: Exception, kind: type[LyftlearnError], message: str) -> None:
    """Set up what is missing, or look at the network; it begins with what was being done."""
    with pytest.raises(kind, match=rf"^asking for x: .*{message}"), translate_errors("asking for x"):
        raise error


@given(st.text(max_size=40), st.text(max_size=400), st.sampled_from(["", "s3:PutObject"]))
def test_any_answer_is_one_error_of_ours(code: str, message: str, action: str) -> None:
    """Whatever a service answers with, its error begins with what was being done, and no text is without end."""
    answer = {"Error": {"Code": code, "Message": message}}
    with pytest.raises(LyftlearnError) as caught, translate_errors("asking for x", action):
        raise exceptions.ClientError(answer, "Operation")  # type: ignore[arg-type]
    assert caught.value.what.startswith("asking for x: ")
    assert len(caught.value.where) <= 300


def test_what_is_no_error_of_boto3_goes_through() -> None:
    """A bug of ours stays what it is."""
    with pytest.raises(ZeroDivisionError), translate_errors("asking for x"):
        raise ZeroDivisionError
