"""What holds answers against the model notices what is wrong in one."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from tests.emulation.sagemaker.answers import WrongAnswerError, breaches, check_answers

GOOD: dict[str, Any] = {
    "ModelName": "m",
    "ModelArn": "arn:aws:sagemaker:us-east-1:000000000000:model/m",
    "CreationTime": 1.5,
    "PrimaryContainer": {"Image": "image", "Mode": "SingleModel"},
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"ModelName": None}, "ModelName"),
        ({"Tags": []}, 'Unknown parameter in input: "Tags"'),
        ({"CreationTime": "soon"}, "CreationTime"),
        ({"ModelArn": "m"}, "ModelArn"),
        ({"PrimaryContainer": {"Image": "image", "Mode": "Single"}}, "PrimaryContainer.Mode"),
    ],
)
def test_each_kind_of_wrong_member_is_told(changes: dict[str, Any], why: str) -> None:
    """A missing, an unknown, a wrongly typed or formed member, and a value that no enum has."""
    operation = boto3.client("sagemaker", "us-east-1").meta.service_model.operation_model("DescribeModel")
    document = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    found = breaches(operation, document)
    assert why in "\n".join(found)
    assert bool(found) == bool(why)


def test_a_checked_client_raises_for_a_wrong_answer() -> None:
    """Through a client, before its parser has left out what it does not know."""
    client = check_answers(boto3.client("sagemaker", "us-east-1", aws_access_key_id="a", aws_secret_access_key="s"))
    operation = client.meta.service_model.operation_model("DescribeModel")
    told = {"operation_model": operation, "customized_response_dict": {}}
    for status, is_wrong in ((200, True), (400, False)):
        answer = {"status_code": status, "body": b'{"ModelName": "m"}', "headers": {}}
        emit = client.meta.events.emit
        if is_wrong:
            with pytest.raises(WrongAnswerError, match="DescribeModel answers"):
                emit("before-parse.sagemaker.DescribeModel", response_dict=answer, **told)
        else:
            emit("before-parse.sagemaker.DescribeModel", response_dict=answer, **told)
