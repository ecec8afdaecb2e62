"""What boto3 says went wrong, in one error of ours."""

from __future__ import annotations

from lyftlearn_image.aws.errors import service_error
from lyftlearn_image.errors import UnavailableError


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
