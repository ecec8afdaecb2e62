"""The operation of a request is the one that boto3 was asked for, whatever the service's protocol."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.aws.operation_names import operation_of
from lyftlearn_image.emulation.aws.signature import HttpRequest

# One of each protocol, and those whose operations jobs and their clients use.
SERVICES = (
    "s3", "sagemaker", "sagemaker-runtime", "logs", "secretsmanager", "ssm", "sts", "sqs", "events", "cloudwatch", "ecr", "iam",
    "lambda", "batch", "eks", "efs",
)  # fmt: skip
SIGNING_NAMES = {"sagemaker-runtime": "sagemaker", "cloudwatch": "monitoring", "efs": "elasticfilesystem"}
# Of S3's model, and signed for services of their own (S3 Express, S3 Object Lambda).
OTHER_SERVICES = ("ListDirectoryBuckets", "WriteGetObjectResponse")


@functools.cache
def client(service: str) -> Any:
    """boto3's client, which sends to an address, as to an endpoint of this machine."""
    session = boto3.Session("AKIA", "secret", region_name="us-east-1")
    config = Config(s3={"addressing_style": "path"}, parameter_validation=False, retries={"total_max_attempts": 1})
    return session.client(service, endpoint_url="http://127.0.0.1:1", config=config)


def operations(service: str) -> list[str]:
    """Every operation of a service, but for those that are not sent any more."""
    model = client(service).meta.service_model
    return [name for name in model.operation_names if not model.operation_model(name).deprecated and name not in OTHER_SERVICES]


def example(shape: Any, name: str) -> Any:
    """A value of a shape with what it requires: a word for a text, so that it can stand in a path."""
    if shape.type_name == "structure":
        members = {member: example(shape.members[member], member) for member in shape.required_members}
        return {**members, "Bucket": "bucket"} if "Bucket" in members else members
    if shape.type_name == "list":
        return [example(shape.member, name)]
    if shape.type_name == "map":
        return {"key": example(shape.value, name)}
    scalars = {"integer": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": True, "timestamp": 1700000000, "blob": b"x"}
    if shape.type_name in scalars:
        return scalars[shape.type_name]
    return shape.enum[0] if shape.enum else "word"


def sent(service: str, name: str) -> tuple[HttpRequest, str]:
    """The request that boto3 would send, and its form."""
    used = client(service)
    model = used.meta.service_model.operation_model(name)
    parameters = example(model.input_shape, name) if model.input_shape else {}
    requests: list[Any] = []

    def take(request: Any, **_: Any) -> AWSResponse:
        requests.append(request)
        return AWSResponse(request.url, 200, {}, None)

    event = f"before-send.{model.service_model.service_id.hyphenize()}.{name}"
    used.meta.events.register(event, take)
    try:
        used._make_api_call(name, parameters)
    except Exception:
        # The empty answer may be none of the operation's.
        if not requests:
            raise
    finally:
        used.meta.events.unregister(event, take)
    (request,) = requests
    url = urlsplit(request.url)
    headers = {key.lower(): value.decode() if isinstance(value, bytes) else value for key, value in request.headers.items()}
    body = request.body.encode() if isinstance(request.body, str) else request.body
    is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return HttpRequest(request.method, url.path, url.query, headers), body.decode() if is_form else ""


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_is_named(service: str) -> None:
    """As botocore names it."""
    signing_name = SIGNING_NAMES.get(service, service)
    named = {name: operation_of(*sent(service, name)) for name in operations(service)}
    assert named == {name: (signing_name, name) for name in named}


def test_a_presigned_url_and_a_public_one_are_of_their_service() -> None:
    """The first has its signature in the query, the second none."""
    for url in (
        client("s3").generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "a/b"}),
        "http://127.0.0.1:1/b/a/b",
    ):
        parts = urlsplit(url)
        assert operation_of(HttpRequest("GET", parts.path, parts.query, {})) == ("s3", "GetObject")


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        (HttpRequest("GET", "/", "", {"authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/r/none/aws4_request"}), "GET /"),
        (HttpRequest("BREW", "/b/k", "", {}), "BREW /b/k"),
    ],
)
def test_what_no_model_has_is_shown_by_method_and_path(request_: HttpRequest, shown: str) -> None:
    """Without its query, which may have a signature in it."""
    assert operation_of(request_).name == shown


@given(st.builds(HttpRequest, st.text(), st.text(), st.text(), st.dictionaries(st.text(), st.text())), st.text())
def test_no_request_is_an_error(request_: HttpRequest, form: str) -> None:
    """Whatever somebody sends, it is a line of a terminal."""
    name = operation_of(request_, form).name
    assert name
    assert name.isprintable()
